package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// platforms are those that a binary may be made for; each adds some modules.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/arm64"}

// modules are those of a command's packages, and Go's library itself.
func modules(command string) ([]component, error) {
	type pkg struct {
		Dir      string
		Standard bool
		Module   *struct{ Path, Version, Dir string }
	}
	found := map[string]*component{}
	seen := map[string]bool{}
	for _, platform := range platforms {
		system, arch, _ := strings.Cut(platform, "/")
		list := exec.Command("go", "list", "-deps", "-json=Dir,Standard,Module", command) //nolint:noctx,gosec // at once, our own words
		list.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0")
		list.Stderr = os.Stderr
		out, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
			var p pkg
			if err := d.Decode(&p); err != nil {
				return nil, err
			}
			if p.Module == nil || p.Module.Version == "" || seen[p.Dir] {
				continue // Go's library, Bellhop, or looked at
			}
			seen[p.Dir] = true
			c := found[p.Module.Path]
			if c == nil {
				c = &component{where: "binary", name: p.Module.Path, version: p.Module.Version}
				found[p.Module.Path] = c
			}
			// A package may have a licence of its own, below the module's.
			for dir := p.Dir; ; dir = filepath.Dir(dir) {
				if err := c.read(dir); err != nil {
					return nil, err
				}
				if dir == p.Module.Dir || len(dir) < len(p.Module.Dir) {
					break
				}
			}
		}
	}
	root, err := exec.Command("go", "env", "GOROOT").Output() //nolint:noctx // at once
	if err != nil {
		return nil, err
	}
	library := component{where: "binary", name: "Go's standard library"} // its version is the toolchain's
	if err := library.read(strings.TrimSpace(string(root))); err != nil {
		return nil, err
	}
	all := []component{library}
	for _, c := range found {
		all = append(all, *c)
	}
	return all, nil
}

// bundled are the packages that pages may be built of: all that a lock file does
// not mark as needed for development only.
func bundled(lock string) ([]component, error) {
	data, err := os.ReadFile(lock) //nolint:gosec // our own
	if err != nil {
		return nil, err
	}
	var file struct {
		Packages map[string]struct {
			Version, License             string
			Dev, DevOptional, Link, Peer bool
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", lock, err)
	}
	var all []component
	for path, p := range file.Packages {
		_, name, installed := strings.Cut(path, "node_modules/")
		if at := strings.LastIndex(path, "node_modules/"); at >= 0 {
			name = path[at+len("node_modules/"):]
		}
		if !installed || p.Link || p.Dev || p.DevOptional {
			continue
		}
		c := component{where: "pages", name: name, version: p.Version}
		if err := c.read(path); errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s is missing: npm ci", path)
		} else if err != nil {
			return nil, err
		}
		if len(c.texts) == 0 && p.License != "" {
			// Some packages have only a word in their description. A word is no text, but names one.
			c.licences = []string{p.License}
		}
		all = append(all, c)
	}
	return all, nil
}

var licenceFile = regexp.MustCompile(`(?i)^(.+-)?(licen[cs]es?|copying|unlicense|notices?|copyright)([-.].*)?$`)

// read takes in the licences and notices of a folder.
func (c *component) read(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() == "LICENSES" { // as REUSE has it: a file for each
			if err := c.readAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
		if e.IsDir() || !licenceFile.MatchString(e.Name()) || slices.Contains([]string{".go", ".js", ".ts", ".mjs"}, filepath.Ext(e.Name())) {
			continue
		}
		if err := c.add(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// readAll takes in every file of a folder.
func (c *component) readAll(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := c.add(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// add takes in a file.
func (c *component) add(path string) error {
	text, err := os.ReadFile(path) //nolint:gosec // found there
	if err != nil {
		return err
	}
	t := strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))
	if !slices.Contains(c.texts, t) {
		c.texts = append(c.texts, t)
	}
	return nil
}
