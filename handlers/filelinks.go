package handlers

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"bellhop/broker/chat"
)

// lastingTTL is how long the links of a transcript are good for: it is read when people get to it.
const lastingTTL = 7 * 24 * time.Hour

// fileLinks makes addresses that whoever has a transcript can open.
type fileLinks struct {
	origin  string                 // of this server, as its reader sees it; "" where that is not known
	sign    func(id string) string // a query; nil where there are no files
	expires time.Time
}

// lasting are links for a document that is kept.
func (s *Server) lasting(c *gin.Context) (fileLinks, error) {
	l := fileLinks{origin: originOf(c)}
	if s.opt.Files == nil {
		return l, nil
	}
	key, err := s.broker.FilesKey(c.Request.Context())
	if err != nil {
		return l, err
	}
	l.expires = time.Now().Add(lastingTTL).Truncate(time.Second)
	l.sign = func(id string) string { return signedQuery(l.expires, s.opt.Files.SignUntil(key, id, l.expires)) }
	return l, nil
}

// file is the address of a message's file that its reader can open, or "". A message could only be
// sent with a file of ours by who may read that, and from then on the session's readers may, too.
func (l *fileLinks) file(address string) string {
	before, id, ours := strings.Cut(address, chat.FilesPath)
	if !ours || !strings.HasPrefix(address, "/") {
		return webAddress(address)
	}
	if l.sign == nil || strings.ContainsAny(id, "/?#%") || strings.ContainsAny(before, "?#\\") || strings.HasPrefix(address, "//") {
		return ""
	}
	return l.origin + address + l.sign(id)
}

func signedQuery(expires time.Time, signature string) string {
	return "?" + url.Values{"expires": {strconv.FormatInt(expires.Unix(), 10)}, "signature": {signature}}.Encode()
}

// originOf is this server's origin as the client has it, where that can be told: also
// behind a proxy that ends TLS and says so.
func originOf(c *gin.Context) string {
	scheme := "http"
	if c.Request.TLS != nil || c.GetHeader("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	origin := scheme + "://" + strings.ToLower(c.Request.Host)
	if _, ok := originHost(origin); !ok {
		return ""
	}
	return origin
}
