package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"bellhop/broker/chat"
	"bellhop/filter"
)

// wordFilter keeps the words of a list out of what participants write.
type wordFilter struct {
	words  *filter.Words
	refuse bool
}

// newFilter reads the list, which holds until the node stops; nil for none.
func newFilter(s *Settings) (chat.Filter, error) {
	if s.FilterWords == "" {
		return nil, nil //nolint:nilnil // no filter is what most have
	}
	file, err := os.Open(s.FilterWords)
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	if err != nil {
		return nil, fmt.Errorf("--filter-words: %q: %w", s.FilterWords, err)
	}
	defer file.Close()
	words, err := filter.Read(file)
	if errors.As(err, &path) { // a folder, say
		err = path.Err
	}
	if err != nil {
		return nil, fmt.Errorf("--filter-words: %q: %w", s.FilterWords, err)
	}
	return wordFilter{words, s.FilterAction == "refuse"}, nil
}

// Filter implements chat.Filter. A refusal tells nothing of the list.
func (f wordFilter) Filter(_ context.Context, in chat.FilterInput) (string, error) {
	text, found := f.words.Mask(in.Text)
	if found && f.refuse {
		return "", chat.Errorf(chat.CodeBadRequest, "this may not be said here; please put it in other words")
	}
	return text, nil
}
