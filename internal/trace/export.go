package trace

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/go-logr/logr"
	api "go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Options of a Tracer.
type Options struct {
	Endpoint string  // see CheckURL
	Ratio    float64 // of the traces that begin here, how many are sampled, 0 to 1
	Instance string  // this node's name among all
	Version  string
	Log      *slog.Logger
}

// closePatience is how long a node that stops waits for the collector.
const closePatience = 2 * time.Second

// Start makes a tracer, nil where there is no endpoint. Beyond its options it reads the variables
// OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME, OTEL_BSP_… and OTEL_EXPORTER_OTLP_… of the
// environment. The collector need not be there: what it does not take in time is dropped.
func Start(ctx context.Context, o Options) (*Tracer, error) {
	if o.Endpoint == "" {
		return nil, nil //nolint:nilnil // nil is the tracer that traces nothing
	}
	u, err := parse(o.Endpoint)
	if err != nil {
		return nil, err
	}
	silence(o.Log)
	options := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(u.String())}
	if u.User != nil {
		options = append(options, otlptracehttp.WithHeaders(map[string]string{"Authorization": basic(u.User)}))
	}
	otlp, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, errors.New("OTEL_EXPORTER_OTLP_CERTIFICATE and its like are of no use over http")
	}
	is, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(semconv.ServiceName("bellhop"), semconv.ServiceInstanceID(o.Instance), semconv.ServiceVersion(o.Version)),
		resource.WithFromEnv())
	if err != nil {
		return nil, errors.New("OTEL_RESOURCE_ATTRIBUTES: not name=value,name=value")
	}
	life, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	provider := sdk.NewTracerProvider(sdk.WithResource(is), sdk.WithBatcher(&exporter{SpanExporter: otlp, life: life, log: o.Log}),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(o.Ratio))))
	return &Tracer{provider, provider.Tracer("bellhop"), giveUp}, nil
}

// Close exports what is left, for two seconds at most.
func (t *Tracer) Close(ctx context.Context) {
	if t == nil {
		return
	}
	defer time.AfterFunc(closePatience, t.giveUp).Stop()
	_ = t.provider.Shutdown(ctx)
	t.giveUp()
}

// CheckURL refuses what is no address of a collector: http or https, a host, and perhaps a user and
// a password and a path, which is /v1/traces where there is none. The error does not quote it.
func CheckURL(text string) error {
	_, err := parse(text)
	return err
}

func parse(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("not http(s)://host:port or http(s)://host:port/path")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	return u, nil
}

func basic(u *url.Userinfo) string {
	password, _ := u.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password))
}

// silence keeps the library from writing by itself: it quotes the environment's headers.
func silence(log *slog.Logger) {
	api.SetLogger(logr.Discard())
	api.SetErrorHandler(api.ErrorHandlerFunc(func(error) { log.Warn("tracing: a variable OTEL_… of the environment cannot be used, or a span") }))
}

// exporter ends what is under way when the node stops, and tells of failures.
type exporter struct {
	sdk.SpanExporter
	life context.Context //nolint:containedctx // that of the tracer
	log  *slog.Logger
	told time.Time // one batch is exported at a time
}

// ExportSpans implements sdk.SpanExporter. Spans that are not taken are dropped: the library tries again for a while.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.life, cancel)()
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil && time.Since(e.told) > time.Minute {
		e.told = time.Now()
		e.log.Warn("traces were not taken and are dropped", "spans", len(spans), "error", why(err))
	}
	return nil
}

// why tells what failed without the URL, and without what a collector answers: either may hold what no log must.
func why(err error) string {
	var way *url.Error
	switch {
	case errors.As(err, &way):
		return way.Err.Error()
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err.Error()
	default:
		return "the collector refused them"
	}
}
