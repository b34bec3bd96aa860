package store

import (
	"context"
	"strings"

	"bellhop/broker/chat"
	"bellhop/internal/trace"
)

// traced begins the span of a script, if it runs for a command that is sampled.
func (s *Store) traced(ctx context.Context, script string, keys []string) trace.Span {
	span := s.Trace.Script(ctx, script)
	if span.Sampled() && len(keys) > 0 {
		tag, _, _ := Tagged(keys[0])
		span.Tell("bellhop.partition", tag)
	}
	return span
}

// withTrace gives a script that publishes the span it is of: one more field of its JSON, which comes first.
func withTrace(args []any, span trace.Span) []any {
	data, _ := args[0].(string)
	told := strings.TrimSuffix(data, "}") + `,"trace":"` + span.Carried() + `"}`
	return append([]any{told}, args[1:]...)
}

// failed tells a span what became of Redis.
func failed(span trace.Span, err error) error {
	if err != nil && span.Sampled() {
		e := chat.AsError(err)
		span.Refused(string(e.Code), e.Code.Status() >= 500)
	}
	return err
}
