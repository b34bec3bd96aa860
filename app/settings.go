package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"golang.org/x/term"

	"bellhop/archive/mongo"
	"bellhop/broker"
	"bellhop/files"
	"bellhop/handlers"
	"bellhop/internal/jwt"
)

// Stores are the settings that every command on a deployment needs.
type Stores struct {
	Config string `help:"YAML file with settings, one a line." placeholder:"FILE"`

	RedisURL   Secret `name:"redis-url" help:"redis://, rediss://, redis+cluster://h:p,h:p or redis+sentinel://h:p,h:p/master. Unset: in memory, embedded." placeholder:"URL"`
	MongoURL   Secret `name:"mongo-url" help:"mongodb://host/database: where everything is kept for good. Unset: SQLite in the data folder." placeholder:"URL"`
	DataDir    string `name:"data-dir" default:"./data" help:"Folder of the archive, where it is SQLite."`
	Partitions int    `help:"How many parts the sessions are spread over, 1 to 256; fixed by the first start, changed by repartition. Unset: 64 (embedded 16), or what Redis says." placeholder:"N"`
	LogLevel   string `default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
	LogFormat  string `default:"" enum:",text,json" help:"text or json. Unset: text on a terminal, else json."`
}

// Settings are what an operator may set of a node: each is a flag and an environment
// variable (--redis-url, BELLHOP_REDIS_URL), or a line of the YAML file that
// --config names (redis-url: …). A flag comes before the environment, the
// environment before the file.
type Settings struct {
	Stores

	Addr          string        `default:"127.0.0.1:8080" help:"Where to listen."`
	APIKey        []Secret      `name:"api-key" help:"The host application's key; several, comma-separated, for rotation. Unset: dev, when embedded on a loopback address." placeholder:"KEY"`
	JWTSecret     Secret        `name:"jwt-secret" help:"Accept JWTs signed with this secret (HS256)." placeholder:"SECRET"`
	JWKSURL       Secret        `name:"jwks-url" help:"Accept JWTs signed with a key found here (RS256, ES256, EdDSA); https, or http on this machine." placeholder:"URL"`
	JWTAudience   string        `name:"jwt-audience" help:"What a JWT's aud must hold. Unset: it is not looked at." placeholder:"AUDIENCE"`
	JWTIssuer     string        `name:"jwt-issuer" help:"What a JWT's iss must be. Unset: it is not looked at." placeholder:"ISSUER"`
	BasePath      string        `name:"base-path" default:"/" help:"The path below which a proxy serves everything, pages, widget and WebSocket included, such as /support." placeholder:"PATH"`
	Origins       []string      `help:"Origins that may open a WebSocket or call the API from a page. Unset: the same origin." placeholder:"ORIGIN"`
	FilesURL      Secret        `name:"files-url" help:"file:///folder or s3://bucket?region=…: what participants upload. Unset: files in the data folder." placeholder:"URL"`
	WebhookURL    Secret        `name:"webhook-url" help:"Where events are delivered; https, or http nearby." placeholder:"URL"`
	WebhookSecret []Secret      `name:"webhook-secret" help:"Signs them, as Standard Webhooks has it: whsec_ and 24 to 64 bytes in base64; two, comma-separated, for rotation." placeholder:"SECRET"`
	SendRate      float64       `default:"20" help:"Messages a second from one user; 0: no limit."`
	OpenSessions  int           `default:"5" help:"Sessions one user may have open; 0: no limit."`
	UploadBudget  int64         `default:"512" help:"MiB one participant may upload in a day; 0: no limit."`
	UnsentBudget  int64         `default:"20480" help:"MiB of uploads that were not sent, of all participants together; 0: no limit."`
	WaitReplicas  int           `default:"0" help:"How many replicas of a Redis have what was done before anybody is told that it is."`
	FilterWords   string        `name:"filter-words" help:"File with words to keep out of what participants write, one a line. Unset: no filter." placeholder:"FILE"`
	FilterAction  string        `name:"filter-action" default:"replace" enum:"replace,refuse" help:"What becomes of a listed word: replace (by a * for each character) or refuse (the whole message)."`
	MaxConns      int           `default:"0" help:"Connections this node takes at most; 0: no limit."`
	Archiver      bool          `default:"true" negatable:"" help:"Whether this node archives; at least one must."`
	Drain         time.Duration `default:"10s" help:"How long a stopping node takes to hand its connections over."`
	OTLPEndpoint  Secret        `name:"otlp-endpoint" help:"Export traces over OTLP/HTTP: http(s)://host:4318, /v1/traces unless it has a path. Unset: no traces." placeholder:"URL"`
	TraceRatio    float64       `name:"trace-ratio" default:"0.01" help:"How many of the traces that begin here are sampled, 0 to 1."`
	PprofAddr     string        `name:"pprof-addr" help:"Serve Go's profiles here, at a loopback address such as 127.0.0.1:6060. Unset: nowhere." placeholder:"ADDR"`
	AllowEviction bool          `help:"Start although Redis may evict."`
	Demo          bool          `help:"Bots on both sides, for a look at a busy system: in memory and on a loopback address only."`
	DemoPeople    bool          `name:"demo-people" default:"true" negatable:"" help:"Whether there are people to log in as with one click: in memory, on a loopback address and with no API key set."`

	readRate float64 // the broker's; tests that read more than anybody may set it
}

// Embedded tells whether Redis is this process's own, in memory.
func (s *Stores) Embedded() bool { return !s.RedisURL.IsSet() }

// Validate refuses what cannot work, with a sentence that names the setting.
func (s *Stores) Validate() error {
	if !s.Embedded() {
		rdb, err := broker.Dial(s.RedisURL.Reveal())
		if err != nil {
			return fmt.Errorf("--redis-url: %w", err)
		}
		_ = rdb.Close()
	}
	if s.MongoURL.IsSet() {
		if err := mongo.CheckURL(s.MongoURL.Reveal()); err != nil {
			return fmt.Errorf("--mongo-url: %w", err)
		}
	} else if s.DataDir == "" {
		return errors.New("--data-dir: a folder is needed where there is no --mongo-url")
	}
	if s.Partitions < 0 || s.Partitions > broker.MaxPartitions {
		return fmt.Errorf("--partitions: 1 to %d", broker.MaxPartitions)
	}
	return nil
}

// Validate refuses what cannot work, with a sentence that names the setting.
func (s *Settings) Validate() error {
	if _, _, err := net.SplitHostPort(s.Addr); err != nil {
		return fmt.Errorf("--addr: %q is not host:port", s.Addr)
	}
	if err := s.Stores.Validate(); err != nil {
		return err
	}
	if err := s.validateKeys(); err != nil {
		return err
	}
	for _, o := range s.Origins {
		if o != "*" && !handlers.IsOrigin(o) {
			return fmt.Errorf("--origins: %q is not http(s)://host[:port] as browsers send it: in lower case, no path, no port that is the scheme's own", withoutUser(o))
		}
	}
	if _, err := handlers.ParseBasePath(s.BasePath); err != nil {
		return fmt.Errorf("--base-path: %w", err)
	}
	if s.FilesURL.IsSet() {
		if err := checkFilesURL(s.FilesURL.Reveal()); err != nil {
			return fmt.Errorf("--files-url: %w", err)
		}
	}
	if err := s.validateWebhook(); err != nil {
		return err
	}
	if err := s.validateDemo(); err != nil {
		return err
	}
	if err := s.validateTraces(); err != nil {
		return err
	}
	if s.PprofAddr != "" && !loopback(s.PprofAddr) {
		return fmt.Errorf("--pprof-addr: %q is not host:port of a loopback address: profiles are for this machine only", withoutUser(s.PprofAddr))
	}
	switch {
	case !(s.SendRate >= 0 && s.SendRate <= 1e6): // nor NaN
		return errors.New("--send-rate: 0 to 1000000 messages a second")
	case s.OpenSessions < 0:
		return errors.New("--open-sessions: 0 or more")
	case badBudget(s.UploadBudget):
		return fmt.Errorf("--upload-budget: %d to %d MiB, or 0", files.MaxSize>>20, maxBudget)
	case badBudget(s.UnsentBudget):
		return fmt.Errorf("--unsent-budget: %d to %d MiB, or 0", files.MaxSize>>20, maxBudget)
	case s.WaitReplicas < 0 || s.WaitReplicas > maxReplicas:
		return fmt.Errorf("--wait-replicas: 0 to %d", maxReplicas)
	case s.WaitReplicas > 0 && s.Embedded():
		return errors.New("--wait-replicas: there are none where Redis is embedded; give --redis-url")
	case s.MaxConns < 0:
		return errors.New("--max-conns: 0 or more")
	case s.Drain < 0 || s.Drain > 10*time.Minute:
		return errors.New("--drain: 0s to 10m")
	}
	return nil
}

// maxReplicas is far beyond what a Redis has.
const maxReplicas = 16

// maxBudget is the most MiB that a budget of uploads may have; one has room for a file.
const maxBudget = 1 << 30

func badBudget(mib int64) bool {
	return mib != 0 && (mib < files.MaxSize>>20 || mib > maxBudget)
}

func (s *Settings) validateKeys() error {
	if len(s.APIKey) == 0 && !s.local() {
		return errors.New("--api-key: required with --redis-url, and beyond loopback")
	}
	for _, k := range s.APIKey {
		if !k.IsSet() {
			return errors.New("--api-key: one of the keys is empty")
		}
	}
	if s.JWTSecret.IsSet() && len(s.JWTSecret.Reveal()) < 32 {
		return errors.New("--jwt-secret: at least 32 bytes")
	}
	if s.JWKSURL.IsSet() {
		if err := jwt.CheckURL(s.JWKSURL.Reveal()); err != nil {
			return fmt.Errorf("--jwks-url: %w", err)
		}
	}
	if (s.JWTAudience != "" || s.JWTIssuer != "") && !s.JWTSecret.IsSet() && !s.JWKSURL.IsSet() {
		return errors.New("--jwt-audience, --jwt-issuer: of no use without --jwt-secret or --jwks-url")
	}
	return nil
}

// local tells whether only this machine can reach the node, and all it holds is its own.
func (s *Settings) local() bool { return s.Embedded() && loopback(s.Addr) }

// wellKnownKey is the API key where only this machine is to reach the node and none is set.
const wellKnownKey = "dev"

// openToAll tells whether the API key is the well-known one, and no other.
func (s *Settings) openToAll() bool {
	return s.local() && !slices.ContainsFunc(s.APIKey, func(k Secret) bool { return k.Reveal() != wellKnownKey })
}

// apiKeys are the keys that are good.
func (s *Settings) apiKeys() []string {
	if s.openToAll() {
		return []string{wellKnownKey}
	}
	return revealAll(s.APIKey)
}

// withoutUser is a text that was to be an origin, without what might be a password.
func withoutUser(text string) string { return text[strings.LastIndex(text, "@")+1:] }

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// textLog tells whether the log is for people.
func (s *Stores) textLog() bool {
	return s.LogFormat == "text" || s.LogFormat == "" && term.IsTerminal(int(os.Stderr.Fd()))
}

// readSettings reads a flat file of settings: texts by their names. The library's errors
// quote the file, which holds secrets: only the place is told.
func readSettings(path string) (map[string]string, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator's own
	if err != nil {
		return nil, err
	}
	return settingsOf(text)
}

// settingsOf takes such a file's text apart. A list becomes a text as the command line has it.
func settingsOf(text []byte) (map[string]string, error) {
	values, texts := map[string]any{}, map[string]string{}
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&values); err != nil && !errors.Is(err, io.EOF) {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil {
			return nil, fmt.Errorf("line %d is not name: value in YAML", at.GetToken().Position.Line)
		}
		return nil, errors.New("not YAML, one name: value a line")
	}
	for name, value := range values {
		if list, ok := value.([]any); ok {
			words := make([]string, len(list))
			for i, v := range list {
				words[i] = fmt.Sprint(v)
			}
			value = strings.Join(words, ",")
		}
		texts[name] = fmt.Sprint(value)
	}
	return texts, nil
}
