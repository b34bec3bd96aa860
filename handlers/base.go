package handlers

import (
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/gin-gonic/gin"
)

// maxBasePath is a base path's greatest length in bytes.
const maxBasePath = 128

// basePath is one or more parts of what needs no escapes in any address.
var basePath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

// ParseBasePath reads a base path, with or without a slash at its end, into the form that
// Options.BasePath wants; "/" and nothing are the root.
func ParseBasePath(s string) (string, error) {
	base := strings.TrimSuffix(s, "/")
	switch {
	case base == "":
		return "", nil
	case len(base) > maxBasePath:
		return "", errors.New("at most 128 bytes")
	case !basePath.MatchString(base):
		return "", errors.New("a path such as /support: from a slash on, of letters, digits and . _ ~ -, without host, query and empty parts")
	}
	for part := range strings.SplitSeq(base, "/") {
		if part == "." || part == ".." {
			return "", errors.New("no . or .. as a part of it: clients would leave it out")
		}
	}
	return base, nil
}

// rootsOf are the first parts of all paths that are served.
func rootsOf(e *gin.Engine) map[string]bool {
	roots := map[string]bool{}
	for _, r := range e.Routes() {
		roots[firstPart(r.Path)] = true
	}
	return roots
}

// firstPart is the first part of a path, with its slash.
func firstPart(path string) string {
	part, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return "/" + part
}

// atRoot is a request as if there were no base path. A proxy may pass the prefix on or strip it, and
// probes ask a node without one: so it is taken off where something of ours follows. What follows
// decides, since the prefix may be called as something of ours is.
func (s *Server) atRoot(r *http.Request) *http.Request {
	base := s.opt.BasePath
	rest, below := strings.CutPrefix(r.URL.EscapedPath(), base+"/")
	if base == "" || !below || !s.roots[firstPart(rest)] {
		return r
	}
	copied, address := *r, *r.URL
	address.Path = strings.TrimPrefix(address.Path, base)
	address.RawPath = strings.TrimPrefix(address.RawPath, base)
	copied.URL = &address
	return &copied
}

// serve leads whoever asks for the base path without its slash to it: what pages load is below them.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if base := s.opt.BasePath; base != "" && r.URL.Path == base && !s.roots[base] {
		http.Redirect(w, r, base+"/", http.StatusPermanentRedirect)
		return
	}
	s.engine.ServeHTTP(w, s.atRoot(r))
}
