package handlers

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"bellhop/files"
)

const impatience = 300 * time.Millisecond

// slowly sends what a client begins with, then a byte every now and then, or
// nothing, and waits for the end of the connection: what was answered, and after how long.
func slowly(addr, begin string, trickle bool) (answer string, took time.Duration, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = conn.Close() }()
	began := time.Now()
	if _, err := io.WriteString(conn, begin); err != nil {
		return "", 0, err
	}
	if trickle {
		stop := make(chan struct{})
		var wg sync.WaitGroup
		defer wg.Wait()
		defer close(stop)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(impatience / 8):
					if _, err := io.WriteString(conn, "1"); err != nil {
						return
					}
				}
			}
		})
	}
	_ = conn.SetReadDeadline(began.Add(20 * time.Second))
	data, err := io.ReadAll(conn)
	if len(data) > 0 || errors.Is(err, syscall.ECONNRESET) { // an end, too
		err = nil
	}
	if time.Since(began) > 19*time.Second {
		err = fmt.Errorf("not closed; answered %q", data)
	}
	return string(data), time.Since(began), err
}

// Every route, those that gin answers by itself included: a client that says
// nothing more in the head or in the body, or a byte every now and then, is
// answered or closed soon.
func TestEveryRouteGivesUpOnSlowClients(t *testing.T) {
	e := newEdge(t, Options{Patience: impatience, Files: &files.Store{}, Demo: &Demo{}})
	routes := [][2]string{{"POST", "/nowhere"}, {"DELETE", "/api/v1/tokens"}, {"POST", "/api/v1/tokens/"}, {"OPTIONS", "/api/v1/tokens"}, {"GET", "/docs/"}}
	for _, r := range e.engine.Routes() {
		routes = append(routes, [2]string{r.Method, strings.NewReplacer(":id", "x", ":sessionId", "x", ":connectionId", "y", "*name", "n").Replace(r.Path)})
	}
	require.Greater(t, len(routes), 50)
	const length, form = "Content-Length: 100000\r\n", "Content-Type: multipart/form-data; boundary=b\r\n"
	reads := map[string]bool{} // by a JSON body they want, and do not get
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(200)
	for _, r := range routes {
		for _, auth := range []string{"key", e.token} {
			head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n", r[0], r[1], e.addr, auth)
			for name, begin := range map[string]string{
				"half a head": head + "X-More: ", "no body": head + length + form + "\r\n", "half a body": head + length + form + "\r\n{",
				"half a form":         head + length + form + "\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nabc",
				"half a part's head":  head + length + form + "\r\n--b\r\nContent-Disposition: form-",
				"no chunk":            head + "Transfer-Encoding: chunked\r\n\r\n",
				"half a chunk":        head + "Transfer-Encoding: chunked\r\n\r\nfff\r\n{",
				"continue and silent": head + length + "Expect: 100-continue\r\n\r\n",
			} {
				if auth != "key" && name != "no body" {
					continue
				}
				for _, trickle := range []bool{false, true} {
					g.Go(func() error {
						answer, took, err := slowly(e.addr, begin, trickle)
						switch {
						case err != nil:
							return fmt.Errorf("%v, %s, trickling %v: %w", r, name, trickle, err)
						case took > 10*time.Second:
							return fmt.Errorf("%v, %s, trickling %v: only after %v", r, name, trickle, took)
						case strings.Contains(answer, " 408 "):
							if !strings.Contains(answer, "application/problem+json") || !strings.Contains(answer, `"code":"bad_request"`) {
								return fmt.Errorf("%v, %s: %s", r, name, answer)
							}
							mu.Lock()
							reads[r[0]+" "+r[1]] = true
							mu.Unlock()
						}
						return nil
					})
				}
			}
		}
	}
	require.NoError(t, g.Wait())
	for _, r := range []string{"POST /api/v1/tokens", "POST /api/v1/tokens/revoke", "POST /api/v1/sessions", "POST /api/v1/sessions/x/messages",
		"PUT /api/v1/queues/x", "PUT /api/v1/agents/x", "PUT /api/v1/users/x", "POST /api/v1/sessions/x/end", "POST /api/v1/files", "POST /demo/token"} {
		require.True(t, reads[r], "%s answers 408", r)
	}
	e.othersAreServed(t)
}

// A body that comes slowly but surely is taken, and so are the requests after it;
// a WebSocket has nothing of all these deadlines.
func TestSlowButSureClients(t *testing.T) {
	e := newEdge(t, Options{Patience: impatience, Heartbeat: time.Minute, Silence: time.Hour})
	w := e.connect(t, e.token)
	w.line(t, `{"event":"hello"`)
	conn, err := net.Dial("tcp", e.addr)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	r := bufio.NewReader(conn)
	for range 2 {
		payload := `{"id":"u","role":"user","pad":"` + strings.Repeat("x", 32<<10) + `"}`
		began := time.Now()
		_, err = fmt.Fprintf(conn, "POST /api/v1/tokens HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer key\r\nContent-Length: %d\r\n\r\n", e.addr, len(payload))
		require.NoError(t, err)
		for len(payload) > 0 {
			n := min(len(payload), 2<<10)
			_, err = io.WriteString(conn, payload[:n])
			require.NoError(t, err)
			payload = payload[n:]
			time.Sleep(impatience / 4)
		}
		require.Greater(t, time.Since(began), 3*impatience)
		res, err := http.ReadResponse(r, nil)
		require.NoError(t, err)
		var answer struct{ Token string }
		require.NoError(t, json.NewDecoder(res.Body).Decode(&answer))
		require.NoError(t, res.Body.Close())
		require.NotEmpty(t, answer.Token)
		time.Sleep(2 * impatience)
	}
	w.send(t, frame(0x81, []byte(`{"id":1,"cmd":"ping"}`)))
	w.line(t, `{"id":1,"ok"`)
	_ = w.Close()
	e.othersAreServed(t)
}

// narrow lets little be under way, so that a test need not fill much.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(4096)
	}
	return c, err
}

// Who asks and asks and takes no answer is closed.
func TestAnswersThatNobodyTakes(t *testing.T) {
	e := newEdge(t, Options{Patience: impatience}, func(l net.Listener) net.Listener { return narrow{l} })
	conn, err := net.Dial("tcp", e.addr)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4096))
	request := []byte(strings.Repeat("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 100))
	require.NoError(t, conn.SetWriteDeadline(time.Now().Add(20*time.Second)))
	for err == nil {
		_, err = conn.Write(request)
	}
	var late net.Error
	require.False(t, errors.As(err, &late) && late.Timeout(), "it was not closed: %v", err)
}
