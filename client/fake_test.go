package client_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake speaks enough of the protocol for one session: it keeps a log, and can
// lose answers, refuse and close as a test asks it to.
type fake struct {
	*httptest.Server
	gws.BuiltinEventHandler
	mu     sync.Mutex
	conns  map[*gws.Conn]bool
	dials  []time.Time
	tokens []string
	log    []line
	keys   map[string]int64
	// lose makes the server cut the connection after it took a send, before it answers.
	lose int
	// busy makes it refuse sends as overloaded.
	busy int
	// rude makes it cut that many connections before hello, silent not greet them at all.
	rude, silent int
}

type line struct{ key, body string }

const session = "00-01J00000000000000000000000"

func newFake() *fake {
	f := &fake{conns: map[*gws.Conn]bool{}, keys: map[string]int64{}}
	up := gws.NewUpgrader(f, &gws.ServerOption{SubProtocols: []string{"bellhop.v1"}})
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Sec-Websocket-Protocol"), "bellhop.v1, ")
		f.mu.Lock()
		f.dials, f.tokens = append(f.dials, time.Now()), append(f.tokens, token)
		f.mu.Unlock()
		if token == "bad" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"code":"unauthorized","detail":"no such token","status":401}`))
			return
		}
		ws, err := up.Upgrade(w, r)
		if err == nil {
			go ws.ReadLoop()
		}
	}))
	return f
}

func (f *fake) stop() {
	f.drop(0)
	f.Close()
}

// drop ends every connection: with a close code, or just so.
func (f *fake) drop(code uint16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ws := range f.conns {
		if code > 0 {
			_ = ws.WriteClose(code, nil)
		} else {
			_ = ws.NetConn().Close()
		}
		delete(f.conns, ws)
	}
}

func (f *fake) say(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ws := range f.conns {
		_ = ws.WriteString(fmt.Sprintf(format, args...))
	}
}

func message(seq int, body string) string {
	return fmt.Sprintf(`{"session":%q,"seq":%d,"mid":"m%d","at":"2026-01-02T03:04:05.000Z","from":{"id":"ann","role":"agent","name":"Ann"},"type":"text","body":%q}`,
		session, seq, seq, body)
}

// OnOpen implements gws.Event.
func (f *fake) OnOpen(ws *gws.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[ws] = true
	switch {
	case f.rude > 0:
		f.rude--
		_ = ws.NetConn().Close()
		return
	case f.silent > 0:
		f.silent--
		return
	}
	_ = ws.WriteString(fmt.Sprintf(`{"event":"hello","connection":"c","heartbeat":25,"unread":0,"offers":[],"sessions":[{"id":%q,"state":"serving","seq":%d}]}`,
		session, len(f.log)))
}

// OnClose implements gws.Event.
func (f *fake) OnClose(ws *gws.Conn, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, ws)
}

// OnMessage implements gws.Event.
func (f *fake) OnMessage(ws *gws.Conn, m *gws.Message) {
	defer func() { _ = m.Close() }()
	var c struct {
		ID        int64
		Cmd       string
		Key, Body string
		After     int
	}
	if json.Unmarshal(m.Bytes(), &c) != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch c.Cmd {
	case "open":
		_ = ws.WriteString(fmt.Sprintf(`{"id":%d,"ok":{"session":{"id":%q,"state":"waiting","seq":%d}}}`, c.ID, session, len(f.log)))
	case "send":
		f.send(ws, c.ID, c.Key, c.Body)
	case "history":
		var list []string
		for i := c.After; i < len(f.log) && len(list) < 2; i++ { // short pages, so that there are several
			list = append(list, message(i+1, f.log[i].body))
		}
		_ = ws.WriteString(fmt.Sprintf(`{"id":%d,"ok":{"messages":[%s],"more":%t}}`, c.ID, strings.Join(list, ","), c.After+len(list) < len(f.log)))
	default:
		_ = ws.WriteString(fmt.Sprintf(`{"id":%d,"error":{"code":"taken","message":"too late","retry":false,"by":"bea"}}`, c.ID))
	}
}

func (f *fake) send(ws *gws.Conn, id int64, key, body string) {
	if f.busy > 0 {
		f.busy--
		_ = ws.WriteString(fmt.Sprintf(`{"id":%d,"error":{"code":"overloaded","message":"full","retry":true}}`, id))
		return
	}
	seq, dup := f.keys[key]
	if !dup {
		f.log = append(f.log, line{key, body})
		seq = int64(len(f.log))
		f.keys[key] = seq
	}
	if f.lose > 0 {
		f.lose--
		_ = ws.NetConn().Close()
		return
	}
	_ = ws.WriteString(fmt.Sprintf(`{"id":%d,"ok":{"seq":%d,"mid":"m%d","at":"2026-01-02T03:04:05.000Z","duplicate":%t}}`, id, seq, seq, dup))
}
