package docs_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
)

// page is a document by its sections, one a heading.
type page struct {
	path, source string
	sections     []section
}

type section struct {
	heading string
	level   int
	line    int
	blocks  []block
	digest  string // of all its source
	stamp   string // of the original's section, in a translation
}

// block is a paragraph, a table's cell, a code block …: what it has that is the
// same in every language, and the words that are not.
type block struct {
	kind   string
	line   int
	same   []string // its code, links, pictures, keys and bold words, in order of the alphabet
	turned []string // the same, with links as the other language has them
	prose  string
}

var (
	picture = regexp.MustCompile(`^<img\b[^>]*\bsrc="([^"]*)"`)
	alt     = regexp.MustCompile(`\balt="([^"]*)"`)
	markup  = goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser()
)

// parse reads a page as GitHub shows it.
func parse(path, source string) *page {
	p, starts := &page{path: path, source: source}, []int{}
	doc := markup.Parse(text.NewReader([]byte(source)))
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		blocks := p.blocks(n)
		if h, ok := n.(*ast.Heading); ok {
			p.sections = append(p.sections, section{heading: string(h.Lines().Value([]byte(source))), level: h.Level, line: blocks[0].line})
			starts = append(starts, n.Pos())
		}
		if len(p.sections) == 0 {
			p.sections, starts = append(p.sections, section{line: 1}), append(starts, 0)
		}
		s := &p.sections[len(p.sections)-1]
		if m := stamp.FindStringSubmatch(strings.TrimSpace(p.raw(n))); m != nil {
			s.stamp = m[1]
			continue
		}
		s.blocks = append(s.blocks, blocks...)
	}
	for i, start := range starts {
		end := len(source)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		p.sections[i].digest = digest(source[start:end])
	}
	return p
}

// blocks are a node and those within it, flat.
func (p *page) blocks(n ast.Node) []block {
	b := block{kind: strings.ToLower(n.Kind().String()), line: 1 + strings.Count(p.source[:max(n.Pos(), 0)], "\n")}
	nested := []block{}
	switch n := n.(type) {
	case *ast.Heading:
		b.kind = fmt.Sprintf("heading of level %d", n.Level)
	case *ast.TextBlock: // a paragraph in a list without blank lines
		b.kind = "paragraph"
	case *ast.List:
		b.kind = fmt.Sprintf("list of %d", n.ChildCount())
	case *tables.Table:
		b.kind = fmt.Sprintf("table of %d rows", n.ChildCount())
	case *tables.TableCell:
		b.kind = "cell"
	case *tables.TableRow:
		b.kind = fmt.Sprintf("row of %d", n.ChildCount())
	case *ast.FencedCodeBlock:
		language := string(n.Language([]byte(p.source)))
		code := p.raw(n)
		if language == "mermaid" {
			code = label.ReplaceAllString(code, "")
		}
		b.kind, b.same = "code block", []string{language + ": " + code}
	case *ast.HTMLBlock:
		b.same = []string{p.raw(n)}
	}
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if c.Type() == ast.TypeBlock {
			nested = append(nested, p.blocks(c)...)
		} else {
			p.inline(&b, c)
		}
	}
	for _, s := range b.same {
		if to, ok := strings.CutPrefix(s, "link "); ok {
			s = "link " + other(p.path, to)
		}
		b.turned = append(b.turned, s)
	}
	slices.Sort(b.same)
	slices.Sort(b.turned)
	return append([]block{b}, nested...)
}

// inline adds to a block what stands in its lines.
func (p *page) inline(b *block, n ast.Node) {
	source := []byte(p.source)
	switch n := n.(type) {
	case *ast.Text:
		value := string(n.Value(source))
		if before, ok := n.PreviousSibling().(*ast.RawHTML); ok && string(before.Segments.Value(source)) == "<kbd>" {
			b.same = append(b.same, "key "+value)
			return
		}
		b.prose += value
		if n.SoftLineBreak() {
			b.prose += " "
		}
		return
	case *ast.CodeSpan:
		code := ""
		for c := n.FirstChild(); c != nil; c = c.NextSibling() {
			if part, ok := c.(*ast.Text); ok {
				code += string(part.Value(source))
			}
		}
		if !slices.Contains(b.same, "code "+code) { // a sentence of another language may have to say it twice
			b.same = append(b.same, "code "+code)
		}
		return
	case *ast.Link:
		b.same = append(b.same, "link "+string(n.Destination))
	case *ast.AutoLink:
		b.same = append(b.same, "link "+string(n.URL(source)))
	case *ast.Image:
		b.same = append(b.same, "picture "+string(n.Destination))
	case *ast.Emphasis:
		b.same = append(b.same, map[int]string{1: "italic", 2: "bold"}[n.Level])
	case *ast.RawHTML:
		tag := string(n.Segments.Value(source))
		if m := picture.FindStringSubmatch(tag); m != nil {
			if m := alt.FindStringSubmatch(tag); m != nil {
				b.prose += m[1]
			}
			tag = "picture " + m[1]
		}
		b.same = append(b.same, tag)
	}
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		p.inline(b, c)
	}
}

// raw are the lines of a block that holds no markup: code, HTML.
func (p *page) raw(n ast.Node) string {
	if !n.IsRaw() {
		return ""
	}
	return string(n.Lines().Value([]byte(p.source)))
}

// anchors are the ends of the links to a page's headings, as GitHub makes them.
func (p *page) anchors() (names []string) {
	for _, s := range p.sections {
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, s.heading))
	}
	return names
}
