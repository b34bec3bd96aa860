package docs_test

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// NAME.zh-CN.md beside NAME.md is its translation.
const chinese = ".zh-CN.md"

var (
	// stamp stands under each heading of a translation and says of which text of
	// the original's section it is the translation. Readers do not see it.
	stamp = regexp.MustCompile(`^<!-- original ([0-9a-f]{8}) -->$`)
	words = regexp.MustCompile(`\p{L}{2,}`)
	han   = regexp.MustCompile(`\p{Han}`)
	// label is what a diagram shows people, which is translated.
	label = regexp.MustCompile(`-- [^\n]+? -->|\[[^][()]*\]|\[\([^()]*\)\]`)
)

// A page says the same in both languages: as many headings, paragraphs, list items
// and table rows in the same order, each with the same code, links and pictures;
// and whoever changes a section has the translation's looked at.
func TestTranslationsKeepStep(t *testing.T) {
	seen := []string{}
	every(t, chinese, func(path, text string) {
		seen = append(seen, filepath.ToSlash(path))
		original := strings.TrimSuffix(path, chinese) + ".md"
		source, err := os.ReadFile(original)
		require.NoErrorf(t, err, "%s is a translation", path)
		for _, p := range drift(parse(original, string(source)), parse(path, text)) {
			t.Error(p)
		}
	})
	for _, name := range []string{"../README", "../docs/pages", "../docs/quickstart", "../docs/widget"} {
		require.Contains(t, seen, name+chinese)
	}
}

// drift tells, a sentence each, where a translation is out of step.
func drift(original, translation *page) (problems []string) {
	report := func(at int, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("%s:%d: %s", translation.path, at, fmt.Sprintf(format, args...)))
	}
	if self := filepath.Base(translation.path); !strings.Contains(original.source, "]("+self+")") {
		report(1, "%s has no link to %s", original.path, self)
	}
	for i, o := range original.sections {
		if i == len(translation.sections) {
			report(translation.sections[i-1].line, "%q (%s:%d) is not translated, or a section before it was dropped", o.heading, original.path, o.line)
			return problems
		}
		s := translation.sections[i]
		where := fmt.Sprintf("%q, the translation of %q (%s:%d)", s.heading, o.heading, original.path, o.line)
		if o.level != s.level {
			report(s.line, "%s, is a heading of level %d, not %d: a section was added, dropped or moved", where, s.level, o.level)
			return problems // all that follows would be compared with its neighbour
		}
		if line, difference := compare(o, s); difference != "" {
			report(line, "%s: %s", where, difference)
		}
		if s.stamp != o.digest {
			report(s.line, "%s: the original has changed since. Bring the translation in step, then write under its heading: <!-- original %s -->", where, o.digest)
		}
	}
	if extra := translation.sections[len(original.sections):]; len(extra) > 0 {
		report(extra[0].line, "%q has no section of %s to be the translation of", extra[0].heading, original.path)
	}
	return problems
}

// compare finds the first block of a translated section that is out of step.
func compare(original, translation section) (line int, difference string) {
	for i, o := range original.blocks {
		if i == len(translation.blocks) {
			return translation.line, fmt.Sprintf("lacks the %s of line %d", o.kind, o.line)
		}
		b := translation.blocks[i]
		switch {
		case o.kind != b.kind:
			return b.line, fmt.Sprintf("has a %s where line %d has a %s", b.kind, o.line, o.kind)
		case !slices.Equal(o.turned, b.same):
			return b.line, fmt.Sprintf("its %s has\n\t%s\nwhere line %d has, for readers of this language,\n\t%s", b.kind, strings.Join(b.same, "\n\t"), o.line, strings.Join(o.turned, "\n\t"))
		case len(words.FindAllString(o.prose, 3)) == 3 && !han.MatchString(b.prose):
			return b.line, fmt.Sprintf("its %s is not translated: %s", b.kind, b.prose)
		}
	}
	if len(translation.blocks) > len(original.blocks) {
		b := translation.blocks[len(original.blocks)]
		return b.line, fmt.Sprintf("has a %s that the original has not", b.kind)
	}
	return 0, ""
}

// other is where readers of the other language are led by a link of a page: to the
// other page where there are both, without its anchor, which is a heading's words.
func other(page, link string) string {
	to, anchor, _ := strings.Cut(link, "#")
	if strings.Contains(to, "://") {
		return link
	}
	if to == "" && anchor != "" {
		return "#"
	}
	if strings.HasSuffix(to, chinese) {
		return strings.TrimSuffix(to, chinese) + ".md"
	}
	translated := strings.TrimSuffix(to, ".md") + chinese
	if _, err := os.Stat(filepath.Join(filepath.Dir(page), translated)); err == nil && strings.HasSuffix(to, ".md") {
		return translated
	}
	return link
}

// digest is that of a section's words, however its lines are broken.
func digest(text string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(strings.Fields(text), " "))))[:8]
}

// Each kind of change to an original is told, with the section that it is in.
func TestTranslationsThatDriftAreTold(t *testing.T) {
	const original = "# Title\n\n[x](a.zh-CN.md)\n\n## One\n\nGo to [b](b.md) by `cmd` <kbd>G</kbd> now.\n\n- one thing\n- **two** things\n\n## Two\n\n" +
		"| a | b |\n| --- | --- |\n| `c` | <img src=\"d.png\" alt=\"Two dogs bark\"> |\n\n```mermaid\nA[users] -- \"over there\" --> B[(Redis<br/>alone)]\n```\n\n```sh\nrun it\n```\n"
	var (
		folder = t.TempDir()
		name   = filepath.Join(folder, "a.md")
		zh     = filepath.Join(folder, "a.zh-CN.md")
		have   = parse(name, original).sections
		text   = fmt.Sprintf("# 题\n\n<!-- original %s -->\n\n[x](a.md)\n\n## 一\n\n<!-- original %s -->\n\n现在用 `cmd` <kbd>G</kbd> 去 [b](b.zh-CN.md)。\n\n- 一件\n- **两**件\n\n## 二\n\n<!-- original %s -->\n\n"+
			"| 甲 | 乙 |\n| --- | --- |\n| `c` | <img src=\"d.png\" alt=\"狗\"> |\n\n```mermaid\nA[用户] -- \"那边\" --> B[(Redis<br/>单机)]\n```\n\n```sh\nrun it\n```\n", have[0].digest, have[1].digest, have[2].digest)
	)
	for _, f := range []string{"a.zh-CN.md", "b.zh-CN.md"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, f), nil, 0o600))
	}
	require.Empty(t, drift(parse(name, original), parse(zh, text)))
	require.Empty(t, drift(parse(name, strings.Replace(original, "now.", "\n now.", 1)), parse(zh, text)), "lines are broken anew")

	for _, c := range []struct{ of, from, to, told string }{
		{"original", "## Two", "## New\n\n## Two", `"Two" (`},
		{"original", "## One", "### One", `"一", the translation of "One"`},
		{"original", "now.", "now, quickly.", `"One"`},
		{"original", "[x](a.zh-CN.md)", "x", "no link to a.zh-CN.md"},
		{"original", "# Title", "# Another", `"题", the translation of "Another"`},
		{"translation", "\n\n## 二", "\n\n## 零\n\n## 二", `"零", the translation of "Two"`},
		{"translation", "```sh\nrun it", "```sh\nrun", "run it"},
		{"translation", "```sh\nrun it", "```go\nrun it", "sh: run it"},
		{"translation", "--> B[", "--> C[", "its code block has"},
		{"translation", "b.zh-CN.md", "b.md", "link b.zh-CN.md"},
		{"translation", "`cmd`", "`command`", "code cmd"},
		{"translation", "<kbd>G</kbd>", "<kbd>H</kbd>", "key G"},
		{"translation", "**两**", "两", "bold"},
		{"translation", "- 一件\n", "", "list of 1"},
		{"translation", "d.png", "e.png", "picture d.png"},
		{"translation", "<img src=\"d.png\" alt=\"狗\">", "狗", "picture d.png"},
		{"translation", "狗", "Two dogs", "its cell is not translated"},
		{"translation", "| `c` |", "| `c` | |\n| `c` |", "row"},
		{"translation", "现在用", "Now there is `x`. 现在用", "code x"},
		{"translation", "- 一件", "多一段。\n\n- 一件", "has a paragraph where"},
		{"translation", "\n\n```sh\nrun it\n```", "", "lacks the code block"},
		{"translation", "现在用 `cmd` <kbd>G</kbd> 去 [b](b.zh-CN.md)。", "Go to [b](b.zh-CN.md) by `cmd` <kbd>G</kbd>.", "is not translated"},
	} {
		o, tr := original, text
		if c.of == "original" {
			o = strings.Replace(o, c.from, c.to, 1)
		} else {
			tr = strings.Replace(tr, c.from, c.to, 1)
		}
		require.NotEqual(t, original+text, o+tr, "%s: nothing was changed", c.from)
		require.Contains(t, cmp.Or(strings.Join(drift(parse(name, o), parse(zh, tr)), "\n"), "nothing"), c.told, "%s → %s", c.from, c.to)
	}
}
