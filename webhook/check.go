package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// A secret's random bytes, as Standard Webhooks has it.
const (
	secretPrefix         = "whsec_"
	minSecret, maxSecret = 24, 64
)

// CheckSecret tells what is wrong with a secret: it must be whsec_ and 24 to 64
// bytes in base64. The error does not tell the secret.
func CheckSecret(secret string) error {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok {
		return errors.New("it must begin with whsec_")
	}
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return errors.New("what comes after whsec_ must be base64")
	}
	if len(key) < minSecret || len(key) > maxSecret {
		return fmt.Errorf("what comes after whsec_ must be %d to %d bytes in base64, not %d", minSecret, maxSecret, len(key))
	}
	return nil
}

// CheckURL tells what is wrong with an endpoint's URL. It must be https; plain
// http only within the machine or a private network: what people say to each
// other must not go through the Internet for all to read.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("it must be https://host/path")
	case u.Fragment != "":
		return errors.New("it must have no #fragment")
	case u.Scheme == "http" && !private(u.Hostname()):
		return errors.New("it must be https; http is only for this machine, private addresses and names without a dot")
	}
	return nil
}

// private tells whether a host can be reached from nearby only: localhost, a
// loopback or private address, a name without a dot as containers have, or
// one under .internal or .local.
func private(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback() || ip.IsPrivate()
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".internal") ||
		strings.HasSuffix(host, ".local")
}
