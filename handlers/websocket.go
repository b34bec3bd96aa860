package handlers

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/lxzan/gws"

	"bellhop/broker"
	"bellhop/broker/chat"
)

// subprotocol is what a client names beside its token.
const subprotocol = "bellhop.v1"

// maxFrame is the longest frame a client may send, in bytes.
const maxFrame = 64 << 10

// handshake is what a client asks for, as far as its form is good.
type handshake struct {
	token    string
	selected string // the subprotocol to answer with: ours, the token itself, or none
	session  string // "" for none
	device   string
	staff    bool // what senderType says
	typed    bool // whether there is one
}

// websocket refuses, as problem+json, before the upgrade, in the order of
// PROTOCOL.md; then it upgrades.
func (s *Server) websocket(c *gin.Context) {
	if !isUpgrade(c.Request) {
		c.Header("Upgrade", "websocket")
		c.Header("Sec-WebSocket-Version", "13")
		problemStatus(c, http.StatusUpgradeRequired, chat.Errorf(chat.CodeBadRequest, "a WebSocket is wanted here"))
		return
	}
	h, err := parseHandshake(c)
	if err != nil {
		problem(c, err)
		return
	}
	if !s.allowed(c.Request) {
		problem(c, chat.Errorf(chat.CodeForbidden, "not from this origin"))
		return
	}
	id, err := s.broker.Authenticate(c.Request.Context(), h.token)
	if err == nil && h.typed && h.staff != id.Role.Staff() {
		err = chat.Errorf(chat.CodeForbidden, "senderType does not match the token's role")
	}
	if err == nil && h.session != "" {
		err = s.broker.Readable(c.Request.Context(), chat.Actor{Identity: id}, h.session)
	}
	if err != nil {
		problem(c, err)
		return
	}
	s.accept(c, h, id)
}

func isUpgrade(r *http.Request) bool {
	has := func(name, value string) bool {
		for _, v := range strings.Split(strings.Join(r.Header.Values(name), ","), ",") {
			if strings.EqualFold(strings.TrimSpace(v), value) {
				return true
			}
		}
		return false
	}
	return r.Method == http.MethodGet && has("Connection", "upgrade") && has("Upgrade", "websocket") &&
		r.Header.Get("Sec-WebSocket-Version") == "13"
}

var errMalformed = chat.Errorf(chat.CodeBadRequest, "malformed handshake")

func malformed(what string) error { return chat.Errorf(chat.CodeBadRequest, "%s", what) }

func parseHandshake(c *gin.Context) (h handshake, err error) {
	if c.GetHeader("Sec-WebSocket-Key") == "" {
		return h, errMalformed
	}
	if err := h.senderType(c); err != nil {
		return h, err
	}
	h.device = c.Query("device")
	if id := c.Param("connectionId"); id != "" {
		h.device = id
	}
	if len(h.device) > chat.MaxID || !utf8.ValidString(h.device) || strings.ContainsFunc(h.device, control) {
		return h, malformed("device: at most 64 bytes, without control characters")
	}
	if id := c.Param("sessionId"); id != "-" {
		h.session = id
	}
	return h, h.protocols(c.Request.Header)
}

func control(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

// senderType is the bare query string of the article's form, or senderType=….
func (h *handshake) senderType(c *gin.Context) error {
	value, named := c.GetQuery("senderType")
	if !named && c.Param("sessionId") != "" {
		for _, part := range strings.Split(c.Request.URL.RawQuery, "&") {
			if !strings.Contains(part, "=") && part != "" {
				bare, err := url.QueryUnescape(part)
				if err != nil {
					return malformed("senderType: user (1) or agent (2)")
				}
				value, named = bare, true
			}
		}
		if !named {
			return malformed("senderType is missing: user (1) or agent (2)")
		}
	}
	switch value {
	case "1", "user":
		h.typed = true
	case "2", "agent":
		h.typed, h.staff = true, true
	default:
		if named {
			return malformed("senderType: user (1) or agent (2)")
		}
	}
	return nil
}

// protocols finds the token: beside bellhop.v1, alone, or in Authorization.
func (h *handshake) protocols(header http.Header) error {
	var list []string
	for _, v := range header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(v, ",") {
			if p = strings.TrimSpace(p); p != "" {
				list = append(list, p)
			}
		}
	}
	bearer, _ := bearerToken(header)
	at := slices.Index(list, subprotocol)
	switch {
	case len(list) > 2, len(list) == 2 && at < 0:
		return malformed("at most two protocols: bellhop.v1 and the token")
	case len(list) == 2:
		h.selected, h.token = subprotocol, list[1-at]
	case len(list) == 1 && at < 0:
		h.selected, h.token = list[0], list[0]
	default:
		h.token = bearer
		if len(list) == 1 {
			h.selected = subprotocol
		}
	}
	if len(h.token) > chat.MaxToken {
		return malformed("token: at most 8 KiB")
	}
	return nil
}

// accept registers the connection, so that it can still be refused, and upgrades it.
func (s *Server) accept(c *gin.Context, h handshake, id chat.Identity) {
	sock := newSocket(s)
	sock.from = s.opt.Trace.Origin(c.Request)
	conn, err := s.admit(c.Request.Context(), sock, h, id)
	if err != nil {
		problem(c, err)
		return
	}
	sock.peer = conn
	s.meters.connected(id.Role, 1)
	if !id.Expires.IsZero() {
		sock.expires = id.Expires.Add(time.Second - 1).Unix() // never early
	}
	up := s.plain
	switch h.selected {
	case "":
	case subprotocol:
		up = s.upgrader
	default:
		up = s.newUpgrader(h.selected)
	}
	client := &guarding{ResponseWriter: c.Writer, refuse: sock.Close, pace: sock.pace}
	open := false
	defer func() {
		if open {
			return
		}
		if client.conn != nil { // refused by gws, or a panic
			_ = client.conn.Close()
		}
		sock.gone()
	}()
	ws, err := up.Upgrade(client, c.Request.WithContext(context.WithValue(c.Request.Context(), socketKey{}, sock)))
	if err != nil {
		s.log.Debug("upgrade failed", "error", err)
		return
	}
	sock.bind(ws)
	open = true
	s.log.Debug("connected", "connection", conn.ID(), "role", id.Role)
	go sock.read() // outside of net/http's handler, whose buffers would live as long
}

// admit is where a good handshake may still meet a limit.
func (s *Server) admit(ctx context.Context, sock *socket, h handshake, id chat.Identity) (conn *broker.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, commandPatience)
	defer cancel()
	if s.draining.Load() {
		return nil, chat.Errorf(chat.CodeUnavailable, "this node is stopping")
	}
	a := chat.Actor{Identity: id}
	if err := s.broker.AllowRead(a, costSearch); err != nil {
		return nil, err
	}
	if !s.remember(sock) {
		return nil, chat.Errorf(chat.CodeOverloaded, "this node is full")
	}
	defer func() {
		if conn == nil { // refused, or a panic
			s.forget(sock)
		}
	}()
	conn, err = s.broker.Connect(ctx, id, h.device, sock)
	s.broker.HasRead(a, sock.Waiting()) // hello, and what else there was to tell
	return conn, err
}

// remember counts a socket in; false at the limit.
func (s *Server) remember(sock *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opt.MaxConns > 0 && len(s.sockets) >= s.opt.MaxConns {
		return false
	}
	s.sockets[sock] = struct{}{}
	return true
}

func (s *Server) forget(sock *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, in := s.sockets[sock]; !in {
		return
	}
	delete(s.sockets, sock)
	if len(s.sockets) == 0 && s.draining.Load() {
		s.drained()
	}
}

// drained tells Drain that nobody is left; s.mu is held.
func (s *Server) drained() {
	select {
	case <-s.empty:
	default:
		close(s.empty)
	}
}

type socketKey struct{}

// newUpgrader makes an upgrader that answers with one subprotocol, or none.
func (s *Server) newUpgrader(protocol string) *gws.Upgrader {
	o := &gws.ServerOption{
		ReadMaxPayloadSize: maxFrame,
		ReadBufferSize:     1 << 10, // what an idle connection keeps
		CheckUtf8Enabled:   true,
		HandshakeTimeout:   10 * time.Second,
		NewSession:         func() gws.SessionStorage { return new(slot) },
		Authorize: func(r *http.Request, session gws.SessionStorage) bool {
			sock, ok := r.Context().Value(socketKey{}).(*socket)
			session.Store("", sock)
			return ok
		},
	}
	if protocol != "" {
		o.SubProtocols = []string{protocol}
	}
	return gws.NewUpgrader(events{}, o)
}

// slot is the smallest gws.SessionStorage: a connection's socket.
type slot struct{ value any }

// Len implements gws.SessionStorage.
func (s *slot) Len() int { return 1 }

// Load implements gws.SessionStorage.
func (s *slot) Load(string) (any, bool) { return s.value, s.value != nil }

// Delete implements gws.SessionStorage.
func (s *slot) Delete(string) { s.value = nil }

// Store implements gws.SessionStorage.
func (s *slot) Store(_ string, value any) { s.value = value }

// Range implements gws.SessionStorage.
func (s *slot) Range(f func(string, any) bool) { f("", s.value) }
