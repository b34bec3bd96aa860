package client_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
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
	// heartbeat is what hello says, 25 s unless set; nothing is pinged.
	heartbeat int
	// old makes it one that names no mids in hello.
	old bool
	// unnamed leaves the session out of hello; listed is what sessions lists, one a page.
	unnamed bool
	listed  []string
	// ended is what sessions lists of those that ended, and now the server's clock.
	ended []string
	now   time.Time
	// asked is called with each history that is asked for, before it is answered;
	// a line that it gives is the answer.
	asked     func(n, after int) string
	histories int
	// refused begins the ids of sessions whose history is a bad request; private, that the session's is forbidden.
	refused string
	private bool
	// joining is called before an open is answered; role is the client's, a user's unless set.
	joining func()
	role    string
	// epoch names the log that a fall-back begins: the mids of what follows.
	epoch int
}

type line struct{ key, body, mid string }

const session = "00-01J00000000000000000000000"

func newFake() *fake {
	f := &fake{conns: map[*gws.Conn]bool{}, keys: map[string]int64{}, now: time.Now()}
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
func (f *fake) drop(code uint16) { f.locked(func() { f.cut(code) }) }

// cut is drop where mu is held.
func (f *fake) cut(code uint16) {
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
	f.tell(format, args...)
}

func message(seq int, l line) string {
	return fmt.Sprintf(`{"session":%q,"seq":%d,"mid":%q,"at":"2026-01-02T03:04:05.000Z","from":{"id":"ann","role":"agent","name":"Ann"},"type":"text","body":%q,"key":%q}`,
		session, seq, l.mid, l.body, l.key)
}

// post puts others' messages into the log, and tells every connection. mu is held.
func (f *fake) post(bodies ...string) {
	for _, body := range bodies {
		f.append("", body)
		f.tell(`{"event":"message",%s`, message(len(f.log), f.log[len(f.log)-1])[1:])
	}
}

// append is a message that nobody is told of. mu is held.
func (f *fake) append(key, body string) {
	f.log = append(f.log, line{key, body, fmt.Sprintf("m%d.%d", len(f.log)+1, f.epoch)})
}

// fallBack loses the log's end, as Redis does; what is written next is another
// log. mu is held.
func (f *fake) fallBack(to int) {
	f.log = f.log[:to:to]
	f.epoch++
	for key, seq := range f.keys {
		if seq > int64(to) {
			delete(f.keys, key)
		}
	}
}

// reset tells of it. mu is held.
func (f *fake) reset() { f.tell(`{"event":"reset","session":%q}`, session) }

func (f *fake) locked(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// tell is say where mu is held.
func (f *fake) tell(format string, args ...any) {
	for ws := range f.conns {
		_ = ws.WriteString(fmt.Sprintf(format, args...))
	}
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
	named := []string{f.session()}
	if f.unnamed {
		named = nil
	}
	_ = ws.WriteString(fmt.Sprintf(`{"event":"hello","connection":"c","me":{"id":"uma","role":%q},"heartbeat":%d,"unread":0,"offers":[],"sessions":[%s],"more":%t}`,
		cmp.Or(f.role, "user"), cmp.Or(f.heartbeat, 25), strings.Join(named, ","), f.listed != nil))
}

// session is the session as hello has it. mu is held.
func (f *fake) session() string {
	mid := ""
	if n := len(f.log); n > 0 && !f.old {
		mid = f.log[n-1].mid
	}
	return fmt.Sprintf(`{"id":%q,"state":"serving","user":{"id":"uma"},"seq":%d,"mid":%q}`, session, len(f.log), mid)
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
		ID                          int64
		Cmd, Key, Body              string
		Mid, Cursor, Session, State string
		After                       int
	}
	if json.Unmarshal(m.Bytes(), &c) != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch c.Cmd {
	case "open":
		if f.joining != nil {
			f.joining()
		}
		_ = ws.WriteString(fmt.Sprintf(`{"id":%d,"ok":{"session":{"id":%q,"state":"waiting","seq":%d}}}`, c.ID, session, len(f.log)))
	case "send":
		f.send(ws, c.ID, c.Key, c.Body)
	case "history":
		if f.refused != "" && strings.HasPrefix(c.Session, f.refused) {
			_ = ws.WriteString(fmt.Sprintf(`{"id":%d,"error":{"code":"bad_request","message":"no","retry":false}}`, c.ID))
			return
		}
		f.histories++
		if f.private {
			_ = ws.WriteString(fmt.Sprintf(`{"id":%d,"error":{"code":"forbidden","message":"no","retry":false}}`, c.ID))
			return
		}
		if f.asked != nil {
			if answer := f.asked(f.histories, c.After); answer != "" {
				_ = ws.WriteString(fmt.Sprintf(`{"id":%d,%s}`, c.ID, answer))
				return
			}
		}
		_ = ws.WriteString(fmt.Sprintf(`{"id":%d,"ok":%s}`, c.ID, f.history(c.After, c.Mid)))
	case "ping":
		_ = ws.WriteString(fmt.Sprintf(`{"id":%d,"ok":{"at":%q}}`, c.ID, f.now.Format(time.RFC3339Nano)))
	case "sessions":
		_ = ws.WriteString(fmt.Sprintf(`{"id":%d,"ok":%s}`, c.ID, f.list(c.State, c.Cursor)))
	default:
		_ = ws.WriteString(fmt.Sprintf(`{"id":%d,"error":{"code":"taken","message":"too late","retry":false,"by":"bea"}}`, c.ID))
	}
}

// history answers with short pages, so that there are several. mu is held.
func (f *fake) history(after int, mid string) string {
	reset := after > 0 && mid != "" && (after > len(f.log) || f.log[after-1].mid != mid)
	if reset {
		after = 0
	}
	var list []string
	for i := after; i < len(f.log) && len(list) < 2; i++ {
		list = append(list, message(i+1, f.log[i]))
	}
	return fmt.Sprintf(`{"messages":[%s],"more":%t,"reset":%t}`, strings.Join(list, ","), after+len(list) < len(f.log), reset)
}

// list answers with one session a page. mu is held.
func (f *fake) list(state, cursor string) string {
	n, _ := strconv.Atoi(cursor)
	if state == "ended" && f.ended != nil {
		return fmt.Sprintf(`{"sessions":[%s],"cursor":""}`, strings.Join(f.ended, ","))
	}
	if !strings.Contains(state, "serving") || n >= len(f.listed) {
		return `{"sessions":[],"cursor":""}`
	}
	next := ""
	if n+1 < len(f.listed) {
		next = strconv.Itoa(n + 1)
	}
	return fmt.Sprintf(`{"sessions":[%s],"cursor":%q}`, f.listed[n], next)
}

func (f *fake) send(ws *gws.Conn, id int64, key, body string) {
	if f.busy > 0 {
		f.busy--
		_ = ws.WriteString(fmt.Sprintf(`{"id":%d,"error":{"code":"overloaded","message":"full","retry":true}}`, id))
		return
	}
	seq, dup := f.keys[key]
	if !dup {
		f.append(key, body)
		seq = int64(len(f.log))
		f.keys[key] = seq
	}
	if f.lose > 0 {
		f.lose--
		_ = ws.NetConn().Close()
		return
	}
	_ = ws.WriteString(fmt.Sprintf(`{"id":%d,"ok":{"seq":%d,"mid":%q,"at":"2026-01-02T03:04:05.000Z","duplicate":%t}}`, id, seq, f.log[seq-1].mid, dup))
}
