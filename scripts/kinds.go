package scripts

// Kinds are the kinds of keys there are, which a header's KEYS may name. The store
// makes them: a test there holds this list and its methods to one another.
var Kinds = []string{
	// of a session
	"session", "log", "unread", "read", "keys", "authors", "recalled",
	// of a partition
	"timers", "dirty", "aside", "late", "hooks", "hooks_late", "dead", "outbox", "sessions", "states", "agents",
	"named", "nodes", "clearing", "leases", "epoch", "recovering", "stats", "flusher", "strange", "rules", "queues", "canned",
	"crews", "presences", "dispatchers",
	"alive", "epochs", "labelled", "fence",
	// of a node, a token, a mass move, a queue, a scope of canned replies
	"node", "token", "move", "left", "failed", "waiting", "dispatch", "shortcuts",
	// of a participant
	"profile", "ahead", "conns", "open", "mine", "listed", "load", "uploads", "rate",
	// of the whole deployment
	"unsent", "reindex",
	// of a partition that is left behind
	"frozen",
}
