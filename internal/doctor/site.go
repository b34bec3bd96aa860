package doctor

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	pageSite = "docs/deployment.md"
	soon     = 14 * 24 * time.Hour // a certificate that ends within this
)

// site asks the address that clients have, as a client would who has no token.
func (d *Deployment) site(ctx context.Context) (out []Finding) {
	base, err := url.Parse(strings.TrimSuffix(d.URL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return []Finding{{Grave, "--url is no address of a site: http or https, a host, perhaps a path", pageSite}} // not quoted: it may hold a password
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	r, err := get(ctx, client, base.String()+"/healthz", nil)
	if err != nil {
		return []Finding{{Grave, fmt.Sprintf("%s does not answer: %v", base.Host, unquoted(err)), pageSite}}
	}
	if r.status != http.StatusOK {
		return []Finding{{Grave, fmt.Sprintf("%s/healthz is answered with %s: no node is behind it, or another site", base.Host+base.Path, r.text), pageSite}}
	}
	out = append(out, fine("%s reaches a node", base.Host))
	return append(append(out, d.secure(base, r.ends)...), upgrade(ctx, client, base))
}

// unquoted is why an address was not reached, without the address.
func unquoted(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// secure looks at the way there; ends is when its certificate does, zero without one.
func (d *Deployment) secure(base *url.URL, ends time.Time) []Finding {
	if ends.IsZero() {
		if host := base.Hostname(); host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1" {
			return nil
		}
		return []Finding{{Grave, base.Host + " is reached without TLS: tokens and what people write can be read on the way", pageSite}}
	}
	left := ends.Sub(d.Now())
	if left < soon {
		return []Finding{{Warning, fmt.Sprintf("the certificate of %s ends in %d days", base.Host, int(left.Hours()/24)), pageSite}}
	}
	return []Finding{fine("the certificate of %s is good for %d days", base.Host, int(left.Hours()/24))}
}

// upgrade asks for a WebSocket without a token: a node refuses that, with 401, only where it saw that one was asked for.
func upgrade(ctx context.Context, client *http.Client, base *url.URL) Finding {
	key := make([]byte, 16)
	_, _ = rand.Read(key)
	r, err := get(ctx, client, base.String()+"/websocket", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {base64.StdEncoding.EncodeToString(key)}})
	switch {
	case err != nil:
		return Finding{Grave, fmt.Sprintf("a WebSocket cannot be asked for: %v", unquoted(err)), pageSite}
	case r.status == http.StatusUnauthorized:
		return fine("what stands before the nodes passes WebSockets on")
	case r.status == http.StatusUpgradeRequired:
		return Finding{Grave, "what stands before the nodes takes `Upgrade` away: nobody can chat; nginx needs proxy_http_version 1.1 and both headers (deploy/nginx.conf)", pageSite}
	}
	return Finding{Grave, fmt.Sprintf("a WebSocket without a token is answered with %s, not 401: what stands before the nodes does not pass it on", r.text), pageSite}
}

// answer is what matters of a response.
type answer struct {
	status int
	text   string
	ends   time.Time // of the certificate; zero without TLS
}

func get(ctx context.Context, client *http.Client, address string, headers http.Header) (a answer, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return a, err
	}
	for name, values := range headers {
		req.Header[name] = values
	}
	r, err := client.Do(req)
	if err != nil {
		return a, err
	}
	if r.TLS != nil {
		a.ends = r.TLS.PeerCertificates[0].NotAfter
	}
	a.status, a.text = r.StatusCode, r.Status
	return a, r.Body.Close()
}
