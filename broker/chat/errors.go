package chat

import (
	"errors"
	"fmt"
)

// Code is an error's name on the wire.
type Code string

// The codes of PROTOCOL.md.
const (
	CodeBadRequest   Code = "bad_request"
	CodeUnauthorized Code = "unauthorized"
	CodeForbidden    Code = "forbidden"
	CodeBlocked      Code = "blocked"
	CodeNotFound     Code = "not_found"
	CodeTaken        Code = "taken"
	CodeFull         Code = "full"
	CodeWrongState   Code = "wrong_state"
	CodeEnded        Code = "ended"
	CodeTooLate      Code = "too_late"
	CodeNoAgent      Code = "no_agent"
	CodeTooLarge     Code = "too_large"
	CodeRateLimited  Code = "rate_limited"
	CodeOverloaded   Code = "overloaded"
	CodeUnavailable  Code = "unavailable"
	CodeInternal     Code = "internal"
)

// Codes are all there are, in PROTOCOL.md's order.
func Codes() []Code {
	return []Code{CodeBadRequest, CodeUnauthorized, CodeForbidden, CodeBlocked, CodeNotFound, CodeTaken, CodeFull, CodeWrongState, CodeEnded,
		CodeTooLate, CodeNoAgent, CodeTooLarge, CodeRateLimited, CodeOverloaded, CodeUnavailable, CodeInternal}
}

// Error is a refusal with its code, a sentence for people, and the fields that
// PROTOCOL.md puts beside the code. Find it with errors.As; two of the same
// code match under errors.Is.
type Error struct {
	Code     Code
	Message  string
	By       string // taken: who has it
	State    State  // wrong_state: what it is
	Load     int    // full
	Capacity int    // full
	RetryMS  int64  // rate_limited: milliseconds until a retry may succeed
	Err      error  // the cause, if any; never shown to clients
}

func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is matches errors of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Retry tells whether the same command may succeed later.
func (e *Error) Retry() bool {
	switch e.Code {
	case CodeFull, CodeNoAgent, CodeRateLimited, CodeOverloaded, CodeUnavailable, CodeInternal:
		return true
	default:
		return false
	}
}

// Status is the HTTP status of a code.
func (c Code) Status() int {
	switch c {
	case CodeBadRequest:
		return 400
	case CodeUnauthorized:
		return 401
	case CodeForbidden, CodeBlocked:
		return 403
	case CodeNotFound:
		return 404
	case CodeTaken, CodeFull, CodeWrongState, CodeEnded, CodeTooLate, CodeNoAgent:
		return 409
	case CodeTooLarge:
		return 413
	case CodeRateLimited:
		return 429
	case CodeOverloaded, CodeUnavailable:
		return 503
	default:
		return 500
	}
}

// Errorf makes an Error; %w keeps a cause out of the message shown to clients.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// AsError finds the Error in err's chain, or makes an internal one of it.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInternal, Message: "something went wrong on our side", Err: err}
}
