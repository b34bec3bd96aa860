package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// NginxSite starts deploy/nginx.conf, which is at path, in front of two nodes. It
// answers without TLS, unless changes say so, and its redirection listens at nothing
// but a socket in a folder of the test's.
func NginxSite(t testing.TB, path string, nodes [2]string, changes map[string]string) *NginxServer {
	t.Helper()
	dir, err := os.MkdirTemp("", "site") // a socket's path may not be long
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cert, key, _ := Certificate(t, "chat.example.org")
	all := map[string]string{
		"listen 443 ssl;":                       "listen {{listen}};",
		"listen 80;":                            "listen unix:" + filepath.Join(dir, "80") + ";",
		"/etc/ssl/certs/chat.example.org.pem":   cert,
		"/etc/ssl/private/chat.example.org.key": key,
		"127.0.0.1:8081":                        nodes[0],
		"127.0.0.1:8082":                        nodes[1],
	}
	maps.Copy(all, changes)
	return NginxFile(t, path, all)
}

// Certificate makes one for a name: two files, and whom a client has to trust for it.
func Certificate(t testing.TB, name string) (certFile, keyFile string, trust *x509.CertPool) {
	t.Helper()
	a := NewAuthority(t)
	s := a.Issue(t, name)
	return s.Cert, s.Key, a.Trust
}

// Authority signs certificates.
type Authority struct {
	Trust *x509.CertPool // of who trusts it
	File  string         // its own certificate
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
}

// NewAuthority makes one.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{Trust: x509.NewCertPool(), File: filepath.Join(t.TempDir(), "ca.pem"), key: newKey(t)}
	a.cert = &x509.Certificate{SerialNumber: serial(t), Subject: pkix.Name{CommonName: "Tests"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der := a.sign(t, a.cert, a.key)
	own, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	a.cert = own
	a.Trust.AddCert(own)
	writePEM(t, a.File, "CERTIFICATE", der)
	return a
}

// Issued is a server's certificate and key, in files.
type Issued struct{ Cert, Key, name string }

// Issue makes a certificate for a name and for 127.0.0.1.
func (a *Authority) Issue(t testing.TB, name string) *Issued {
	t.Helper()
	dir := t.TempDir()
	s := &Issued{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), name}
	a.Renew(t, s)
	return s
}

// Renew puts another certificate, of another key, in its place. It gives the new one's serial number.
func (a *Authority) Renew(t testing.TB, s *Issued) *big.Int {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{SerialNumber: serial(t), Subject: pkix.Name{CommonName: s.name}, DNSNames: []string{s.name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	writePEM(t, s.Cert, "CERTIFICATE", a.sign(t, template, key))
	writePEM(t, s.Key, "EC PRIVATE KEY", secret)
	return template.SerialNumber
}

func (a *Authority) sign(t testing.TB, template *x509.Certificate, of *ecdsa.PrivateKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, of.Public(), a.key)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return der
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return key
}

func serial(t testing.TB) *big.Int {
	n, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return n
}

func writePEM(t testing.TB, file, kind string, data []byte) {
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
		t.Fatalf("testenv: %v", err)
	}
}
