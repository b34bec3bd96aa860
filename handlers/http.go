package handlers

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	// minRate is how fast a body must come and an answer must be taken, on the
	// average after the first Patience, in bytes a second: a poor telephone line does.
	minRate = 1 << 10
	// maxBodyTime is how long any body may take: 20 MiB at 47 kbit a second.
	maxBodyTime = time.Hour
)

// HTTP is a server for the edge, with the bounds it relies on: on how long a
// request's head may be and take, and on how long a connection may wait for the
// next. Those on bodies and answers are the edge's own.
func (s *Server) HTTP() *http.Server {
	return &http.Server{Handler: s.Handler(), ReadHeaderTimeout: s.opt.Patience, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
}

// Handler serves everything, and waits for no client for ever: neither for a body
// that does not come, though nobody reads it, nor for an answer to be taken. It
// stands before gin, which answers some requests by itself.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn := http.NewResponseController(w)
		out := &patientWriter{ResponseWriter: w, conn: conn, patience: s.opt.Patience}
		_ = conn.SetWriteDeadline(time.Time{}) // the last request's
		if r.Body != nil && r.Body != http.NoBody {
			in := &patientBody{ReadCloser: r.Body, conn: conn, patience: s.opt.Patience, began: time.Now()}
			in.extend()
			// A copy: net/http looks at its own body for what is left of it.
			r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, in))
			r.Body = in
		}
		defer out.end()
		s.serve(out, r)
	})
}

type bodyKey struct{}

// tooSlow tells whether the request's body was given up.
func tooSlow(r *http.Request) bool {
	b, _ := r.Context().Value(bodyKey{}).(*patientBody)
	return b != nil && b.late
}

// patientBody is a request's body with a deadline that moves on with it.
type patientBody struct {
	io.ReadCloser
	conn     *http.ResponseController
	patience time.Duration
	began    time.Time
	n        int64
	late     bool
}

var errTooSlow = errors.New("the body came too slowly")

// Read implements io.Reader.
func (b *patientBody) Read(p []byte) (int, error) {
	if b.late {
		return 0, errTooSlow
	}
	b.extend()
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.late, err = true, errTooSlow
	case err != nil: // the end: from here on net/http listens for the client's going away
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}

func (b *patientBody) extend() {
	at := time.Now().Add(b.patience)
	for _, bound := range []time.Duration{b.patience + transfer(b.n), maxBodyTime} {
		if end := b.began.Add(bound); end.Before(at) {
			at = end
		}
	}
	_ = b.conn.SetReadDeadline(at)
}

// transfer is how long so many bytes may take.
func transfer(n int64) time.Duration { return time.Duration(n) * time.Second / minRate }

// patientWriter gives each write a deadline; what counts is the time spent in
// writes, not that between them.
type patientWriter struct {
	http.ResponseWriter
	conn     *http.ResponseController
	patience time.Duration
	n        int64
	spent    time.Duration
	hijacked bool
}

// Write implements http.ResponseWriter.
func (w *patientWriter) Write(p []byte) (int, error) {
	w.n += int64(len(p))
	began := time.Now()
	left := min(w.patience+transfer(int64(len(p))), w.patience+transfer(w.n)-w.spent)
	_ = w.conn.SetWriteDeadline(began.Add(left))
	n, err := w.ResponseWriter.Write(p)
	w.spent += time.Since(began)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack implements http.Hijacker. It takes the deadlines off.
func (w *patientWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := w.conn.Hijack()
	w.hijacked = err == nil
	return conn, rw, err
}

// Flush implements http.Flusher.
func (w *patientWriter) Flush() { _ = w.conn.Flush() }

// end bounds what net/http has still to write.
func (w *patientWriter) end() {
	if !w.hijacked {
		_ = w.conn.SetWriteDeadline(time.Now().Add(w.patience))
	}
}
