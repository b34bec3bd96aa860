package faults

import (
	"bufio"
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

// A renewed certificate is shown to who comes, and who is connected stays so.
func TestCertificatesAreRenewed(t *testing.T) {
	h, err := newHost(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.Empty(t, h.close()) })
	d := &deployment{o: Options{Engine: engineRedis, Fsync: fsyncEverysec, Patience: 6}, h: h}
	require.NoError(t, h.guard(func() {
		d.ca = testenv.NewAuthority(h)
		d.startRedis()
		d.nodes = []*node{{addr: testenv.Addr(h)}}
		d.startNginx()
	}))
	connected, err := tls.Dial("tcp", d.redisTLS, d.trusting())
	require.NoError(t, err)
	defer func() { _ = connected.Close() }()
	for kind, addr := range map[string]string{frontRenewed: d.nginx.Addr(), redisRenewed: d.redisTLS} {
		before, err := shows(t.Context(), addr, d.trusting())
		require.NoError(t, err)
		require.NoError(t, h.guard(func() { d.renew(t.Context(), Fault{Kind: kind}) }))
		after, err := shows(t.Context(), addr, d.trusting())
		require.NoError(t, err)
		require.NotEqual(t, before, after)
	}
	_, err = connected.Write([]byte("PING\r\n"))
	require.NoError(t, err)
	answer, err := bufio.NewReader(connected).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, answer, "NOAUTH")
	_, err = shows(t.Context(), d.nginx.Addr(), &tls.Config{MinVersion: tls.VersionTLS12})
	require.Error(t, err, "nobody else trusts it")
}
