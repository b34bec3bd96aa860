package handlers

import "bellhop/broker/chat"

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
	if _, ok := chat.SessionTag(id); !ok {
		return ""
	}
	return id
}
