package main

import (
	"context"
	_ "embed" // the shop
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"bellhop/broker"
	"bellhop/broker/chat"
)

//go:embed demo_shop.html
var shopHTML string

//go:embed demo_shop.css
var shopCSS []byte

var shopPage = template.Must(template.New("shop").Parse(shopHTML))

// shop is an imaginary site of somebody else's that has the widget: on an origin
// of its own, with a policy of its own that allows nothing inline.
type shop struct {
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup
	chat     string // Bellhop's origin
	base     string // and the path below which it serves
	broker   *broker.Broker
	log      *slog.Logger
}

// openShop listens on a free port beside the node's.
func (a *App) openShop(ctx context.Context) error {
	host, _, err := net.SplitHostPort(a.Addr())
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return fmt.Errorf("the demo's shop: %w", err)
	}
	s := &shop{listener: listener, chat: "http://" + pageHost(a.listener), base: a.base, broker: a.broker, log: a.log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /shop.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(shopCSS)
	})
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("POST /token", s.token)
	s.server = &http.Server{Handler: s.guard(http.NewCrossOriginProtection().Handler(mux)), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)}
	a.shop = s
	return nil
}

// pageHost is a listener's host:port as a page's policy can name it, which has no place for IPv6.
func pageHost(l net.Listener) string {
	host, port, _ := net.SplitHostPort(l.Addr().String())
	if strings.Contains(host, ":") {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

func (s *shop) origin() string { return "http://" + pageHost(s.listener) }

func (s *shop) start() {
	if s != nil {
		s.serving.Go(func() { _ = s.server.Serve(s.listener) }) // until closed
	}
}

func (s *shop) close() {
	if s != nil {
		_ = s.server.Close()
		_ = s.listener.Close()
		s.serving.Wait()
	}
}

// guard lets nobody in by another name, which might be a foreign site's that points here.
func (s *shop) guard(next http.Handler) http.Handler {
	policy := fmt.Sprintf("default-src 'none'; script-src %[1]s; connect-src 'self' %[1]s %[2]s; frame-src %[1]s; style-src 'self'; "+
		"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", s.chat, "ws"+strings.TrimPrefix(s.chat, "http"))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != pageHost(s.listener) {
			http.Error(w, "another host's", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// shopView is what the page is made of.
type shopView struct {
	Chat string // Bellhop's address
	Lang string
}

// T is a text in the page's language.
func (v shopView) T(en, zh string) string {
	if v.Lang == "zh" {
		return zh
	}
	return en
}

func (s *shop) page(w http.ResponseWriter, r *http.Request) {
	lang := r.URL.Query().Get("lang")
	if lang == "" {
		lang = r.Header.Get("Accept-Language")
	}
	v := shopView{Chat: s.chat + s.base, Lang: "en"}
	if strings.HasPrefix(strings.ToLower(lang), "zh") {
		v.Lang = "zh"
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := shopPage.Execute(w, v); err != nil {
		s.log.Debug("the demo's shop", "error", err)
	}
}

// token is what a site's own server does for whoever is logged in there: here, always the same visitor.
func (s *shop) token(w http.ResponseWriter, r *http.Request) {
	token, expires, err := s.broker.IssueToken(r.Context(),
		chat.Identity{Role: chat.RoleUser, ID: "shop-visitor", Name: "Vera 薇"}, 24*time.Hour)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "expires": expires})
}
