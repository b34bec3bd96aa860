// Package docs_test holds the documents to what they speak of.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	link     = regexp.MustCompile(`(?:\]\(|<img [^>]*\bsrc=")([^)"\s]+)[)"]`)
	testName = regexp.MustCompile("`(Test[A-Z]\\w*)`")
	testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(t `)
)

// every calls f with each file of the repository that has the extension.
func every(t *testing.T, ext string, f func(path, text string)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ext) || strings.Contains(path, "node_modules") {
			return err
		}
		text, err := os.ReadFile(path)
		f(path, string(text))
		return err
	}))
}

func TestLinksLeadSomewhere(t *testing.T) {
	seen, anchors := 0, 0
	every(t, ".md", func(path, text string) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, "://") {
				continue
			}
			seen++
			target := path
			if to != "" {
				target = filepath.Join(filepath.Dir(path), to)
			}
			_, err := os.Stat(target)
			require.NoErrorf(t, err, "%s links to %s", path, m[1])
			if anchor == "" {
				continue
			}
			anchors++
			source, err := os.ReadFile(target)
			require.NoError(t, err)
			require.Containsf(t, parse(target, string(source)).anchors(), anchor, "%s links to %s", path, m[1])
		}
	})
	require.Greater(t, seen, 20)
	require.Positive(t, anchors)
}

func TestTestsThatAreNamedExist(t *testing.T) {
	tests, seen := map[string]bool{}, 0
	every(t, "_test.go", func(_, text string) {
		for _, m := range testFunc.FindAllStringSubmatch(text, -1) {
			tests[m[1]] = true
		}
	})
	every(t, ".md", func(path, text string) {
		for _, m := range testName.FindAllStringSubmatch(text, -1) {
			seen++
			require.Truef(t, tests[m[1]], "%s names %s", path, m[1])
		}
	})
	require.Greater(t, seen, 40)
}

var fileName = regexp.MustCompile("`((?:app|archive|broker|client|clients|demo|deploy|files|filter|handlers|scripts|web|webhook)/[\\w./-]+\\.(?:go|lua|tsx?|yaml|md|acl|conf|js))`")

// A file that a document names is where it says; the changelog speaks of what was.
func TestFilesThatAreNamedExist(t *testing.T) {
	seen := 0
	every(t, ".md", func(path, text string) {
		if filepath.Base(path) == "CHANGELOG.md" {
			return
		}
		for _, m := range fileName.FindAllStringSubmatch(text, -1) {
			seen++
			_, err := os.Stat(filepath.Join("..", m[1]))
			assert.NoErrorf(t, err, "%s names %s", path, m[1])
		}
	})
	require.Greater(t, seen, 20)
}
