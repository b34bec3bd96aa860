package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// startPprof serves Go's profiles where --pprof-addr says, to this machine only. The command line,
// on which there may be secrets, is not among them.
func (a *App) startPprof(ctx context.Context) error {
	if a.settings.PprofAddr == "" {
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.settings.PprofAddr)
	if err != nil {
		return settingsError{fmt.Errorf("--pprof-addr: %w", err)}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound)
	own := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopback(r.Host) { // a page of another site whose name leads here
			http.Error(w, "under a name of this machine only", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
	a.pprof = &http.Server{Handler: own, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	a.pprofAt = l.Addr().String()
	a.log.Info("profiles", "at", "http://"+a.pprofAt+"/debug/pprof/")
	go func() { _ = a.pprof.Serve(l) }()
	return nil
}
