package chat

// Census is how many sessions are in each state, of the whole deployment.
type Census struct {
	Waiting, Serving, Transferring, Ending int64
	Oldest                                 int64 // seconds since the oldest of those that wait was opened; 0 where none does
}
