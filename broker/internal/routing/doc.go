// Package routing says who gets a session: queues' settings and hours, what waits, which of
// those who grab it at one node asks Redis first, and which agent a queue that assigns by itself
// gives it to. Bots and the user's last agent come before: broker, route.go. Whether an agent may
// have it at all, reserve.lua says.
//
// # What it promises
//
// Settings that were answered for hold for whatever begins afterwards, on every node. In
// a queue that assigns, a session goes to the agent with the least load, then to the
// longest idle, and to nobody who has no room. Of many at one node who grab one session, one
// at a time asks Redis.
//
// # Keys and scripts
//
// Its keys are queues, rules, waiting, dispatchers and, of a version before, dispatch; its
// scripts are queue and share. A node assigns in the groups of queues that share gives it:
// share.go. How it knows a queue's agents: muster.go, and of people crews.go. What channels
// lose: lost.go.
//
// # Loops and locks
//
// One for each queue that assigns and is this node's, while Tend keeps it; settings are to be
// read again by whoever calls Load. dispatcher.mu is taken while its View's is held, never the
// other way round; Settings.mu, Dispatchers.mu and Gates.mu are taken alone. None is held while
// Redis is asked.
package routing
