package handlers

import (
	"net/url"
	"path"
	"strings"

	"bellhop/files"
)

// disposition has the file's name, and saves what is not known to be safe in a page.
func disposition(f *files.File) string {
	if files.Inline(f.Mime) {
		return named("inline", f.Name)
	}
	return named("attachment", f.Name)
}

// thumbnailDisposition is that of a picture's thumbnail, a JPEG whatever the picture is.
func thumbnailDisposition(f *files.File) string {
	return named("inline", strings.TrimSuffix(f.Name, path.Ext(f.Name))+".jpg")
}

// named adds a file's name (RFC 6266). Browsers read the plain form in their own ways
// where it has quotes, backslashes, percent signs or more than ASCII; there, it is for old programs
// only, and the other form (RFC 8187), which all browsers prefer, tells the name.
func named(kind, name string) string {
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%`, r) {
			return '_'
		}
		return r
	}, name)
	value := kind + `; filename="` + plain + `"`
	if plain != name {
		// In a query only letters, digits and -._~ stay as they are, and all of them may stay here.
		value += "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return value
}
