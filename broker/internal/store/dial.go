package store

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Dial makes a client for a Redis URL: redis:// or rediss:// for one server,
// redis+cluster://h:p,h:p (rediss+cluster), redis+sentinel://h:p,h:p/master
// (rediss+sentinel). User, password and the database's number may be given as
// usual. It does not connect yet. An error does not quote the URL, which may hold a password.
func Dial(rawURL string) (redis.UniversalClient, error) {
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok {
		return nil, errors.New("no scheme: redis://, redis+cluster:// or redis+sentinel:// is wanted")
	}
	secure, kind, _ := strings.Cut(scheme, "+")
	if secure != "redis" && secure != "rediss" {
		return nil, errScheme
	}
	switch kind {
	case "":
		o, err := redis.ParseURL(rawURL)
		if err != nil {
			return nil, errURL
		}
		single(o)
		return redis.NewClient(o), nil
	case "cluster":
		return dialCluster(secure, rest)
	case "sentinel":
		return dialSentinel(secure, rest)
	default:
		return nil, errScheme
	}
}

// They take the place of the library's errors, which quote what it could not parse.
var (
	errScheme = errors.New("the scheme is redis or rediss, with +cluster or +sentinel")
	errURL    = errors.New("the URL is not redis://user:password@host:port/number: a password must be percent-encoded (a % is %25, a / is %2F), " +
		"the database is a number, and an option must be one of go-redis's")
)

const (
	ioTimeout  = 5 * time.Second
	maxRetries = 3

	// clusterReload is how old a client's picture of a cluster may be. The library's
	// own, a minute, is how long a failed-over partition would be away: pipelines do
	// not renew the picture when a server does not answer.
	clusterReload = 2 * time.Second
)

// quietly keeps go-redis from asking the server for what ours may not know.
func quietly() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

func single(o *redis.Options) {
	o.Protocol, o.ContextTimeoutEnabled, o.MaxRetries = 2, true, maxRetries
	o.ReadTimeout, o.WriteTimeout, o.DisableIdentity, o.MaintNotificationsConfig = ioTimeout, ioTimeout, true, quietly()
}

// several splits user:password@h:p,h:p/path?query.
func several(secure, rest string) (hosts []string, u *url.URL, o *redis.Options, err error) {
	auth, tail, found := strings.Cut(rest, "@")
	if !found {
		auth, tail = "", rest
	} else {
		auth += "@"
	}
	end := strings.IndexAny(tail, "/?")
	if end < 0 {
		end = len(tail)
	}
	hosts = strings.Split(tail[:end], ",")
	// A password with a / in it would make something else the host.
	if u, err = url.Parse(secure + "://" + auth + hosts[0] + tail[end:]); err != nil || u.Host != hosts[0] {
		return nil, nil, nil, errURL
	}
	for _, h := range hosts {
		if _, err := url.Parse("redis://" + h); err != nil || !strings.Contains(h, ":") {
			return nil, nil, nil, errors.New("one of the servers is not host:port")
		}
	}
	bare := *u
	bare.Path = ""
	if o, err = redis.ParseURL(bare.String()); err != nil {
		return nil, nil, nil, errURL
	}
	single(o)
	return hosts, u, o, nil
}

func dialCluster(secure, rest string) (redis.UniversalClient, error) {
	hosts, _, o, err := several(secure, rest)
	if err != nil {
		return nil, err
	}
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: hosts, Username: o.Username, Password: o.Password,
		TLSConfig: o.TLSConfig, Protocol: 2, ContextTimeoutEnabled: true, ReadTimeout: ioTimeout, WriteTimeout: ioTimeout,
		DisableIdentity: true, MaxRedirects: 8, MaintNotificationsConfig: quietly(), ClusterStateReloadInterval: clusterReload,
		PipelinePoolSize: o.PipelinePoolSize})
	c.AddHook(redirects{c})
	return c, nil
}

func dialSentinel(secure, rest string) (redis.UniversalClient, error) {
	hosts, u, o, err := several(secure, rest)
	if err != nil {
		return nil, err
	}
	master, db, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	if master == "" {
		return nil, errors.New("the master's name is missing: redis+sentinel://h:p,h:p/master")
	}
	if db != "" {
		if o.DB, err = strconv.Atoi(db); err != nil {
			return nil, errors.New("the database, after the master's name, is not a number")
		}
	}
	return redis.NewFailoverClient(&redis.FailoverOptions{MasterName: master, SentinelAddrs: hosts, Username: o.Username,
		Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig, Protocol: 2, ContextTimeoutEnabled: true,
		ReadTimeout: ioTimeout, WriteTimeout: ioTimeout, MaxRetries: maxRetries, DisableIdentity: true}), nil
}
