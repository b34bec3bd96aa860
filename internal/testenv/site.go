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

// Certificate makes one for a name, signed by itself: two files, and whom a client
// has to trust for it.
func Certificate(t testing.TB, name string) (certFile, keyFile string, trust *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	dir := t.TempDir()
	write := func(name, kind string, bytes []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatalf("testenv: %v", err)
		}
		return file
	}
	certFile, keyFile = write("cert.pem", "CERTIFICATE", der), write("key.pem", "EC PRIVATE KEY", secret)
	own, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	trust = x509.NewCertPool()
	trust.AddCert(own)
	return certFile, keyFile, trust
}
