package demo

import (
	"context"
	_ "embed" // the shop
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"bellhop/client"
)

//go:embed shop.html
var shopHTML string // a text stands there as {{English|Chinese}}

//go:embed shop.css
var shopCSS []byte

var twoTexts = regexp.MustCompile(`\{\{([^{}|]+)\|([^{}|]+)\}\}`)

// Shop is an imaginary site of somebody else's that has the widget: on an origin
// of its own, with a policy of its own that allows nothing inline.
type Shop struct {
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup
	chat     string // Bellhop's origin
	base     string // and the path below which it serves
	tokens   Tokens
}

// Tokens is what a site's own server asks of Bellhop: a token for whoever is logged in
// there. client.API is one.
type Tokens interface {
	IssueToken(ctx context.Context, r client.TokenRequest) (client.Token, error)
}

// ShopOptions of OpenShop; Base may be empty.
type ShopOptions struct {
	Node   net.Addr // where the node listens, beside which the shop does on a free port
	Base   string   // the path below which the node serves, without a slash at its end
	Tokens Tokens
	Log    *slog.Logger
}

// OpenShop listens. Nobody is answered before Start.
func OpenShop(ctx context.Context, o ShopOptions) (*Shop, error) {
	host, _, err := net.SplitHostPort(o.Node.String())
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("the demo's shop: %w", err)
	}
	s := &Shop{listener: listener, chat: "http://" + pageHost(o.Node), base: o.Base, tokens: o.Tokens}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /shop.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(shopCSS)
	})
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("POST /token", s.token)
	s.server = &http.Server{Handler: s.guard(http.NewCrossOriginProtection().Handler(mux)), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)}
	return s, nil
}

// pageHost is host:port as a page's policy can name it, which has no place for IPv6.
func pageHost(a net.Addr) string {
	host, port, _ := net.SplitHostPort(a.String())
	if strings.Contains(host, ":") {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// Origin is the site's, as browsers name it.
func (s *Shop) Origin() string { return "http://" + pageHost(s.listener.Addr()) }

// Start serves until Close. It does nothing on nil.
func (s *Shop) Start() {
	if s != nil {
		s.serving.Go(func() { _ = s.server.Serve(s.listener) }) // until closed
	}
}

// Close ends it, and waits for the end. It does nothing on nil.
func (s *Shop) Close() {
	if s != nil {
		_ = s.server.Close()
		_ = s.listener.Close()
		s.serving.Wait()
	}
}

// guard lets nobody in by another name, which might be a foreign site's that points here.
func (s *Shop) guard(next http.Handler) http.Handler {
	policy := fmt.Sprintf("default-src 'none'; script-src %[1]s; connect-src 'self' %[1]s %[2]s; frame-src %[1]s; style-src 'self'; "+
		"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", s.chat, "ws"+strings.TrimPrefix(s.chat, "http"))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != pageHost(s.listener.Addr()) {
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

func (s *Shop) page(w http.ResponseWriter, r *http.Request) {
	lang := r.URL.Query().Get("lang")
	if lang == "" {
		lang = r.Header.Get("Accept-Language")
	}
	shown, text := "en", "$1"
	if strings.HasPrefix(strings.ToLower(lang), "zh") {
		shown, text = "zh", "$2"
	}
	page := strings.NewReplacer("{{lang}}", shown, "{{chat}}", html.EscapeString(s.chat+s.base)).
		Replace(twoTexts.ReplaceAllString(shopHTML, text))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, page)
}

// token is what a site's own server does for whoever is logged in there: here, always the same visitor.
func (s *Shop) token(w http.ResponseWriter, r *http.Request) {
	token, err := s.tokens.IssueToken(r.Context(), client.TokenRequest{Role: "user", ID: "shop-visitor", Name: "Vera 薇"})
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(token)
}
