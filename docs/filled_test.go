package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var heldName = regexp.MustCompile("`(\\w+\\.\\w+)`")

// Whoever adds a map or a channel to a struct says in docs/architecture.md what
// bounds it, or that clients cannot fill it; what is named there exists.
func TestWhatCanBeFilledIsListed(t *testing.T) {
	page, err := os.ReadFile("architecture.md")
	require.NoError(t, err)
	_, list, ok := strings.Cut(string(page), "## What clients can fill")
	require.True(t, ok)
	list, _, _ = strings.Cut(list, "\n## ")
	there := map[string]bool{}
	every(t, ".go", func(path, text string) {
		dir, _, _ := strings.Cut(strings.TrimPrefix(filepath.ToSlash(path), "../"), "/")
		held := map[string]bool{"broker": true, "handlers": true, "files": true, "filter": true, "webhook": true, "app": true, "demo": true}[dir]
		held = held || strings.Contains(filepath.ToSlash(path), "/internal/jwt/") // issuers fill it
		if strings.HasSuffix(path, "_test.go") || !held {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, name := range holders(file) {
			there[name] = true
			assert.Truef(t, strings.Contains(list, "`"+name+"`"), "%s: docs/architecture.md does not list %s, a map or channel", path, name)
		}
	})
	require.Greater(t, len(there), 50)
	_, rest, ok := strings.Cut(list, "What else holds a map")
	require.True(t, ok)
	for _, m := range heldName.FindAllStringSubmatch(rest, -1) {
		assert.Truef(t, there[m[1]], "docs/architecture.md lists %s, which holds no map or channel, or is not there", m[1])
	}
}

// holders are the fields of a file's structs whose type has a map or a channel.
func holders(file *ast.File) (names []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		fields, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, f := range fields.Fields.List {
			if !holds(f.Type) {
				continue
			}
			for _, name := range f.Names {
				names = append(names, spec.Name.Name+"."+name.Name)
			}
		}
		return true
	})
	return names
}

func holds(typ ast.Expr) (found bool) {
	ast.Inspect(typ, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.FuncType, *ast.StructType:
			return false
		case *ast.MapType, *ast.ChanType:
			found = true
		}
		return true
	})
	return found
}
