package broker

import (
	"errors"
	"fmt"
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
// usual. It does not connect yet.
func Dial(rawURL string) (redis.UniversalClient, error) {
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok {
		return nil, errors.New("no scheme: redis://, redis+cluster:// or redis+sentinel:// is wanted")
	}
	secure, kind, _ := strings.Cut(scheme, "+")
	if secure != "redis" && secure != "rediss" {
		return nil, fmt.Errorf("scheme %q: redis, rediss, with +cluster or +sentinel", scheme)
	}
	switch kind {
	case "":
		o, err := redis.ParseURL(rawURL)
		if err != nil {
			return nil, errors.New(strings.TrimPrefix(err.Error(), "redis: "))
		}
		single(o)
		return redis.NewClient(o), nil
	case "cluster":
		return dialCluster(secure, rest)
	case "sentinel":
		return dialSentinel(secure, rest)
	default:
		return nil, fmt.Errorf("scheme %q: redis, rediss, with +cluster or +sentinel", scheme)
	}
}

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
	if u, err = url.Parse(secure + "://" + auth + hosts[0] + tail[end:]); err != nil {
		return nil, nil, nil, errors.New("not a URL")
	}
	for _, h := range hosts {
		if _, err := url.Parse("redis://" + h); err != nil || !strings.Contains(h, ":") {
			return nil, nil, nil, fmt.Errorf("%q is not host:port", h)
		}
	}
	bare := *u
	bare.Path = ""
	if o, err = redis.ParseURL(bare.String()); err != nil {
		return nil, nil, nil, errors.New(strings.TrimPrefix(err.Error(), "redis: "))
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
		DisableIdentity: true, MaxRedirects: 8, MaintNotificationsConfig: quietly(), ClusterStateReloadInterval: clusterReload})
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
			return nil, fmt.Errorf("database %q is not a number", db)
		}
	}
	return redis.NewFailoverClient(&redis.FailoverOptions{MasterName: master, SentinelAddrs: hosts, Username: o.Username,
		Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig, Protocol: 2, ContextTimeoutEnabled: true,
		ReadTimeout: ioTimeout, WriteTimeout: ioTimeout, MaxRetries: maxRetries, DisableIdentity: true}), nil
}
