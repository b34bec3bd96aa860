package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/oklog/ulid/v2"

	"bellhop/internal/trace"
)

func (s *Settings) validateTraces() error {
	if !(s.TraceRatio >= 0 && s.TraceRatio <= 1) { // nor NaN
		return errors.New("--trace-ratio: 0 to 1")
	}
	if !s.OTLPEndpoint.IsSet() {
		return nil
	}
	if err := trace.CheckURL(s.OTLPEndpoint.Reveal()); err != nil {
		return fmt.Errorf("--otlp-endpoint: %w", err)
	}
	return nil
}

// tracer is nil where there is no --otlp-endpoint.
func (s *Settings) tracer(ctx context.Context, log *slog.Logger) (*trace.Tracer, error) {
	t, err := trace.Start(ctx, trace.Options{Endpoint: s.OTLPEndpoint.Reveal(), Ratio: s.TraceRatio, Instance: ulid.Make().String(),
		Version: version(), Log: log})
	if err != nil {
		return nil, fmt.Errorf("--otlp-endpoint: %w", err)
	}
	return t, nil
}

// traceLog adds to a line of the log which trace it is of, where that is sampled.
type traceLog struct{ slog.Handler }

// Handle implements slog.Handler.
func (h traceLog) Handle(ctx context.Context, r slog.Record) error {
	if id := trace.ID(ctx); id != "" {
		r.AddAttrs(slog.String("trace", id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h traceLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceLog{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h traceLog) WithGroup(name string) slog.Handler { return traceLog{h.Handler.WithGroup(name)} }
