package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// attackCommand is the attacker; hostile starts it.
type attackCommand struct {
	Kind    string
	Addr    string
	Token   string
	Session string
	Lasts   time.Duration
}

// attacks are what one participant, or nobody in particular, does to a node.
// Each goes on until the context ends, whatever the answers.
var attacks = map[string]func(*attackCommand, context.Context){
	"control":     (*attackCommand).control,
	"slow-heads":  (*attackCommand).slowHeads,
	"never-read":  (*attackCommand).neverRead,
	"slow-reads":  (*attackCommand).slowReads,
	"frames":      (*attackCommand).frames,
	"lengths":     (*attackCommand).lengths,
	"reconnects":  (*attackCommand).reconnects,
	"opens":       (*attackCommand).opens,
	"reads":       (*attackCommand).reads,
	"gets":        (*attackCommand).gets,
	"deep-json":   (*attackCommand).deepJSON,
	"uploads":     (*attackCommand).uploads,
	"part-heads":  (*attackCommand).partHeads,
	"bad-bodies":  (*attackCommand).silentBodies,
	"docs":        (*attackCommand).docs,
	"bad-picture": (*attackCommand).pictures,
}

func attackNames() []string { return slices.Sorted(maps.Keys(attacks)) }

// Run attacks as long as it was told to.
func (c *attackCommand) Run(ctx context.Context, _ *options) error {
	ctx, stop := context.WithTimeout(ctx, c.Lasts)
	defer stop()
	attacks[c.Kind](c, ctx)
	return nil
}

// devices is how many connections one participant may have.
const devices = 20

// swarm does one thing over and over, n at a time; a little rest lets failures be told from work.
func swarm(ctx context.Context, n int, do func(ctx context.Context, i int) error) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				if do(ctx, i) != nil {
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
}

// plain opens a TCP connection that ends with the context.
func (c *attackCommand) plain(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", c.Addr)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	return conn, nil
}

// upgraded opens a WebSocket by hand.
func (c *attackCommand) upgraded(ctx context.Context, device int) (net.Conn, error) {
	conn, err := c.plain(ctx)
	if err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintf(conn, "GET /websocket?device=d%d HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: bellhop.v1, %s\r\n\r\n", device, c.Addr, c.Token)
	status, err := bufio.NewReaderSize(conn, 16).ReadString('\n')
	if err != nil || !strings.Contains(status, " 101 ") {
		_ = conn.Close()
		return nil, fmt.Errorf("refused: %s %w", status, err)
	}
	return conn, nil
}

// masked is a frame whose mask is zero, so that it costs the attacker nothing.
func masked(opcode byte, payload []byte) []byte {
	head := []byte{0x80 | opcode}
	switch n := len(payload); {
	case n < 126:
		head = append(head, 0x80|byte(n))
	default:
		head = append(head, 0x80|126, byte(n>>8), byte(n))
	}
	return append(append(head, 0, 0, 0, 0), payload...)
}

// takeAll reads what comes.
func takeAll(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// takeSlowly reads 1 KiB a second.
func takeSlowly(conn net.Conn) {
	for {
		if _, err := io.CopyN(io.Discard, conn, 1<<10); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// flood writes the same frame on all its devices' connections; take reads the answers, unless it is nil.
func (c *attackCommand) flood(ctx context.Context, take func(net.Conn), frame []byte) {
	swarm(ctx, devices, func(ctx context.Context, i int) error {
		conn, err := c.upgraded(ctx, i)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if take != nil {
			go take(conn)
		}
		for err == nil {
			_, err = conn.Write(frame)
		}
		return err
	})
}

// lines is a frame full of one command.
func lines(line string) []byte {
	return masked(1, []byte(strings.Repeat(line+"\n", 60000/(len(line)+1))))
}

// control attacks itself: what that does to the others is the machine's share, not the server's.
func (c *attackCommand) control(ctx context.Context) {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn) }()
		}
	}()
	c.Addr = l.Addr().String()
	frame := lines(`{"id":1,"cmd":"ping"}`)
	swarm(ctx, devices, func(ctx context.Context, _ int) error {
		conn, err := c.plain(ctx)
		for err == nil {
			_, err = conn.Write(frame)
		}
		return err
	})
}

func (c *attackCommand) slowHeads(ctx context.Context) {
	swarm(ctx, 500, func(ctx context.Context, _ int) error {
		conn, err := c.plain(ctx)
		for _, b := range []byte("GET /websocket HTTP/1.1\r\nX-Slow: " + strings.Repeat("x", 1000)) {
			if err != nil {
				return err
			}
			_, err = conn.Write([]byte{b})
			time.Sleep(100 * time.Millisecond)
		}
		return err
	})
}

func (c *attackCommand) neverRead(ctx context.Context) {
	c.flood(ctx, nil, lines(`{"id":1,"cmd":"history","session":"`+c.Session+`","limit":200}`))
}

func (c *attackCommand) slowReads(ctx context.Context) {
	c.flood(ctx, takeSlowly, lines(`{"id":1,"cmd":"history","session":"`+c.Session+`","limit":200}`))
}

func (c *attackCommand) frames(ctx context.Context) {
	c.flood(ctx, takeAll, slices.Concat(lines(`{"id":1,"cmd":"ping"}`), masked(9, nil), lines(`{"id":2,"cmd":"no such"}`)))
}

func (c *attackCommand) reads(ctx context.Context) {
	c.flood(ctx, takeAll, lines(`{"id":1,"cmd":"history","session":"`+c.Session+`","limit":200}`+"\n"+`{"id":2,"cmd":"sessions","limit":200}`))
}

func (c *attackCommand) opens(ctx context.Context) {
	c.flood(ctx, takeAll, lines(`{"id":1,"cmd":"open","queue":"hostile"}`+"\n"+`{"id":2,"cmd":"send","session":"`+c.Session+`","body":"x"}`))
}

func (c *attackCommand) deepJSON(ctx context.Context) {
	deep := strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000)
	c.flood(ctx, takeAll, masked(1, []byte(`{"id":1,"cmd":"send","session":"`+c.Session+`","type":"card","body":`+deep+`}`)))
}

// lengths sends headers that claim what no frame has.
func (c *attackCommand) lengths(ctx context.Context) {
	swarm(ctx, devices, func(ctx context.Context, i int) error {
		conn, err := c.upgraded(ctx, i)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		_, err = conn.Write([]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, byte(i), 0, 0, 0, 0})
		_, _ = io.Copy(io.Discard, conn)
		return err
	})
}

func (c *attackCommand) reconnects(ctx context.Context) {
	swarm(ctx, devices, func(ctx context.Context, i int) error {
		conn, err := c.upgraded(ctx, i)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
}

// ask makes one request over HTTP and reads the answer.
func (c *attackCommand) ask(ctx context.Context, method, path, contentType string, body io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.Addr+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("Content-Type", contentType)
	res, err := pooled.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

func (c *attackCommand) gets(ctx context.Context) {
	paths := []string{"/api/v1/sessions/" + c.Session + "/messages?limit=200", "/api/v1/sessions/" + c.Session + "/transcript?format=html",
		"/api/v1/sessions?limit=200", "/api/v1/search?q=xx"}
	swarm(ctx, 2*devices, func(ctx context.Context, i int) error { return c.ask(ctx, "GET", paths[i%len(paths)], "", nil) })
}

func (c *attackCommand) docs(ctx context.Context) {
	paths := []string{"/docs", "/openapi.yaml", "/desk", "/widget.js"}
	swarm(ctx, devices, func(ctx context.Context, i int) error { return c.ask(ctx, "GET", paths[i%len(paths)], "", nil) })
}

// form is an upload.
func form(name string, content []byte) (contentType string, body []byte) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, _ := w.CreateFormFile("file", name) // a bytes.Buffer takes all
	_, _ = part.Write(content)
	_ = w.Close()
	return w.FormDataContentType(), b.Bytes()
}

func (c *attackCommand) send(ctx context.Context, name string, contents ...[]byte) {
	types, bodies := make([]string, len(contents)), make([][]byte, len(contents))
	for i, content := range contents {
		types[i], bodies[i] = form(name, content)
	}
	swarm(ctx, devices, func(ctx context.Context, i int) error {
		i %= len(bodies)
		return c.ask(ctx, "POST", "/api/v1/files", types[i], bytes.NewReader(bodies[i]))
	})
}

func (c *attackCommand) uploads(ctx context.Context) { c.send(ctx, "x.bin", make([]byte, 20<<20-1024)) }
func (c *attackCommand) partHeads(ctx context.Context) {
	c.send(ctx, strings.Repeat("n", 9<<20), []byte("x"))
}

// silentBodies promises bodies that never come.
func (c *attackCommand) silentBodies(ctx context.Context) {
	swarm(ctx, 500, func(ctx context.Context, i int) error {
		conn, err := c.plain(ctx)
		if err != nil {
			return err
		}
		path := []string{"/tokens", "/files", "/sessions"}[i%3]
		_, _ = fmt.Fprintf(conn, "POST /api/v1%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n", path, c.Addr, c.Token)
		_, err = io.Copy(io.Discard, conn)
		return err
	})
}
