package handlers

import (
	"sync/atomic"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"bellhop/broker/chat"
	"bellhop/internal/timing"
)

// meters are what the edge counts and times as it happens; the rest is asked for when
// somebody looks (metrics.go). Whatever is counted often was looked up beforehand.
type meters struct {
	times    *prometheus.HistogramVec
	took     map[string]prometheus.Observer // by command; filled by newMeters
	refusals *prometheus.CounterVec
	refused  map[chat.Code]prometheus.Counter // likewise
	slow     atomic.Int64
	roles    [4]atomic.Int64 // connections, in the order of roles
}

// roles are those that connect.
var roles = [...]chat.Role{chat.RoleUser, chat.RoleAgent, chat.RoleSupervisor, chat.RoleBot}

func newMeters() *meters {
	m := &meters{
		times: timing.New("bellhop_command_seconds", "How long a command took from its arrival to its answer, refused ones included, by command.", "cmd"),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_refusals_total",
			Help: "Commands and requests that were refused here, by the code of the refusal."}, []string{"code"}),
		took: map[string]prometheus.Observer{}, refused: map[chat.Code]prometheus.Counter{},
	}
	for _, cmd := range Commands() {
		m.took[cmd] = m.times.WithLabelValues(cmd)
	}
	for _, code := range chat.Codes() {
		m.refused[code] = m.refusals.WithLabelValues(string(code))
	}
	return m
}

// refuse counts a refusal. A code that is not the contract's is a mistake of ours.
func (m *meters) refuse(code chat.Code) {
	n := m.refused[code]
	if n == nil {
		n = m.refused[chat.CodeInternal]
	}
	n.Inc()
}

// connected counts a connection in, or out with -1.
func (m *meters) connected(role chat.Role, n int64) {
	for i, r := range roles {
		if r == role {
			m.roles[i].Add(n)
		}
	}
}

const refusedKey = "refused" // the code of a request's problem, for count

// count counts the refusals of requests.
func (s *Server) count(c *gin.Context) {
	c.Next()
	if code, ok := c.Get(refusedKey); ok {
		code, _ := code.(chat.Code)
		s.meters.refuse(code)
		s.log.DebugContext(c.Request.Context(), "request refused", "method", c.Request.Method, "route", c.FullPath(), "session", sessionName(c.Param("id")), "code", code)
	}
}
