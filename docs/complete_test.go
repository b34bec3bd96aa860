package docs_test

import (
	"cmp"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whoever adds a metric, a setting, a command or an event says what it is where people look for that.
func TestWhatIsAddedIsDocumented(t *testing.T) {
	text := func(path string) string {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(data)
	}
	everywhere := ""
	every(t, ".md", func(_, text string) { everywhere += text })
	for _, c := range []struct {
		source, names string            // where they are, and by which pattern
		pages         map[string]string // that have them, and what stands before one there
		least         int
	}{
		{"../handlers/metrics.go", `NewDesc\("(bellhop_\w+)"`, map[string]string{"operations.md": "`"}, 20},
		{"../handlers/commands.go", `(?m)^\t"(\w+)": +func`, map[string]string{"": "`"}, 20},
		{"../client/types.go", `(?m)^\tcase "([\w-]+)":`, map[string]string{"protocol.md": "`", "../clients/js/src/types.ts": "event: '"}, 14},
	} {
		found := regexp.MustCompile(c.names).FindAllStringSubmatch(text(c.source), -1)
		require.GreaterOrEqual(t, len(found), c.least, c.source)
		for page, before := range c.pages {
			said := everywhere
			if page != "" {
				said = text(page)
			}
			for _, m := range found {
				told := regexp.MustCompile(regexp.QuoteMeta(before+m[1]) + `\b`).MatchString(said)
				assert.True(t, told, "%s has %s, which %s does not tell of", c.source, m[1], cmp.Or(page, "no page in docs"))
			}
		}
	}
}
