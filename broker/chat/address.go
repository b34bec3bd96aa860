package chat

import (
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// MaxURL is an address's greatest length in bytes.
const MaxURL = 2048

// FilesPath is what files kept here are below, after Options.BasePath.
const FilesPath = "/api/v1/files/"

// ownFile is the path that an upload answers, without Options.BasePath.
var ownFile = regexp.MustCompile(`^` + FilesPath + `[A-Za-z0-9_-]{1,64}(/thumbnail)?$`)

// withoutBase is a file's address as messages keep it: one of our own is without the base path.
func withoutBase(base, fileURL string) string {
	if own, found := strings.CutPrefix(fileURL, base); found && ownFile.MatchString(own) {
		return own
	}
	return fileURL
}

// WithBase is an entry as clients see it: the address of a file of our own begins with the base path.
func WithBase(base string, e Entry) Entry {
	const before = `{"url":"` // fileBody puts it first
	if rest, own := strings.CutPrefix(e.Body, before+FilesPath); own && base != "" && SendsFile(e.Head) {
		e.Body = before + base + FilesPath + rest
	}
	return e
}

// ValidFileURL accepts where a message's file may be: in this server's store, or elsewhere on the web.
func ValidFileURL(field, s string) error {
	return validURL(field, s, func(*url.URL) bool { return ownFile.MatchString(s) }, "the path of an uploaded file")
}

// ValidAvatar accepts where a participant's picture may be, or nothing. A path is one of the
// origin that serves the pages: a host application may have its pictures there.
func ValidAvatar(field, s string) error {
	if s == "" {
		return nil
	}
	return validURL(field, s, func(u *url.URL) bool { return path.Clean(u.Path) == u.Path }, "a path")
}

// validURL accepts addresses that everybody who parses them takes for the same: net/url here, the WHATWG's URL in
// browsers, which take a backslash for a slash, leave out tabs and line breaks, and know hosts that are none.
func validURL(field, s string, own func(*url.URL) bool, what string) error {
	if err := ValidText(field, s, MaxURL); err != nil {
		return err
	}
	u, err := url.Parse(s)
	if err == nil && !strings.ContainsFunc(s, notInURL) {
		switch {
		case u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//"):
			if own(u) {
				return nil
			}
		case u.Scheme == "http", u.Scheme == "https":
			if u.User == nil && validHost(u) {
				return nil
			}
		}
	}
	return Errorf(CodeBadRequest, "%s: an http or https address with a host and without user and password, or %s", field, what)
}

// notInURL has what an address never needs as it is. Letters of any script may be in a path; what cannot be seen, or
// turns the direction of what follows, would only deceive whoever reads it.
func notInURL(r rune) bool {
	return !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar || strings.ContainsRune("\\\"<>^`{|}", r)
}

// hostLabel is a part of a host's name. A name of another script has its ASCII form, xn--….
var hostLabel = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)

// numericLabel is a last label with which a browser takes a name for an IPv4 address.
var numericLabel = regexp.MustCompile(`^([0-9]+|0[xX][0-9A-Fa-f]*)$`)

func validHost(u *url.URL) bool {
	host, port := u.Hostname(), u.Port()
	if n, err := strconv.Atoi(port); port != "" && (err != nil || n > 65535) {
		return false
	}
	if strings.HasPrefix(u.Host, "[") {
		ip, err := netip.ParseAddr(host)
		return err == nil && ip.Is6() && ip.Zone() == ""
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	for _, l := range labels {
		if !hostLabel.MatchString(l) {
			return false
		}
	}
	if numericLabel.MatchString(labels[len(labels)-1]) {
		ip, err := netip.ParseAddr(host)
		return err == nil && ip.Is4()
	}
	return len(host) <= 253 && validPunycode(strings.ToLower(host))
}

// validPunycode tells whether a name's xn-- labels are what their letters, which must be some, are written as.
func validPunycode(host string) bool {
	if !strings.Contains(host, "xn--") {
		return true
	}
	letters, err := idna.Lookup.ToUnicode(host)
	if err != nil || strings.Contains(letters, "xn--") {
		return false
	}
	again, err := idna.Lookup.ToASCII(letters)
	return err == nil && again == host
}
