package handlers

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"bellhop/broker/chat"
)

// ownHost refuses requests under a name that is not this server's, where only this machine is to
// reach it: a foreign site's name may be made to point here, and its pages would then be of one
// origin with ours. An address cannot be made to, and localhost is nobody's.
func (s *Server) ownHost(c *gin.Context) {
	switch {
	case s.opt.Local && !s.isOwnHost(c.Request):
		problemStatus(c, http.StatusMisdirectedRequest, chat.Errorf(chat.CodeForbidden,
			"the host asked for is not this server's: that is localhost, 127.0.0.1 or [::1] with its port, or a host of --origins"))
	case s.opt.OpenKey && !direct(c.Request) && s.hasKey(c.Request):
		problem(c, chat.Errorf(chat.CodeUnauthorized, "the well-known API key is not good through a proxy: set --api-key"))
	}
}

// isOwnHost tells whether a request asked for this machine, or for the host of an origin that may
// call. net/http has seen to it that there is one Host at most.
func (s *Server) isOwnHost(r *http.Request) bool {
	return asksForLoopback(r) || slices.ContainsFunc(s.opt.Origins, func(origin string) bool {
		u, err := url.Parse(origin)
		return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
	})
}

// asksForLoopback tells whether a request's host is this machine's, with the port it came in at.
func asksForLoopback(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && isLoopbackHost(r.Host, local.Port)
}

// isLoopbackHost reads localhost, 127.0.0.0/8 and [::1] in the forms that browsers send; a port
// may be missing where it is 80.
func isLoopbackHost(host string, port int) bool {
	name, found := strings.CutSuffix(host, ":"+strconv.Itoa(port))
	switch {
	case !found && port != 80:
		return false
	case name == "[::1]", strings.EqualFold(strings.TrimSuffix(name, "."), "localhost"):
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Is4() && ip.IsLoopback()
}

// direct tells whether a request comes from this machine, for this machine, and through no proxy
// that says that it is one.
func direct(r *http.Request) bool {
	for name := range r.Header {
		switch {
		case strings.HasPrefix(name, "X-Forwarded-"), name == "Forwarded", name == "Via", name == "X-Real-Ip":
			return false
		}
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && peer.Addr().Unmap().IsLoopback() && asksForLoopback(r)
}

func (s *Server) hasKey(r *http.Request) bool {
	token, ok := bearerToken(r.Header)
	return ok && s.isKey(token)
}

// directOnly lets in only who is at this machine, by no proxy.
func (s *Server) directOnly(c *gin.Context) {
	if !direct(c.Request) {
		problem(c, chat.Errorf(chat.CodeForbidden, "the demo is for this machine alone, not through a proxy"))
	}
}

// sameOrigin lets in only our own pages, and programs that are no browsers; not even the
// pages of --origins.
func (s *Server) sameOrigin(c *gin.Context) {
	origin, site := c.GetHeader("Origin"), c.GetHeader("Sec-Fetch-Site")
	if origin != "" && origin != "http://"+c.Request.Host || site != "" && site != "same-origin" && site != "none" {
		problem(c, chat.Errorf(chat.CodeForbidden, "not from this origin"))
	}
}
