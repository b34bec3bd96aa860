// Package webhook delivers events to a host application over HTTP, signed as
// Standard Webhooks (https://www.standardwebhooks.com) has it. It makes one
// attempt at a time and keeps nothing: when to try again is the caller's to decide.
package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	patience  = 15 * time.Second // of one attempt, from the connection to the answer's end
	dialling  = 5 * time.Second
	maxAnswer = 64 << 10 // bytes of an answer that are read, so that its connection can be used again
	maxConns  = 64
)

// Options of an Endpoint. URL and Secrets are required.
type Options struct {
	// URL takes the events; see CheckURL.
	URL string
	// Secrets sign them, each; more than one while they are being rotated. See CheckSecret.
	Secrets []string
	// Patience bounds one attempt, 15 s.
	Patience time.Duration
}

// Endpoint is where events go. Its methods may be called concurrently.
type Endpoint struct {
	url     string
	signers []*standardwebhooks.Webhook
	client  *http.Client
}

// New makes an endpoint. An error says which of the options cannot be used.
func New(o Options) (*Endpoint, error) {
	if err := CheckURL(o.URL); err != nil {
		return nil, err
	}
	if len(o.Secrets) == 0 {
		return nil, errors.New("a secret is needed")
	}
	if o.Patience == 0 {
		o.Patience = patience
	}
	e := &Endpoint{url: o.URL}
	for _, s := range o.Secrets {
		if err := CheckSecret(s); err != nil {
			return nil, err
		}
		signer, err := standardwebhooks.NewWebhook(s)
		if err != nil {
			return nil, err
		}
		e.signers = append(e.signers, signer)
	}
	e.client = &http.Client{
		Timeout: o.Patience,
		// Where events go is the operator's to say, not an answer's.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: staying{&http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: dialling}).DialContext,
			TLSHandshakeTimeout:    dialling,
			ForceAttemptHTTP2:      true,
			MaxConnsPerHost:        maxConns,
			MaxIdleConnsPerHost:    maxConns,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: 64 << 10,
		}},
	}
	return e, nil
}

// staying forgets where an answer points to. The client looks at that even where
// it does not go there, and loses the whole answer where it is no URL.
type staying struct{ http.RoundTripper }

func (s staying) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := s.RoundTripper.RoundTrip(r)
	if res != nil {
		res.Header.Del("Location")
	}
	return res, err
}

// CloseIdleConnections is for the client's.
func (s staying) CloseIdleConnections() {
	if c, ok := s.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Deliver makes one attempt to deliver an event; nil once the endpoint has
// answered with a status from 200 to 299. Else the error is a *Refusal where
// there was an answer.
func (e *Endpoint) Deliver(ctx context.Context, id string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	now := time.Now()
	signatures := make([]string, len(e.signers))
	for i, s := range e.signers {
		if signatures[i], err = s.Sign(id, now, body); err != nil {
			return err
		}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Bellhop")
	req.Header.Set(standardwebhooks.HeaderWebhookID, id)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	res, err := e.client.Do(req)
	if err != nil {
		var outer *url.Error // names the URL, which may hold a password
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer) // what it says does not matter, its status has come
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return nil
	}
	return &Refusal{Status: res.StatusCode, after: retryAfter(res, now)}
}

// Close lets idle connections go.
func (e *Endpoint) Close() { e.client.CloseIdleConnections() }

// Refusal is an answer that says that the event was not taken.
type Refusal struct {
	Status int
	after  time.Duration
}

func (r *Refusal) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the endpoint answered %d %s", r.Status, http.StatusText(r.Status)))
}

// Gone tells that the endpoint does not want this event ever.
func (r *Refusal) Gone() bool { return r.Status == http.StatusGone }

// RetryAfter is how long the endpoint asks to wait; 0 if it does not say.
func (r *Refusal) RetryAfter() time.Duration { return r.after }

// retryAfter reads the header of that name, seconds or a date, where it has a meaning.
func retryAfter(res *http.Response, now time.Time) time.Duration {
	if res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	text := res.Header.Get("Retry-After")
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
