package docs_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each room of the broker's has a row that says what it promises.
func TestRoomsAreListed(t *testing.T) {
	page, err := os.ReadFile("architecture.md")
	require.NoError(t, err)
	_, rooms, ok := strings.Cut(string(page), "\n## Rooms\n")
	require.True(t, ok)
	rooms, _, _ = strings.Cut(rooms, "\n## ")
	folders, err := os.ReadDir("../broker/internal")
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	for _, f := range folders {
		assert.Regexpf(t, "(?m)^\\| `[^`]*/"+f.Name()+"` \\| ", rooms, "docs/architecture.md has no row for broker/internal/%s", f.Name())
	}
}
