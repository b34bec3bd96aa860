package faults

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/big"
	"net"
	"time"
)

// trusting is the configuration of who trusts the deployment's authority.
func (d *deployment) trusting() *tls.Config {
	return &tls.Config{RootCAs: d.ca.Trust, MinVersion: tls.VersionTLS12}
}

// renew puts another certificate of the same authority in place, has its server take it, and leaves it there for
// a while: nginx keeps a worker for each certificate under which somebody is connected still.
func (d *deployment) renew(ctx context.Context, f Fault) {
	wait, ctx := ctx, context.WithoutCancel(ctx)
	addr, cert, take := d.nginx.Addr(), d.frontCert, d.nginx.Reload
	if f.Kind == redisRenewed {
		addr, cert = d.redisTLS, d.redisCert
		take = func() error {
			return d.redis.Client().Do(ctx, "config", "set", "tls-cert-file", cert.Cert, "tls-key-file", cert.Key).Err()
		}
	}
	number := d.ca.Renew(d.h, cert)
	// Redis may be down just now: it takes the new one when it starts.
	if err := eventually(ctx, d.limit(10*time.Second), func() error {
		if err := take(); err != nil {
			return err
		}
		return d.serves(ctx, addr, number)
	}); err != nil {
		d.h.Fatalf("%s: %v", f.Kind, err)
	}
	sleep(wait, f.Lasts)
}

// serves tells whether a server shows the certificate of a number.
func (d *deployment) serves(ctx context.Context, addr string, number *big.Int) error {
	shown, err := shows(ctx, addr, d.trusting())
	if err == nil && shown.Cmp(number) != 0 {
		err = fmt.Errorf("it shows certificate %v, not %v", shown, number)
	}
	return err
}

// shows is the number of the certificate that a server shows.
func shows(ctx context.Context, addr string, trusting *tls.Config) (*big.Int, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := (&tls.Dialer{Config: trusting}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer func(c net.Conn) { _ = c.Close() }(c)
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber, nil //nolint:forcetypeassert // documented
}
