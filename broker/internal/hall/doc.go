// Package hall is what those see who watch a queue, or assign what waits in it: its list, what comes
// to it and what leaves it.
//
// # What it promises
//
// A watcher has each event of a queue once and in order, after the list as it was when it came; what
// channels lose, the list that is read again each half minute makes good. Who has no room for that
// list gets it later. Who assigns what waits follows a queue likewise. What waits for Redis is bounded.
//
// # What is its own
//
// It listens to the channels of queues, by the subscribers of live. It has no key, and asks others for what waits.
//
// # Loops
//
// Start begins them: the lists anew, every half minute; those who had no room, every 2 s.
//
// # Order of locks
//
// Hall.mu → nothing; View.mu → a Follower's own, and View.mu → a Watcher's own. No lock is held while
// Redis is asked.
package hall
