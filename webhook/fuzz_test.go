package webhook

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// answers is a transport that takes no connection: it answers each request itself.
type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

// reached is an endpoint that a makes the answers of.
func reached(t testing.TB, a answers, secrets ...string) *Endpoint {
	t.Helper()
	e, err := New(Options{URL: "http://127.0.0.1:1/", Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	e.client.Transport = staying{a}
	return e
}

// counted counts what is read of a body, and whether it was closed.
type counted struct {
	io.ReadCloser
	read   int
	closed bool
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.read += n
	return n, err
}

func (c *counted) Close() error {
	c.closed = true
	return c.ReadCloser.Close()
}

// Whatever an endpoint answers: it is taken only with a status from 200 to 299, what
// it asks for makes sense, little of what it says is read, and its connection is let go.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\n\r\n", "HTTP/1.1 503 x\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n\r\n",
		"HTTP/1.1 503 x\r\nRetry-After: 99999999999999999999\r\n\r\n", "HTTP/1.1 503 x\r\nRetry-After: -1\r\n\r\n",
		"HTTP/1.1 503 x\r\nRetry-After: 2147483647\r\nRetry-After: 1\r\n\r\n", "HTTP/1.1 429 x\r\nRetry-After: 1e9\r\n\r\n",
		"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/other\r\n\r\n", "HTTP/1.1 302 Go\r\nLocation: ://\r\n\r\n", "HTTP/1.1 410 Gone\r\n\r\n",
		"HTTP/1.1 000 x\r\n\r\n", "HTTP/1.1 999 x\r\n\r\n", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + strings.Repeat("x", 2*maxAnswer), "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "", "\x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var body *counted
		status, requests := 0, 0
		e := reached(t, func(r *http.Request) (*http.Response, error) {
			requests++
			res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), r)
			if err != nil {
				return nil, err
			}
			body = &counted{ReadCloser: res.Body}
			res.Body, status = body, res.StatusCode
			return res, nil
		}, one)
		err := e.Deliver(t.Context(), "evt_1", []byte("{}"))
		refusal, refused := err.(*Refusal) //nolint:errorlint // as it comes
		switch {
		case requests != 1:
			t.Fatalf("%d requests", requests)
		case body == nil:
			if err == nil || refused {
				t.Fatalf("no answer, and %v", err)
			}
			return
		case (err == nil) != (status >= 200 && status < 300):
			t.Fatalf("status %d: %v", status, err)
		case err != nil && (!refused || refusal.Status != status):
			t.Fatalf("status %d: %v", status, err)
		case !body.closed || body.read > maxAnswer:
			t.Fatalf("read %d, closed: %v", body.read, body.closed)
		}
		if refused {
			asks := refusal.RetryAfter()
			if asks < 0 || asks > 0 && status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
				t.Fatalf("status %d, and wait for %v", status, asks)
			}
			if refusal.Gone() != (status == http.StatusGone) || refusal.Error() == "" {
				t.Fatal(refusal)
			}
		}
	})
}

// What is delivered verifies with its secret, and with nothing changed: not the
// body, the id, the time or the secret.
func FuzzSignature(f *testing.F) {
	f.Add("evt_1", []byte(`{"type":"x"}`), byte(0), uint(0))
	f.Add("a.b.1700000000", []byte("."), byte(255), uint(7))
	f.Add("", []byte{}, byte(1), uint(1))
	f.Add("中文 ", []byte("\xff\x00\r\n"), byte(9), uint(1<<20))
	f.Fuzz(func(t *testing.T, id string, body []byte, key byte, flip uint) {
		mine, other := secret(key, 24+int(key)%41), secret(key+1, 24+int(key)%41)
		var got http.Header
		var sent []byte
		e := reached(t, func(r *http.Request) (*http.Response, error) {
			// As it would be on the way: net/http refuses what cannot be sent.
			for name, values := range r.Header {
				for _, v := range values {
					if strings.ContainsAny(v, "\r\n\x00") {
						t.Fatalf("%s: %q", name, v)
					}
				}
			}
			got = r.Header.Clone()
			sent, _ = io.ReadAll(r.Body)
			return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
		}, mine)
		if strings.ContainsAny(id, "\r\n\x00") {
			id = "evt_1" // the transport's to refuse, and ours never has any
		}
		if err := e.Deliver(t.Context(), id, body); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(sent, body) {
			t.Fatalf("%q went as %q", body, sent)
		}
		verify := func(secret string, body []byte, change func(http.Header)) error {
			h := got.Clone()
			if change != nil {
				change(h)
			}
			wh, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				t.Fatal(err)
			}
			return wh.Verify(body, h)
		}
		if id == "" {
			return // none that a receiver would take
		}
		if err := verify(mine, body, nil); err != nil {
			t.Fatalf("not its own signature: %v", err)
		}
		touched := append(bytes.Clone(body), 'x')
		if len(body) > 0 {
			touched = bytes.Clone(body)
			touched[flip%uint(len(body))] ^= 1 << (flip % 8)
		}
		for what, err := range map[string]error{
			"another body":   verify(mine, touched, nil),
			"another secret": verify(other, body, nil),
			"another id":     verify(mine, body, func(h http.Header) { h.Set("webhook-id", id+"x") }),
			"another time": verify(mine, body, func(h http.Header) {
				h.Set("webhook-timestamp", h.Get("webhook-timestamp")[:1]+"0"+h.Get("webhook-timestamp")[2:])
			}),
			"no signature": verify(mine, body, func(h http.Header) { h.Del("webhook-signature") }),
		} {
			if err == nil {
				t.Fatalf("%s verified", what)
			}
		}
	})
}

// What is taken for an endpoint can be one, and a refusal does not tell the secret.
func FuzzOptions(f *testing.F) {
	for _, s := range []string{one, two, "whsec_", "whsec_hunter2hunter2hunter2hunter2", "whsec_" + strings.Repeat("A", 1000), " " + one, "\xff"} {
		f.Add("https://example.org/hook", s)
	}
	for _, u := range []string{"http://127.0.0.1:3000", "http://me:hunter2@host/x?y=z", "http://[fe80::1%25eth0]/", "http://127.1/", "http://0/", "http://localhost./",
		"https://a:b:c/", "https://\x00/", "http://2130706433/", "http:///x", "https://x:port/"} {
		f.Add(u, one)
	}
	f.Fuzz(func(t *testing.T, address, secret string) {
		e, err := New(Options{URL: address, Secrets: []string{secret}})
		if err != nil {
			if len(secret) > 12 && strings.HasPrefix(secret, "whsec_") && strings.Contains(err.Error(), secret[6:]) {
				t.Fatalf("it tells the secret: %v", err)
			}
			return
		}
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "https" && !private(u.Hostname()) {
			t.Fatalf("%q was taken: %v", address, err)
		}
		e.client.Transport = answers(func(r *http.Request) (*http.Response, error) {
			if r.URL.Hostname() != u.Hostname() || r.URL.Port() != u.Port() {
				t.Fatalf("%q goes to %q", address, r.URL.Host)
			}
			return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
		})
		if err := e.Deliver(t.Context(), "evt_1", []byte("{}")); err != nil {
			t.Fatalf("%q was taken, and then %v", address, err)
		}
	})
}
