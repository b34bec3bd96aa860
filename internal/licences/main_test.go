package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	mit  = "Permission is hereby granted, free of charge, to any person\nobtaining a copy of this software"
	bsd2 = "Redistribution and use in source and binary forms, with or without\n * modification, are permitted"
	bsd3 = bsd2 + " provided … Neither the name of the author nor"
	gpl  = "GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		mit: "MIT", bsd2: "BSD-2-Clause", bsd3: "BSD-3-Clause", gpl: "GPL", bsd3 + "\n\n" + mit: "MIT BSD-3-Clause",
		"                                 Apache License\n                           Version 2.0, January 2004": "Apache-2.0",
		"Licensed under the Apache License, Version 2.0 (the \"License\")":                                      "Apache-2.0",
		"GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3":                                                          "AGPL", "GNU Lesser General Public License\nVersion 2.1": "LGPL",
		"Mozilla Public License Version 2.0 … either the GNU General Public License, Version 2.0":                                                "MPL",
		"Permission to use, copy, modify, and/or distribute this software for any\npurpose with or without fee is hereby granted, provided that": "ISC",
		"Permission to use, copy, modify, and/or distribute this software for any\npurpose with or without fee is hereby granted. THE SOFTWARE":  "0BSD",
		"All rights reserved.": "", "": "", "Business Source License 1.1": "BUSL",
	} {
		require.Equal(t, want, strings.Join(classify(text), " "), text)
	}
}

// What nobody knows, and what binds whoever ships it, stops the list.
func TestWhatCannotBeShipped(t *testing.T) {
	t.Parallel()
	require.NoError(t, judge([]component{{name: "a", texts: []string{mit}}, {name: "b", texts: []string{bsd3, mit}}, {name: "c", licences: []string{"MIT"}}}))
	for _, c := range []component{
		{name: "bad"}, {name: "bad", texts: []string{"Do what you like."}}, {name: "bad", texts: []string{mit, gpl}},
		{name: "bad", licences: []string{"GPL-3.0-or-later"}}, {name: "bad", licences: []string{"SEE LICENSE IN x"}},
		{name: "bad", texts: []string{"Mozilla Public License Version 2.0"}},
	} {
		require.ErrorContains(t, judge([]component{{name: "a", texts: []string{mit}}, c}), "bad", "%+v", c)
	}
}

// What the binary holds is in the list, in this version, and its texts are there.
func TestTheListIsUpToDate(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile("../../docs/licences.md")
	require.NoError(t, err)
	handedOn, err := os.ReadFile("../../THIRD_PARTY_LICENSES")
	require.NoError(t, err)
	all, err := modules("bellhop/app")
	require.NoError(t, err)
	require.Greater(t, len(all), 50)
	for _, c := range all {
		require.Contains(t, string(list), "| binary | "+c.name+" | "+c.version+" |", "make licences")
		require.NotEmpty(t, c.texts, c.name)
		for _, text := range c.texts {
			require.True(t, strings.Contains(string(handedOn), text), "make licences: %s", c.name)
		}
	}
	require.Equal(t, len(all), strings.Count(string(list), "\n| binary |"), "make licences: some are there no more")
}
