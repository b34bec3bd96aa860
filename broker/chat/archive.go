package chat

// Lag is how far the archive is behind.
type Lag struct {
	Sessions int64 `json:"sessions"` // with something the archive lacks
	Messages int64 `json:"messages"` // it lacks; estimated where very many sessions are behind
	Seconds  int64 `json:"seconds"`  // since the oldest change that waits
	Aside    int64 `json:"aside"`    // sessions with messages that the archive refused
}

// ArchiveStats are one node's counts since it started.
type ArchiveStats struct {
	Saved   int64 // messages the archive acknowledged
	Refused int64 // items it will not take
	Failed  int64 // writes that failed
}
