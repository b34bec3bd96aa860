-- The grams of texts as archive.Fold folds them now. What an earlier program
-- has put into the table grams moves over bit by bit: see reindex.go.
CREATE VIRTUAL TABLE grams2 USING fts5 (
  text, content = '', contentless_delete = 1, detail = 'none', tokenize = 'ascii'
);
