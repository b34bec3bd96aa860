package chat

// DeadLetter is an event that the hook did not take, however often it was tried.
type DeadLetter struct {
	ID       string `json:"id"`
	Event    string `json:"event"` // its webhook-id
	Type     string `json:"type"`
	Session  string `json:"session"`
	Seq      int64  `json:"seq"`
	At       Time   `json:"at"`   // when it happened
	Died     Time   `json:"died"` // when it was given up
	Attempts int64  `json:"attempts"`
	Error    string `json:"error"` // of the last attempt
}

// DeadLetters are a page of them, those first that died first.
type DeadLetters struct {
	Dead   []DeadLetter `json:"dead"`
	Cursor string       `json:"cursor"` // of the next page; "" at the end
}
