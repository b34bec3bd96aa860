package main

import (
	"regexp"
	"strings"
)

// allowed are the licences that only want to be handed on with what they cover.
// MPL-2.0 and the GPL's are not here: whoever ships Bellhop would owe sources.
var allowed = map[string]bool{"0BSD": true, "AFL-3.0": true, "Apache-2.0": true, "BSD-2-Clause": true, "BSD-3-Clause": true, "BlueOak-1.0.0": true,
	"CC0-1.0": true, "ISC": true, "MIT": true, "Public-Domain": true, "Unlicense": true, "Zlib": true}

// settled are components whose texts name more than they are under, looked at by a person.
var settled = map[string]struct {
	licences []string
	why      string
}{
	"dompurify": {[]string{"Apache-2.0"}, "offered under this or MPL-2.0"},
	"argparse":  {[]string{"Python-2.0"}, "only the command of js-yaml uses it: it is not in the pages"},
	"format":    {[]string{"MIT"}, "as its Readme says"},
	"modernc.org/sqlite": {[]string{"BSD-3-Clause", "MIT", "Public-Domain"},
		"its list of third parties holds what only its tests and tools use, too"},
}

// marks are what each licence says and no other of them does, in one line of small letters.
var marks = []struct {
	licence string
	says    *regexp.Regexp
}{
	{"AGPL", regexp.MustCompile(`gnu affero general public license version \d`)},
	{"LGPL", regexp.MustCompile(`gnu (lesser|library) general public license version \d`)},
	{"GPL", regexp.MustCompile(`gnu general public license version \d`)},
	{"MPL", regexp.MustCompile(`mozilla public license`)},
	{"EPL", regexp.MustCompile(`eclipse public license`)},
	{"CDDL", regexp.MustCompile(`common development and distribution license`)},
	{"SSPL", regexp.MustCompile(`server side public license`)},
	{"BUSL", regexp.MustCompile(`business source license`)},
	{"Commons-Clause", regexp.MustCompile(`commons clause`)},
	{"CC-BY", regexp.MustCompile(`creative commons attribution`)},
	{"AFL-3.0", regexp.MustCompile(`academic free license`)},
	{"CC0-1.0", regexp.MustCompile(`cc0 1\.0 universal`)},
	{"Apache-2.0", regexp.MustCompile(`apache license,? version 2\.0|www\.apache\.org licenses license-2\.0`)},
	{"MIT", regexp.MustCompile(`permission is hereby granted, free of charge, to any person obtaining a copy`)},
	{"ISC", regexp.MustCompile(`permission to use, copy, modify, and(/| )?(or)? distribute this software for any purpose with or without fee is hereby granted, provided`)},
	{"0BSD", regexp.MustCompile(`permission to use, copy, modify, and( |/)or distribute this software for any purpose with or without fee is hereby granted\. `)},
	{"BSD-3-Clause", regexp.MustCompile(`redistribution and use in source and binary forms.{0,900}neither the names? of`)},
	{"BSD-2-Clause", regexp.MustCompile(`redistribution and use in source and binary forms`)},
	{"Unlicense", regexp.MustCompile(`this is free and unencumbered software released into the public domain`)},
	{"Public-Domain", regexp.MustCompile(`(dedicated|released) (to|into) the public domain|disclaims copyright to this source code`)},
	{"Zlib", regexp.MustCompile(`this software is provided 'as-is', without any express or implied warranty`)},
	{"BlueOak-1.0.0", regexp.MustCompile(`blue oak model license`)},
}

var notLetters = regexp.MustCompile(`[\s*#>/"“”]+`)

// classify names the licences that a text holds.
func classify(text string) []string {
	// "//" and "*" are what comments have at the beginnings of lines.
	line := strings.ToLower(notLetters.ReplaceAllString(text, " "))
	var found []string
	has := map[string]bool{}
	for _, m := range marks {
		if !m.says.MatchString(line) {
			continue
		}
		switch {
		case m.licence == "BSD-2-Clause" && has["BSD-3-Clause"], m.licence == "Public-Domain" && has["Unlicense"]:
			continue // the same words
		}
		has[m.licence] = true
		found = append(found, m.licence)
	}
	return found
}
