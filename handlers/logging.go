package handlers

import (
	"strings"

	"github.com/oklog/ulid/v2"
)

// name is the connection's, for the log; "" before it has one.
func (s *socket) name() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ws == nil {
		return ""
	}
	return s.peer.ID()
}

// sessionName is a session's id for the log, if it may be one: else it is whatever a client
// has put there, which may be anything that must not be logged.
func sessionName(id string) string {
	tag, rest, _ := strings.Cut(id, "-")
	if _, err := ulid.ParseStrict(rest); err != nil || len(tag) != 2 {
		return ""
	}
	return id
}
