package chat

import "context"

// FilterInput is something that a participant wrote, before anybody sees it.
type FilterInput struct {
	Session string // "" for the subject of one that is not open yet
	From    Author
	Type    string // TypeText, TypeImage … TypeFile (its name), FilterTyping, FilterSubject, FilterReason
	Text    string
}

// What FilterInput.Type is for texts that are no messages.
const (
	FilterTyping  = "typing"  // the preview of a message
	FilterSubject = "subject" // of a new session
	FilterReason  = "reason"  // of its end
)

// Filter looks at what users and staff write for others to read: the text of a
// message, the name of a file, a preview, a subject, the reason of an end. It gives the text to keep
// in its place, valid UTF-8 within the same limits, or refuses it: an *Error
// goes to the sender as it is. It is not asked about notes, cards and meta, nor
// about what a host application says in its own name. It is called from many
// goroutines, and each message waits for it.
type Filter interface {
	Filter(ctx context.Context, in FilterInput) (text string, err error)
}
