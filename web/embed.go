// Package web holds the built pages. Their sources are in src; `make web` builds them.
package web

import "embed"

// Dist has the pages (*.html) and, compressed, what they load: NAME.gz and NAME.br.
//
//go:embed all:dist
var Dist embed.FS
