// Command licences lists what is shipped with Bellhop, in the binary and in the
// pages, under which licences: a table for docs/licences.md, and the texts, which
// most of them want handed on, for THIRD_PARTY_LICENSES. It fails on a licence it
// does not know, and on those that would bind whoever ships Bellhop.
//
// It needs the modules' sources, which Go fetches, and node_modules.
package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
)

// component is a module or package that is shipped.
type component struct {
	where, name, version string
	texts                []string // licences and notices, in the order of their files
	licences             []string // SPDX identifiers
	why                  string   // where a person had to choose
}

func main() {
	if err := run(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run() error {
	all, err := modules("./app")
	if err != nil {
		return err
	}
	pages, err := bundled("package-lock.json")
	if err != nil {
		return err
	}
	all = append(all, pages...)
	slices.SortFunc(all, func(a, b component) int {
		return strings.Compare(a.where+"\x00"+a.name+"\x00"+a.version, b.where+"\x00"+b.name+"\x00"+b.version)
	})
	if err := judge(all); err != nil {
		return err
	}
	if err := os.WriteFile("docs/licences.md", table(all), 0o644); err != nil { //nolint:gosec // for all to read
		return err
	}
	return os.WriteFile("THIRD_PARTY_LICENSES", texts(all), 0o644) //nolint:gosec // for all to read
}

// judge names every component's licences, or those that must not be shipped.
func judge(all []component) error {
	var bad []string
	for i := range all {
		c := &all[i]
		if known, ok := settled[c.name]; ok {
			c.licences, c.why = known.licences, " ("+known.why+")"
			continue
		}
		for _, text := range c.texts {
			for _, l := range classify(text) {
				if !slices.Contains(c.licences, l) {
					c.licences = append(c.licences, l)
				}
			}
		}
		slices.Sort(c.licences)
		if len(c.licences) == 0 {
			bad = append(bad, c.name+" "+c.version+": no licence that is known")
		}
		for _, l := range c.licences {
			if !allowed[l] {
				bad = append(bad, c.name+" "+c.version+": "+l)
			}
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("these cannot be shipped:\n%s", strings.Join(bad, "\n"))
	}
	return nil
}

func table(all []component) []byte {
	var b bytes.Buffer
	b.WriteString("# Licences of what is shipped\n\nMade by `make licences`. The texts are in [THIRD_PARTY_LICENSES](../THIRD_PARTY_LICENSES); " +
		"Bellhop's own licence is [Apache-2.0](../LICENSE).\n\n| in | component | version | licence |\n| --- | --- | --- | --- |\n")
	for _, c := range all {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", c.where, c.name, c.version, strings.Join(c.licences, ", ")+c.why)
	}
	return b.Bytes()
}

// texts has each text once, after the names of all that it belongs to.
func texts(all []component) []byte {
	owners := map[string][]string{}
	var order []string
	for _, c := range all {
		for _, text := range c.texts {
			if owners[text] == nil {
				order = append(order, text)
			}
			if name := strings.TrimSpace(c.name + " " + c.version); !slices.Contains(owners[text], name) {
				owners[text] = append(owners[text], name)
			}
		}
	}
	var b bytes.Buffer
	b.WriteString("Bellhop contains the following software. Made by `make licences`.\n")
	for _, text := range order {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 80), strings.Join(owners[text], "\n"), text)
	}
	return b.Bytes()
}
