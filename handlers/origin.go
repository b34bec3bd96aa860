package handlers

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// allowed tells whether a page of the request's origin may talk to us: one of
// those that were set, or our own. Who names none is no page.
func (s *Server) allowed(r *http.Request) bool {
	named := r.Header.Values("Origin")
	if len(named) == 0 || len(named) == 1 && named[0] == "" {
		return true
	}
	if slices.Contains(s.opt.Origins, "*") {
		return true
	}
	if len(named) > 1 {
		return false
	}
	host, ok := originHost(named[0])
	if !ok {
		return false
	}
	return slices.Contains(s.opt.Origins, named[0]) || host == r.Host
}

// originHost is the host of an origin in the form in which browsers send one
// (RFC 6454, 6.2): http or https, a host, and a port unless it is the scheme's,
// in lower case and with nothing else. Others, "null" included, are nobody's.
func originHost(origin string) (host string, ok bool) {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || origin != u.Scheme+"://"+u.Host {
		return "", false
	}
	name, port := u.Hostname(), u.Port()
	if name == "" || strings.ToLower(u.Host) != u.Host || strings.HasSuffix(name, ".") || strings.HasSuffix(u.Host, ":") {
		return "", false
	}
	if port == "80" && u.Scheme == "http" || port == "443" && u.Scheme == "https" || strings.HasPrefix(port, "0") {
		return "", false
	}
	if strings.HasPrefix(u.Host, "[") {
		ip, err := netip.ParseAddr(name)
		return u.Host, err == nil && ip.Zone() == "" && ip.String() == name
	}
	return u.Host, !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
	})
}

// IsOrigin tells whether Options.Origins may have it, beside "*".
func IsOrigin(origin string) bool {
	_, ok := originHost(origin)
	return ok
}

// cors answers preflights and lets allowed pages read answers. Others' requests
// carry no cookies, so they are merely not readable; the WebSocket refuses them.
func (s *Server) cors(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	origin := c.GetHeader("Origin")
	if origin == "" {
		return
	}
	h.Add("Vary", "Origin")
	if !s.allowed(c.Request) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Retry-After")
	if c.Request.Method == http.MethodOptions && c.GetHeader("Access-Control-Request-Method") != "" {
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key")
		h.Set("Access-Control-Max-Age", "7200")
		c.AbortWithStatus(http.StatusNoContent)
	}
}
