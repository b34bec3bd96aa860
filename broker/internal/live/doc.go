// Package live is what connected people see: hello, the sessions they take part in
// or watch, their place in line, and that they are here at all; and how fast one
// participant may command at this node (Pace).
//
// # What it promises
//
// Whoever is connected and takes part in a session gets each of its messages once, in
// the log's order and without a hole that the log does not have: channels may lose,
// the log is read where a seq is missing. Where Redis fell back behind what was
// delivered, those connected are told to begin anew. What Redis holds of connections
// is what is connected: each is told again until Redis has it, and taken back when it
// has gone, by another node if this one has died.
//
// A slow reader, a panic or a Redis that is away harms the connections it is about,
// and no others. What waits for Redis is bounded: docs/architecture.md lists it.
//
// # What is its own
//
// It listens to the channels of sessions and participants, and hands on what comes on those
// of queues. Of mine
// and listed it reads who takes part in what, and takes old entries out of mine; of
// conns and node, whether Redis has what is here. All else it asks: see needs.go.
//
// # Loops
//
// Start begins them: positions of those who wait, every 2 s; farewells that Redis has
// not heard, every second; what ended an hour ago is let go, every minute; all connections
// told again, every 3 minutes.
//
// # Order of locks
//
// hubPart.mu → feed.mu → member.mu → Conn.mu; a View's of hall → Conn.mu. No lock is held
// while Redis is asked.
package live
