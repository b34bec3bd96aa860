package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	envName  = regexp.MustCompile(`\bBELLHOP_[A-Z_]*[A-Z]\b`)
	flagName = regexp.MustCompile("`(--[a-z][a-z-]*)`")
	// commandLine is how a person starts Bellhop: in a code span, in $(…), or a line of code.
	commandLine = regexp.MustCompile("(?m)(?:^|`|\\$\\()(?:go run \\./app|bellhop)((?: +[\\w./-]+)+)")
)

// What the documents name, in any language, exists: settings and command lines. The
// README, in each language, lists all settings of a node, and no flag that is not.
func TestDocumentsNameWhatExists(t *testing.T) {
	known, serving := map[string]bool{}, []string{}
	for _, command := range program(&commands{}).Commands {
		for _, f := range command.Flags {
			known["--"+f.Name], known["--no-"+f.Name], known[f.Env] = true, f.IsBool(), true
			if command.Name == "serve" && f.Name != "config" {
				serving = append(serving, f.Env)
			}
		}
	}
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, yet, _ := strings.Cut(string(readme), "\n## What is not here yet\n")
	for _, name := range envName.FindAllString(yet, -1) {
		known[name] = true
	}

	settings, lines, readmes := 0, 0, 0
	documents(t, func(path, text string) {
		for _, name := range envName.FindAllString(text, -1) {
			settings++
			require.Truef(t, known[name], "%s names %s", path, name)
		}
		for _, m := range commandLine.FindAllStringSubmatch(text, -1) {
			lines++
			_, err := program(&commands{}).Trace(strings.Fields(m[1]))
			require.NoErrorf(t, err, "%s: %s", path, m[0])
		}
		if match, _ := filepath.Match("../README*.md", filepath.ToSlash(path)); !match {
			return
		}
		readmes++
		for _, m := range flagName.FindAllStringSubmatch(text, -1) {
			require.Truef(t, known[m[1]], "%s names %s", path, m[1])
		}
		for _, name := range serving {
			require.Truef(t, strings.Contains(text, "| `"+name+"`") || strings.Contains(text, "`"+name+"` |"), "%s does not list %s", path, name)
		}
	})
	require.Greater(t, settings, 100)
	require.Greater(t, lines, 10)
	require.GreaterOrEqual(t, readmes, 2)
}

// documents calls f with every document of the repository.
func documents(t *testing.T, f func(path, text string)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		f(path, string(text))
		return err
	}))
}
