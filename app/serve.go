package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"bellhop/archive"
	"bellhop/broker"
	"bellhop/broker/chat"
	"bellhop/demo"
	"bellhop/handlers"
	"bellhop/internal/embedded"
	"bellhop/internal/heap"
	"bellhop/internal/jwt"
	"bellhop/internal/trace"
	"bellhop/webhook"
)

type serveCommand struct {
	Settings `embed:""`
}

// Run serves until the context ends, then drains.
func (c *serveCommand) Run(ctx context.Context, _ io.Writer) error {
	stop := heap.Tune()
	defer stop()
	for {
		app, err := New(ctx, c.Settings)
		if err != nil && errors.Is(ctx.Err(), context.Canceled) {
			return nil // told to stop while it waited for Redis, the archive, or a repartition
		}
		if err != nil {
			return told(&c.Stores, "not started", err)
		}
		if err = app.Run(ctx); !errors.Is(err, errRenumbered) || ctx.Err() != nil {
			if errors.Is(err, errRenumbered) {
				err = nil
			}
			return told(&c.Stores, "stopped", err)
		}
	}
}

// errRenumbered: the deployment gets another number of partitions. Who began this node begins
// another one, which waits until that is done.
var errRenumbered = errors.New("the deployment gets another number of partitions")

// renumberDrain is how long connections have to be handed over then: everybody waits for it.
const renumberDrain = 2 * time.Second

// App is one node, put together. Make it with New, which also listens; then Run it.
type App struct {
	settings Settings
	log      *slog.Logger
	tracer   *trace.Tracer    // nil for none
	base     string           // path, without a slash at its end
	embedded *embedded.Server // nil with a Redis of one's own
	rdb      redis.UniversalClient
	archive  archive.Archive
	filter   chat.Filter       // nil for none
	jwt      *jwt.Verifier     // nil for none
	webhook  *webhook.Endpoint // nil for none
	broker   *broker.Broker
	edge     *handlers.Server
	listener net.Listener
	server   *http.Server
	sharing  *handlers.Sharing
	sweeping context.CancelFunc // ends what removes old files
	swept    sync.WaitGroup
	shop     *demo.Shop   // nil where there is no demo
	bots     *demo.Bots   // nil where none were asked for
	pprof    *http.Server // nil where it is not wanted
	pprofAt  string
}

// New puts a node together and listens. It waits up to 30 s for Redis and as
// long for the archive.
func New(ctx context.Context, s Settings) (app *App, err error) {
	if err := s.Validate(); err != nil {
		return nil, settingsError{err}
	}
	s.keepDemoApart()
	a := &App{settings: s, log: newLog(&s.Stores)}
	a.base, _ = handlers.ParseBasePath(s.BasePath) // Validate has looked at it
	defer func() {
		if err != nil {
			a.Close(ctx)
		}
	}()
	if a.tracer, err = s.tracer(ctx, a.log); err != nil {
		return nil, settingsError{err}
	}
	if a.filter, err = newFilter(&s); err != nil {
		return nil, settingsError{err}
	}
	url := s.RedisURL.Reveal()
	if s.Embedded() {
		if a.embedded, err = embedded.Start("127.0.0.1:0", rand.Text()); err != nil {
			return nil, err
		}
		url = a.embedded.URL()
	}
	if a.rdb, err = broker.Dial(url); err != nil {
		return nil, settingsError{fmt.Errorf("--redis-url: %w", err)}
	}
	if a.archive, err = openArchive(ctx, &s.Stores, a.log); err != nil {
		return nil, err
	}
	if err := a.openFiles(ctx); err != nil {
		return nil, err
	}
	if err := a.startBroker(ctx); err != nil {
		return nil, err
	}
	if a.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", s.Addr); err != nil {
		return nil, settingsError{fmt.Errorf("--addr: %w", err)}
	}
	if a.demo() {
		if err := a.openShop(ctx); err != nil {
			return nil, err
		}
	}
	if err := a.startPprof(ctx); err != nil {
		return nil, err
	}
	a.startEdge()
	return a, nil
}

func (a *App) startBroker(ctx context.Context) error {
	if err := waitFor(ctx, a.log, "Redis", func(ctx context.Context) error { return a.rdb.Ping(ctx).Err() }); err != nil {
		return err
	}
	if !a.settings.Embedded() {
		if err := checkEviction(ctx, a.rdb, a.settings.AllowEviction, a.log); err != nil {
			return err
		}
	}
	o := a.settings.Stores.options(a.rdb, a.archive, a.log)
	o.NoArchiver, o.SendRate = !a.settings.Archiver, a.settings.SendRate
	a.jwt = jwt.Start(ctx, jwt.Options{Secret: a.settings.JWTSecret.Reveal(), URL: a.settings.JWKSURL.Reveal(), Audience: a.settings.JWTAudience,
		Issuer: a.settings.JWTIssuer, Log: a.log})
	if a.jwt != nil {
		o.JWT = a.jwt.Verify
	}
	o.BasePath, o.Filter, o.ReadRate, o.Trace = a.base, a.filter, a.settings.readRate, a.tracer
	o.OpenSessions = a.settings.OpenSessions
	o.WaitReplicas = a.settings.WaitReplicas
	if o.SendRate == 0 {
		o.SendRate = -1 // no limit, as the broker has it
	}
	if o.OpenSessions == 0 {
		o.OpenSessions = -1
	}
	o.UploadBudget, o.UnsentBudget = budget(a.settings.UploadBudget), budget(a.settings.UnsentBudget)
	var err error
	if a.webhook, err = a.settings.webhook(); err != nil {
		return settingsError{err}
	}
	if a.webhook != nil {
		o.Hook = a.webhook
	}
	if a.settings.Embedded() {
		if err := a.restoreEmbedded(ctx, o); err != nil {
			return err
		}
	}
	o.Files = a.sharing
	if a.broker, err = broker.New(ctx, o); err != nil {
		return refusedStores(err)
	}
	a.sharing.Broker = a.broker
	return nil
}

// budget is one of MiB as the broker has it, which takes 0 for its own.
func budget(mib int64) int64 {
	if mib == 0 {
		return -1
	}
	return mib << 20
}

// restoreEmbedded brings back what was going on when the process ended.
func (a *App) restoreEmbedded(ctx context.Context, o broker.Options) error {
	done, err := broker.Restore(ctx, o, nil)
	if err == nil && done.Sessions > 0 {
		a.log.Info("restored from the archive", "sessions", done.Sessions)
	}
	return refusedStores(err)
}

func (a *App) startEdge() {
	o := handlers.Options{Broker: a.broker, APIKeys: a.settings.apiKeys(), BasePath: a.base, Origins: a.settings.Origins, Local: a.settings.local(), OpenKey: a.settings.openToAll(),
		Drain: a.settings.Drain, MaxConns: a.settings.MaxConns, Files: a.sharing.Store, Trace: a.tracer, Log: a.log}
	if a.shop != nil {
		o.Demo = a.demoEdge()
		o.Origins = append(slices.Clip(o.Origins), a.shop.Origin())
	}
	a.edge = handlers.New(o)
	a.server = a.edge.HTTP()
}

// Addr is where the node listens.
func (a *App) Addr() string { return a.listener.Addr().String() }

// Run serves until the context ends, then hands the connections over and closes.
func (a *App) Run(ctx context.Context) error {
	a.announce()
	failed := make(chan error, 1)
	go func() { failed <- a.server.Serve(a.listener) }()
	a.startDemo(ctx)
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = a.drain(ctx, a.settings.Drain+5*time.Second, failed)
	case <-a.broker.Renumbered():
		err = a.drain(ctx, min(a.settings.Drain, renumberDrain), failed)
		a.Close(ctx)
		if err != nil && !errors.Is(err, http.ErrServerClosed) {
			a.log.Warn("not all connections were handed over", "error", err)
		}
		return errRenumbered
	}
	a.Close(ctx)
	if err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	a.log.Info("stopped")
	return nil
}

// drain hands the connections over, for so long at most.
func (a *App) drain(ctx context.Context, within time.Duration, failed <-chan error) error {
	a.bots.Stop()
	a.log.Info("draining", "connections", a.edge.Conns(), "within", within)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	a.edge.Drain(drain)
	err := a.server.Shutdown(drain)
	if serving := <-failed; !errors.Is(serving, http.ErrServerClosed) {
		err = errors.Join(err, serving)
	}
	return err
}

// Close lets go of everything, at once, even if the context has ended. Calling
// it twice does no harm.
func (a *App) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	a.bots.Stop()
	a.shop.Close()
	if a.server != nil {
		_ = a.server.Close()
	}
	if a.pprof != nil {
		_ = a.pprof.Close()
	}
	if a.listener != nil {
		_ = a.listener.Close()
	}
	if a.edge != nil {
		a.edge.Close()
	}
	if a.broker != nil {
		if err := a.broker.Close(ctx); err != nil {
			a.log.Warn("close", "error", err)
		}
		a.broker = nil
	}
	a.jwt.Close()
	if a.webhook != nil {
		a.webhook.Close()
	}
	if a.archive != nil {
		if err := a.archive.Close(); err != nil {
			a.log.Warn("close", "error", err)
		}
		a.archive = nil
	}
	if a.sweeping != nil {
		a.sweeping()
		a.swept.Wait()
	}
	if a.sharing != nil {
		_ = a.sharing.Store.Close()
	}
	if a.rdb != nil {
		_ = a.rdb.Close()
	}
	if a.embedded != nil {
		a.embedded.Close()
	}
	a.tracer.Close(ctx)
}

func (a *App) announce() {
	if !a.demo() {
		a.log.Info("serving", "addr", a.Addr(), "embedded", a.settings.Embedded())
		return
	}
	a.log.Info("serving", "addr", a.Addr(), "embedded", true, "data", a.settings.DataDir)
	fmt.Fprintf(os.Stderr, "\n  Bellhop is running. Be a user, an agent or the supervisor: %[1]s/\n  API reference: %[1]s/docs\n\n", "http://"+a.Addr()+a.base)
}
