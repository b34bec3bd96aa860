// Package chat is plain data: what a session, a message, a participant and an error
// are, what is valid, who may do what, and how entries and snapshots are written. It
// knows no Redis and no clock and runs nothing.
package chat
