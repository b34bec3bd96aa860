package chat

import (
	"bellhop/archive"
)

// SearchRequest asks for archived messages that hold every word of Query, in
// any case, each also as a part of a longer one.
type SearchRequest struct {
	Query  string
	Queue  string
	Agent  string // took part in the session
	User   string // the session's
	Since  int64  // ms, inclusive; 0: no bound
	Until  int64  // ms, exclusive; 0: no bound
	Limit  int    // 50 when 0, at most 200
	Cursor string
}

// SearchReply is a page, newest first; an empty cursor ends the list.
type SearchReply struct {
	Messages []Found `json:"messages"`
	Cursor   string  `json:"cursor"`
}

// Found is a message and the part of its text where the words are.
type Found struct {
	Message
	Snippet []archive.Part `json:"snippet"`
	// Superseded: Redis had lost it, and its seq is another message's now; history does not show it.
	Superseded bool `json:"superseded,omitempty"`
}
