package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"
)

// The limits of PROTOCOL.md, in bytes unless said otherwise.
const (
	MaxID          = 64
	MaxName        = 64 // characters
	MaxSubject     = 256
	MaxNote        = 1 << 10
	MaxMeta        = 4 << 10
	MaxCard        = 16 << 10
	MaxText        = 16384
	MaxList        = 200
	MaxDevices     = 20
	MaxAssists     = 50
	MaxQueuesOfOne = 200  // of one agent
	MaxWatched     = 1000 // queues by one connection; likewise sessions, unseen
	DefaultList    = 50

	// DefaultCapacity is how many sessions an agent holds at most unless told otherwise.
	DefaultCapacity = 10
	// DefaultQueueID is the queue meant where none is named.
	DefaultQueueID = "default"
)

// ValidID accepts any UTF-8 without control characters: ids are data, never
// parts of a query, a pattern or a path.
func ValidID(field, id string) error {
	if id == "" || len(id) > MaxID {
		return Errorf(CodeBadRequest, "%s: 1 to %d bytes", field, MaxID)
	}
	return ValidText(field, id, MaxID)
}

// SessionTag takes a session's id apart, if it has the form of one: what stands before the ULID, the
// user's bucket in three hex digits, or, of before there were buckets, the partition in two.
func SessionTag(id string) (tag string, ok bool) {
	tag, rest, ok := strings.Cut(id, "-")
	if !ok || len(tag) != 2 && len(tag) != 3 || strings.Trim(tag, "0123456789abcdef") != "" || len(rest) != ulid.EncodedSize {
		return "", false
	}
	_, err := ulid.ParseStrict(rest)
	return tag, err == nil && strings.ToUpper(rest) == rest
}

// ValidText accepts up to limit bytes of UTF-8 without control characters.
func ValidText(field, s string, limit int) error {
	if len(s) > limit {
		return Errorf(CodeTooLarge, "%s: at most %d bytes", field, limit)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return Errorf(CodeBadRequest, "%s: UTF-8 without control characters", field)
	}
	return nil
}

// ValidProse is validText that may have line breaks and tabs.
func ValidProse(field, s string, limit int) error {
	if len(s) > limit { // line breaks count
		return Errorf(CodeTooLarge, "%s: at most %d bytes", field, limit)
	}
	return ValidText(field, strings.NewReplacer("\n", "", "\r", "", "\t", "").Replace(s), limit)
}

// ValidObject accepts a JSON object of up to limit bytes, compacted; def where there is none.
func ValidObject(field string, raw json.RawMessage, limit int, def string) (string, error) {
	trimmed := bytes.TrimSpace(raw)
	if len(trimmed) == 0 || bytes.Equal(trimmed, []byte("null")) {
		if def == "" {
			return "", Errorf(CodeBadRequest, "%s: an object", field)
		}
		return def, nil
	}
	if trimmed[0] != '{' || !utf8.Valid(trimmed) {
		return "", Errorf(CodeBadRequest, "%s: an object", field)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, trimmed); err != nil {
		return "", Errorf(CodeBadRequest, "%s: an object", field)
	}
	if b.Len() > limit {
		return "", Errorf(CodeTooLarge, "%s: at most %d bytes", field, limit)
	}
	return b.String(), nil
}

// Normalize refuses what nobody may be called, and fills in staff's queues and capacity.
func (i *Identity) Normalize() error {
	switch i.Role {
	case RoleUser, RoleAgent, RoleSupervisor, RoleBot:
	default:
		return Errorf(CodeBadRequest, "role: user, agent, supervisor or bot")
	}
	if err := ValidID("id", i.ID); err != nil {
		return err
	}
	if utf8.RuneCountInString(i.Name) > MaxName {
		return Errorf(CodeTooLarge, "name: at most %d characters", MaxName)
	}
	if err := ValidText("name", i.Name, 4*MaxName); err != nil {
		return err
	}
	if err := ValidAvatar("avatar", i.Avatar); err != nil {
		return err
	}
	if i.Priority < 0 || i.Priority > 9 {
		return Errorf(CodeBadRequest, "priority: 0 to 9")
	}
	if i.Role.Staff() {
		return NormalizeStaff(&i.Queues, &i.Capacity)
	}
	return nil
}

// NormalizeStaff fills in an agent's queues, each once, and its capacity.
func NormalizeStaff(queues *[]string, capacity *int) error {
	if *queues == nil {
		*queues = []string{DefaultQueueID}
	}
	if len(*queues) > MaxQueuesOfOne {
		return Errorf(CodeTooLarge, "queues: at most %d", MaxQueuesOfOne)
	}
	for _, q := range *queues {
		if err := ValidID("queues", q); err != nil {
			return err
		}
	}
	if *capacity == 0 {
		*capacity = DefaultCapacity
	}
	if *capacity < 0 || *capacity > 10000 {
		return Errorf(CodeBadRequest, "capacity: 1 to 10000")
	}
	return nil
}

// MessageBody checks a body against its type and gives it in the form the log keeps.
// base is Options.BasePath.
func MessageBody(kind string, raw json.RawMessage, base string) (string, error) {
	switch {
	case kind == TypeText, kind == TypeNote:
		return textBody(raw)
	case kind == TypeCard:
		return ValidObject("body", raw, MaxCard, "")
	case IsFile(kind):
		return fileBody(raw, base)
	default:
		return "", Errorf(CodeBadRequest, "type: text, image, voice, video, file, card or note")
	}
}

func textBody(raw json.RawMessage) (string, error) {
	if n := len(raw) - 2; n > 0 && n <= MaxText && raw[0] == '"' && raw[n+1] == '"' && plain(raw[1:n+1]) && utf8.Valid(raw) {
		return string(raw), nil // the most usual: JSON already, and nothing in it to decode
	}
	var text string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		return "", Errorf(CodeBadRequest, "body: a string")
	}
	if text == "" {
		return "", Errorf(CodeBadRequest, "body: empty")
	}
	if len(text) > MaxText {
		return "", Errorf(CodeTooLarge, "body: at most %d bytes", MaxText)
	}
	if !bytes.Contains(raw, []byte(`\u`)) && utf8.Valid(raw) {
		return string(raw), nil
	}
	return Quote(text), nil // an escaped half of a surrogate pair must not reach other clients
}

// FileInfo is a file's description, the body of a message.
type FileInfo struct {
	URL      string  `json:"url"`
	Name     string  `json:"name"`
	Size     int64   `json:"size"`
	Mime     string  `json:"mime"`
	Width    int     `json:"width,omitempty"`
	Height   int     `json:"height,omitempty"`
	Duration float64 `json:"duration,omitempty"`
}

// What a file's description may say at most.
const (
	MaxFileName = 2048
	maxMime     = 255
	maxFileSize = 1 << 40          // bytes
	maxPixels   = 1 << 20          // a side
	maxDuration = 7 * 24 * 60 * 60 // seconds
)

// fileBody keeps the known fields of a file's description.
func fileBody(raw json.RawMessage, base string) (string, error) {
	var f FileInfo
	if len(raw) == 0 || raw[0] != '{' {
		return "", Errorf(CodeBadRequest, "body: {url, name, size, mime, width, height, duration}")
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		field := "body"
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) && wrong.Field != "" {
			field += "." + wrong.Field
		}
		return "", Errorf(CodeBadRequest, "%s: url, name and mime are strings, size, width and height whole numbers, duration is a number", field)
	}
	f.URL = withoutBase(base, f.URL)
	if err := ValidFileURL("body.url", f.URL); err != nil {
		return "", err
	}
	if err := ValidText("body.name", f.Name, MaxFileName); err != nil {
		return "", err
	}
	if err := ValidText("body.mime", f.Mime, maxMime); err != nil {
		return "", err
	}
	for _, n := range []struct {
		field      string
		is, atMost float64
	}{{"size", float64(f.Size), maxFileSize}, {"width", float64(f.Width), maxPixels}, {"height", float64(f.Height), maxPixels},
		{"duration", f.Duration, maxDuration}} {
		if !(n.is >= 0 && n.is <= n.atMost) { // nor what is no number
			return "", Errorf(CodeBadRequest, "body.%s: 0 to %.0f", n.field, n.atMost)
		}
	}
	return Encode(f), nil
}

// Encode is JSON as we send it: no HTML escapes, no line break at the end. It is
// for values that cannot fail to encode.
func Encode(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // a programming error: v is one of our own types
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Quote is encode for a string; most need no escapes.
func Quote(s string) string {
	if plain(s) && utf8.ValidString(s) {
		return `"` + s + `"`
	}
	return Encode(s)
}

// plain tells whether a string in JSON needs no escapes.
func plain[T ~string | ~[]byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// ListLimit is how many items of a list were asked for.
func ListLimit(n int) (int, error) {
	switch {
	case n == 0:
		return DefaultList, nil
	case n < 0 || n > MaxList:
		return 0, Errorf(CodeBadRequest, "limit: 1 to %d", MaxList)
	}
	return n, nil
}
