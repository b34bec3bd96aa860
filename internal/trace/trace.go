// Package trace follows commands, as OpenTelemetry has it: from a client through the scripts that a
// command runs to where its events are given to connections, at every node. It exports over OTLP/HTTP.
//
// A nil *Tracer traces nothing and costs nothing, and neither does the zero Span. A span tells names,
// ids, codes and counts: never what somebody wrote, nor a token or a key.
package trace

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	otel "go.opentelemetry.io/otel/trace"
)

// Tracer makes a node's spans. Its methods may be called concurrently.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   otel.Tracer
	giveUp   context.CancelFunc // of exports that are under way
}

// Origin is the span of another program that asked for something; nil for none.
type Origin struct{ span otel.SpanContext }

// w3c is how a span is named outside this process.
var w3c propagation.TraceContext

// Origin reads `traceparent` and `tracestate`.
func (t *Tracer) Origin(r *http.Request) *Origin {
	if t == nil || r.Header.Get("Traceparent") == "" {
		return nil
	}
	sc := otel.SpanContextFromContext(w3c.Extract(r.Context(), propagation.HeaderCarrier(r.Header)))
	if !sc.IsValid() {
		return nil
	}
	return &Origin{sc}
}

// Command begins the span of what a client asked for; what it runs is given the context. An origin that
// is trusted is its parent, and has decided whether it is sampled; else the span is linked to it.
func (t *Tracer) Command(ctx context.Context, name string, from *Origin, trusted bool) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	options := []otel.SpanStartOption{otel.WithSpanKind(otel.SpanKindServer)}
	switch {
	case from == nil:
	case trusted:
		ctx = otel.ContextWithRemoteSpanContext(ctx, from.span)
	default:
		options = append(options, otel.WithLinks(otel.Link{SpanContext: from.span}))
	}
	ctx, span := t.tracer.Start(ctx, name, options...)
	return ctx, spanOf(span)
}

// Script begins the span of one call of Redis, if it is made for a command that is sampled.
func (t *Tracer) Script(ctx context.Context, name string) Span {
	if t == nil || !otel.SpanFromContext(ctx).IsRecording() {
		return Span{}
	}
	_, span := t.tracer.Start(ctx, name, otel.WithSpanKind(otel.SpanKindClient), otel.WithAttributes(attribute.String("db.system.name", "redis")))
	return spanOf(span)
}

// Deliver begins the span of an event that another span has caused, at whatever node; carried is what
// that one's Carried gave, "" for none.
func (t *Tracer) Deliver(ctx context.Context, carried, session string) Span {
	if t == nil || carried == "" {
		return Span{}
	}
	ctx = w3c.Extract(ctx, propagation.MapCarrier{"traceparent": carried})
	if !otel.SpanContextFromContext(ctx).IsSampled() {
		return Span{}
	}
	_, span := t.tracer.Start(ctx, "deliver", otel.WithSpanKind(otel.SpanKindConsumer), otel.WithAttributes(attribute.String("bellhop.session", session)))
	return spanOf(span)
}

// ID names the sampled trace that a context is of; "" where there is none.
func ID(ctx context.Context) string {
	if sc := otel.SpanContextFromContext(ctx); sc.IsSampled() {
		return sc.TraceID().String()
	}
	return ""
}

// Span is something that takes time, and is told of if it is sampled. The zero Span is not.
type Span struct{ span otel.Span }

func spanOf(s otel.Span) Span {
	if !s.IsRecording() {
		return Span{}
	}
	return Span{s}
}

// Sampled tells whether there is anybody to tell: else what is told need not be put together.
func (s Span) Sampled() bool { return s.span != nil }

// Tell adds a text; an empty one says nothing.
func (s Span) Tell(name, value string) {
	if s.span != nil && value != "" {
		s.span.SetAttributes(attribute.String(name, value))
	}
}

// Count adds a number.
func (s Span) Count(name string, n int) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int(name, n))
	}
}

// Refused adds the code of a refusal; failed says that it was not the client's doing.
func (s Span) Refused(code string, failed bool) {
	s.Tell("bellhop.code", code)
	if s.span != nil && failed {
		s.span.SetStatus(codes.Error, code)
	}
}

// Carried is the span's name outside this process, for Deliver; "" of one that is not sampled.
func (s Span) Carried() string {
	if s.span == nil {
		return ""
	}
	sc := s.span.SpanContext()
	return "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-" + sc.TraceFlags().String()
}

// End ends it.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}
