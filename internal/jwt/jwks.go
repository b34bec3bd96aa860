package jwt

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/MicahParks/jwkset"
)

// What an answer may hold, and how long it may take.
const (
	jwksSize     = 1 << 20 // bytes
	jwksKeys     = 100
	jwksPatience = 10 * time.Second // of one attempt
	keyPatience  = 3 * time.Second  // how long a token waits for one under way
)

// jwksPace is how often the keys are asked for.
type jwksPace struct {
	refresh time.Duration // while all is well
	retry   time.Duration // after a failure; doubles up to most
	most    time.Duration
	lookup  time.Duration // at the soonest for a key nobody knows
}

var defaultPace = jwksPace{refresh: 10 * time.Minute, retry: 500 * time.Millisecond, most: 15 * time.Second, lookup: 10 * time.Second}

// CheckURL refuses what anybody on the way could answer. The error does not quote the URL.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("it is not https://host/path")
	case u.Scheme == "http" && !loopbackHost(u.Hostname()):
		return errors.New("it must be https; http is for this machine alone: localhost, 127.0.0.0/8, [::1]")
	}
	return nil
}

// loopbackHost tells whether a host is this machine by its form alone.
func loopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// jwk is a key that verifies signatures of one algorithm.
type jwk struct {
	id, alg string
	key     any
}

// jwks has the keys found at a URL, asks for them again, and keeps those it has for as long
// as no better ones come. Its methods may be called concurrently.
type jwks struct {
	url    string
	client *http.Client
	log    *slog.Logger
	pace   jwksPace
	now    func() time.Time

	wanted chan struct{} // of room for one: a key nobody knows was asked for
	stop   context.CancelFunc
	ended  sync.WaitGroup

	mu      sync.Mutex
	keys    []jwk
	begun   time.Time     // when the last attempt that succeeded began
	asking  bool          // an attempt is under way
	failed  bool          // the last attempt failed
	changed chan struct{} // closed when the attempt under way, or else the next, is over
	next    time.Time     // when a wanted key is asked for at the soonest
}

// startJWKS begins to ask for keys, until closed.
func startJWKS(ctx context.Context, address string, log *slog.Logger, pace jwksPace) *jwks {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	j := &jwks{url: address, client: jwksClient(address), log: log, pace: pace, now: time.Now, stop: stop,
		wanted: make(chan struct{}, 1), changed: make(chan struct{}), asking: true}
	j.ended.Go(func() { j.loop(ctx) })
	return j
}

// close ends the asking. It does nothing on nil.
func (j *jwks) close() {
	if j != nil {
		j.stop()
		j.ended.Wait()
		j.client.CloseIdleConnections()
	}
}

// jwksClient follows no redirects and, for http, connects to this machine alone, whatever the name resolves to.
func jwksClient(address string) *http.Client {
	dialer := &net.Dialer{Timeout: jwksPatience / 2}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSHandshakeTimeout: jwksPatience / 2,
		ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: time.Minute}
	if u, err := url.Parse(address); err == nil && u.Scheme == "http" {
		transport.Proxy = nil
		dialer.Control = func(_, to string, _ syscall.RawConn) error {
			if ip, err := netip.ParseAddrPort(to); err != nil || !ip.Addr().Unmap().IsLoopback() {
				return errors.New("not an address of this machine")
			}
			return nil
		}
	}
	return &http.Client{Timeout: jwksPatience, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// loop asks until the context ends: now and then, soon after a failure, and when a key is wanted.
func (j *jwks) loop(ctx context.Context) {
	retry := j.pace.retry
	for ctx.Err() == nil {
		wait := j.pace.refresh*9/10 + jitter(j.pace.refresh/10)
		wanted := j.wanted
		if err := j.fetch(ctx); err != nil && ctx.Err() == nil {
			wait, retry = retry/2+jitter(retry/2), min(2*retry, j.pace.most)
			wanted = nil // it comes soon enough
			j.log.Warn("no keys for JWTs from --jwks-url; asked again soon", "error", err, "kept", len(j.all()))
		} else {
			retry = j.pace.retry
		}
		j.pause(ctx, wait, wanted)
	}
}

func jitter(most time.Duration) time.Duration {
	return rand.N(most + 1) //nolint:gosec // no secret
}

// pause waits for a time, or until a key is wanted and may be asked for.
func (j *jwks) pause(ctx context.Context, d time.Duration, wanted <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-wanted:
	}
}

// fetch asks once. What it gets takes the place of the keys there are, if any of it can be used.
func (j *jwks) fetch(ctx context.Context) error {
	select {
	case <-j.wanted: // this attempt is what was wanted
	default:
	}
	j.mu.Lock()
	began := j.now()
	j.asking, j.next = true, began.Add(j.pace.lookup)
	j.mu.Unlock()
	keys, err := j.ask(ctx)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asking, j.failed = false, err != nil
	if err == nil {
		j.keys, j.begun = keys, began
	}
	close(j.changed)
	j.changed = make(chan struct{})
	return err
}

func (j *jwks) ask(ctx context.Context) ([]jwk, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, j.url, nil)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	req.Header.Set("Accept", "application/json")
	res, err := j.client.Do(req)
	if err != nil {
		var outer *url.Error // names the URL, which may hold a password
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", res.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, jwksSize+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > jwksSize:
		return nil, fmt.Errorf("an answer of more than %d bytes", jwksSize)
	}
	return readKeys(data)
}

// readKeys reads a JWK Set. A key that cannot be used is left out; none at all is an error.
func readKeys(data []byte) ([]jwk, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, errors.New("the answer is no JWK Set")
	}
	if len(set.Keys) > jwksKeys {
		return nil, fmt.Errorf("more than %d keys", jwksKeys)
	}
	var keys []jwk
	for _, raw := range set.Keys {
		if k, ok := readKey(raw); ok {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("none of %d keys verifies signatures by RS256, ES256 or EdDSA", len(set.Keys))
	}
	return keys, nil
}

// readKey reads a public key that may verify; which algorithm, its type says. A private or
// symmetric key that is published is nobody's secret, and is none.
func readKey(raw []byte) (jwk, bool) {
	var m jwkset.JWKMarshal
	if json.Unmarshal(raw, &m) != nil || m.D != "" {
		return jwk{}, false
	}
	m.X5U, m.X5C, m.X5T, m.X5TS256 = "", nil, "", "" // keys are trusted for where they were found, not for certificates
	parsed, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil || m.USE != "" && m.USE != jwkset.UseSig || len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify) {
		return jwk{}, false
	}
	k := jwk{id: m.KID, key: parsed.Key()}
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n >= 2048 && n <= 8192 { // RFC 7518, 3.3; more only costs time
			k.alg = "RS256"
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			k.alg = "ES256"
		}
	case ed25519.PublicKey:
		k.alg = "EdDSA"
	}
	return k, k.alg != "" && (m.ALG == "" || m.ALG.String() == k.alg)
}

func (j *jwks) all() []jwk {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.keys
}

var errNoSuchKey = errors.New("the key is none of those at --jwks-url")

// awayError is that the keys which could tell are not here yet.
type awayError struct{ after time.Duration }

func (awayError) Error() string { return "the keys are not here yet" }

// find gives the keys of an algorithm with an id; without an id all of the algorithm.
// errNoSuchKey: there is none, by keys asked for after the call. *awayError: they could not
// be asked for yet, and may be soon.
func (j *jwks) find(ctx context.Context, id, alg string) ([]any, error) {
	at := j.now()
	patience := time.NewTimer(keyPatience)
	defer patience.Stop()
	for {
		found, wait, err := j.look(at, id, alg)
		if wait == nil {
			return found, err
		}
		select {
		case <-wait:
			continue
		case <-patience.C:
		case <-ctx.Done():
		}
		return nil, &awayError{time.Second}
	}
}

// look is find without waiting: it may give what to wait for instead of an answer.
func (j *jwks) look(at time.Time, id, alg string) (found []any, wait <-chan struct{}, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	known := false
	for _, k := range j.keys {
		known = known || k.id == id
		if k.alg == alg && (id == "" || k.id == id) {
			found = append(found, k.key)
		}
	}
	now := j.now()
	switch {
	case len(found) > 0:
		return found, nil, nil
	case known && id != "" || !j.begun.Before(at): // of another algorithm, or asked for since
		return nil, nil, errNoSuchKey
	case j.asking:
		return nil, j.changed, nil
	case j.failed:
		return nil, nil, &awayError{time.Second}
	case now.Before(j.next):
		return nil, nil, &awayError{j.next.Sub(now)}
	}
	select {
	case j.wanted <- struct{}{}:
	default:
	}
	return nil, j.changed, nil
}
