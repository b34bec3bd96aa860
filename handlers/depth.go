package handlers

import (
	"bytes"

	"bellhop/broker/chat"
)

// maxDepth is how deep JSON from a client may be nested. Whoever reads it later
// may stop far sooner than Go does, at 10,000: scripts in Redis at 1,000, MongoDB
// at 100, a page's own recursion somewhere between.
const maxDepth = 64

var errTooDeep = chat.Errorf(chat.CodeBadRequest, "JSON: nested at most %d deep", maxDepth)

// tooDeep looks at no more than brackets and strings, so that it recurses nowhere;
// what is no JSON at all the decoder finds out.
func tooDeep(data []byte) bool {
	if bytes.Count(data, []byte{'{'})+bytes.Count(data, []byte{'['}) <= maxDepth {
		return false // nearly always
	}
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
