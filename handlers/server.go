// Package handlers holds Bellhop's edges: the HTTP API, the WebSocket and the
// pages. They parse, check who asks, call the broker and write its answer; no
// rule of the domain lives here.
package handlers

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/lxzan/gws"

	"bellhop/broker"
	"bellhop/broker/chat"
	"bellhop/files"
	"bellhop/internal/trace"
)

// Options of a Server. Broker and APIKeys are required; zero values are the
// documented defaults.
type Options struct {
	Broker  *broker.Broker
	APIKeys []string
	// Origins may open a WebSocket or call the API from a page: exact ones, or
	// "*" for any. None: the same origin only.
	Origins []string
	// BasePath is the path below which a proxy serves everything, as ParseBasePath gives it; "" for the root.
	BasePath string
	// Local tells that only this machine is to reach the server: requests under another host's
	// name than this machine's and those of Origins are refused with 421.
	Local bool
	// OpenKey tells that the API key is one that everybody knows: it is not good through a proxy.
	OpenKey bool
	// Drain is how long a stopping node takes to hand its connections over.
	Drain time.Duration
	// MaxConns is how many connections the node takes; 0: no limit.
	MaxConns int
	// Heartbeat is the time between pings, 25 s; Silence is after how long
	// without a sign of life a connection is closed, 60 s.
	Heartbeat, Silence time.Duration
	// Patience is how long the head of a request may take, how long a client may
	// be silent in the middle of a body, and how long it may take nothing of an
	// answer, 10 s. Bodies and answers must also go on at 1 KiB a second, and a
	// body must be there after an hour.
	Patience time.Duration
	// MaxPending is how many bytes may wait for a slow reader, 1 MiB.
	MaxPending int
	// Files keeps uploads; without it there are none.
	Files *files.Store
	// Demo has people to log in as; nil for none.
	Demo *Demo
	// Trace follows commands and requests to the deliveries that they cause; nil for none.
	Trace *trace.Tracer
	// Log is slog.Default() when nil.
	Log *slog.Logger
}

// Server is the edge of one node.
type Server struct {
	opt      Options
	roots    map[string]bool // the first parts of all paths that are served, as "/api"
	specFile func() asset
	broker   *broker.Broker
	log      *slog.Logger
	engine   *gin.Engine
	upgrader *gws.Upgrader // selects bellhop.v1
	plain    *gws.Upgrader // selects nothing
	draining atomic.Bool
	clock    atomic.Int64 // ms the node has run, in the heartbeat's steps: what is measured by it lasts many
	panics   atomic.Int64
	meters   *meters
	writers  *writers
	commands atomic.Pointer[patience] // whatever runs now is bounded by it

	mu      sync.Mutex
	sockets map[*socket]struct{}
	empty   chan struct{}   // closed when draining and the last socket is gone
	ctx     context.Context //nolint:containedctx // the edge's life, from New to Drain
	beat    context.CancelFunc
	beating sync.WaitGroup
}

// New makes the edge and starts its heartbeat, which Drain ends.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 25 * time.Second
	}
	if o.Silence == 0 {
		o.Silence = 60 * time.Second
	}
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	if o.MaxPending == 0 {
		o.MaxPending = 1 << 20
	}
	s := &Server{opt: o, broker: o.Broker, log: o.Log, sockets: map[*socket]struct{}{}, empty: make(chan struct{}),
		writers: newWriters(), meters: newMeters()}
	s.upgrader = s.newUpgrader(subprotocol)
	s.plain = s.newUpgrader("")
	s.specFile = specOf(o.BasePath)
	s.engine = s.routes()
	s.roots = rootsOf(s.engine)
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // a server's life begins here
	s.ctx = ctx
	s.renew()
	s.beat = cancel
	s.beating.Go(func() { s.heartbeat(ctx) })
	return s
}

// Conns is how many WebSockets are open.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sockets)
}

// unescape decodes the parts of a path: gin itself takes a + in them for a space.
func unescape(c *gin.Context) {
	for i := range c.Params {
		if v, err := url.PathUnescape(c.Params[i].Value); err == nil {
			c.Params[i].Value = v
		}
	}
}

// Routes are all that Handler serves.
func (s *Server) Routes() gin.RoutesInfo { return s.engine.Routes() }

func (s *Server) routes() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	// Ids may hold any character, a slash included: routes are matched before decoding.
	e.UseEscapedPath, e.UnescapePathValues = true, false
	e.HandleMethodNotAllowed, e.RedirectTrailingSlash = true, false
	e.Use(s.count, s.recover, s.ownHost, s.cors, unescape)
	e.NoRoute(func(c *gin.Context) { problem(c, chat.Errorf(chat.CodeNotFound, "no such page")) })
	e.NoMethod(func(c *gin.Context) {
		problemStatus(c, http.StatusMethodNotAllowed, chat.Errorf(chat.CodeBadRequest, "not with this method"))
	})
	e.GET("/websocket", s.websocket)
	e.GET("/websocket/:sessionId/:connectionId", s.websocket)
	e.GET("/healthz", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) })
	e.GET("/readyz", s.ready)
	e.GET("/metrics", gin.WrapH(s.metrics()))
	e.GET("/openapi.yaml", s.spec)
	s.site(e)
	if s.opt.Demo != nil {
		s.demo(e)
	}
	s.api(e.Group("/api/v1"))
	return e
}

func (s *Server) api(g *gin.RouterGroup) {
	g.POST("/tokens", s.as(chat.ActTokens, s.issueToken))
	g.POST("/tokens/revoke", s.as(chat.ActTokens, s.revokeToken))
	g.GET("/sessions", s.list(chat.ActSessions, s.listSessions))
	g.POST("/sessions", s.as(chat.ActOpen, s.openSession))
	g.GET("/sessions/:id", s.as(chat.ActHistory, s.getSession))
	g.GET("/sessions/:id/messages", s.as(chat.ActHistory, s.listMessages))
	g.POST("/sessions/:id/messages", s.as(chat.ActSend, s.sendMessage))
	g.GET("/sessions/:id/transcript", s.as(chat.ActHistory, s.transcript))
	g.GET("/search", s.list(chat.ActSearch, s.search))
	if s.opt.Files != nil {
		g.POST("/files", s.as(chat.ActFiles, s.upload))
		g.GET("/files/:id", s.file((*files.Store).Content))
		g.GET("/files/:id/thumbnail", s.file((*files.Store).Thumbnail))
		g.GET("/files/:id/link", s.as(chat.ActFiles, s.fileLink))
	}
	g.GET("/stats", s.as(chat.ActStats, s.stats))
	for name, t := range transitions {
		g.POST("/sessions/:id/"+name, s.answer(s.transition(t)))
	}
	g.POST("/moves", s.as(chat.ActMoves, s.moveAll))
	g.GET("/moves/:id", s.as(chat.ActMoves, s.getMove))
	g.GET("/queues", s.list(chat.ActQueues, s.listQueues))
	g.GET("/queues/:id", s.as(chat.ActQueue, s.getQueue))
	g.PUT("/queues/:id", s.as(chat.ActQueue, s.putQueue))
	g.DELETE("/queues/:id", s.as(chat.ActQueue, s.deleteQueue))
	s.cannedRoutes(g)
	g.GET("/agents", s.list(chat.ActAgents, s.listAgents))
	g.GET("/agents/:id", s.as(chat.ActAgent, s.getAgent))
	g.PUT("/agents/:id", s.as(chat.ActSetAgent, s.putAgent))
	g.GET("/users/:id", s.as(chat.ActUser, s.getUser))
	g.PUT("/users/:id", s.as(chat.ActSetUser, s.putUser))
	s.webhooks(g)
}
