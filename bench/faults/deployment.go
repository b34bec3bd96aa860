package faults

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"bellhop/archive"
	"bellhop/archive/mongo"
	"bellhop/archive/sqlite"
	"bellhop/client"
	"bellhop/deploy"
	"bellhop/internal/testenv"
)

const apiKey = "faults"

// deployment is all servers of a run.
type deployment struct {
	o     Options
	h     *host
	data  string // folder of archive and files, which nodes share
	front string // nginx

	ca        *testenv.Authority // of nginx's certificate, and of Redis's
	nginx     *testenv.NginxServer
	frontCert *testenv.Issued
	redisCert *testenv.Issued
	redisTLS  string // where Redis listens for nodes
	asking    *http.Client
	dataDisk  *disk // nil where none can be mounted
	redisDisk *disk
	noDisks   error // why not

	redis    *testenv.RedisServer
	sentinel *testenv.SentinelSet
	cluster  *testenv.RedisCluster
	mongo    *testenv.MongoServer
	nodes    []*node

	mu    sync.Mutex
	lossy []span // when what was acknowledged may be lost, as documented
	clock []step // of Redis's
}

// span is a time.
type span struct{ from, to time.Time }

// deploy starts everything.
func deployAll(ctx context.Context, o Options) (d *deployment, err error) {
	h, err := newHost(ctx)
	if err != nil {
		return nil, err
	}
	d = &deployment{o: o, h: h, clock: []step{{from: time.Now(), to: time.Now()}}}
	err = h.guard(func() {
		d.ca = testenv.NewAuthority(h)
		d.asking = &http.Client{Timeout: asking.Timeout, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: d.trusting()}}
		d.data, d.dataDisk = d.folder()
		redisURL := d.startRedis()
		if o.Archive == archiveMongo {
			d.mongo = testenv.Mongo(h)
		}
		for i := range o.Nodes {
			d.nodes = append(d.nodes, d.newNode(i, redisURL))
		}
		d.front = d.startNginx()
	})
	if err == nil {
		err = d.whole(ctx)
	}
	if err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

func (d *deployment) startRedis() (url string) {
	switch d.o.Engine {
	case engineSentinel:
		d.sentinel = testenv.Sentinel(d.h)
		return d.sentinel.URL()
	case engineCluster:
		d.cluster = testenv.Cluster(d.h)
		return d.cluster.URL()
	}
	var dir string
	dir, d.redisDisk = d.folder()
	d.redisTLS, d.redisCert = testenv.Addr(d.h), d.ca.Issue(d.h, "redis.example.org")
	_, port, _ := net.SplitHostPort(d.redisTLS)
	d.redis = testenv.Redis(d.h, "--appendonly", "yes", "--appendfsync", d.o.Fsync, "--dir", dir, "--tls-port", port, "--tls-auth-clients", "no",
		"--tls-cert-file", d.redisCert.Cert, "--tls-key-file", d.redisCert.Key, "--tls-ca-cert-file", d.ca.File)
	return d.redis.URL()
}

// redisURL is how commands that are no node reach Redis.
func (d *deployment) redisURL() string {
	switch {
	case d.sentinel != nil:
		return d.sentinel.URL()
	case d.cluster != nil:
		return d.cluster.URL()
	}
	return d.redis.URL()
}

// stores are the flags of the stores.
func (d *deployment) stores(redisURL string) []string {
	args := []string{"--redis-url", redisURL, "--data-dir", d.data}
	if d.mongo != nil {
		args = append(args, "--mongo-url", d.mongo.URL()+"faults")
	}
	return args
}

func (d *deployment) newNode(i int, redisURL string) *node {
	n := &node{name: fmt.Sprint("node ", i), bin: d.o.Binary, addr: testenv.Addr(d.h), log: filepath.Join(d.h.TempDir(), "log")}
	if d.redis != nil { // each has a way of its own
		n.way = testenv.Proxy(d.h, d.redisTLS)
		redisURL = strings.Replace(d.redis.Through(n.way.Addr()), "redis://", "rediss://", 1)
	}
	n.env = append(os.Environ(), "SSL_CERT_FILE="+d.ca.File)
	n.args = append([]string{"--addr", n.addr, "--api-key", apiKey, "--send-rate", "0", "--open-sessions", "0", "--upload-budget", "0",
		"--log-level", "warn", "--drain", "1s"}, d.stores(redisURL)...)
	d.h.Cleanup(func() {
		n.signal(syscall.SIGCONT)
		n.end(syscall.SIGKILL, 10*time.Second)
	})
	return n
}

// startNginx starts the deployed configuration before the nodes.
func (d *deployment) startNginx() string {
	d.frontCert = d.ca.Issue(d.h, "chat.example.org")
	conf := strings.NewReplacer("listen 443 ssl;", "listen {{listen}} ssl;", "listen 80;", "listen "+testenv.Addr(d.h)+";",
		"/etc/ssl/certs/chat.example.org.pem", d.frontCert.Cert, "/etc/ssl/private/chat.example.org.key", d.frontCert.Key).Replace(deploy.Nginx)
	var lines []string
	for line := range strings.Lines(conf) {
		if strings.Contains(line, "server 127.0.0.1:8082") {
			continue
		}
		if !strings.Contains(line, "server 127.0.0.1:8081") {
			lines = append(lines, line)
			continue
		}
		for _, n := range d.nodes {
			lines = append(lines, strings.Replace(line, "127.0.0.1:8081", n.addr, 1))
		}
	}
	d.nginx = testenv.Nginx(d.h, strings.Join(lines, ""), nil)
	return "https://" + d.nginx.Addr()
}

// limit is a documented time, several times over.
func (d *deployment) limit(documented time.Duration) time.Duration {
	return documented * time.Duration(d.o.Patience)
}

// whole waits until every node is ready.
func (d *deployment) whole(ctx context.Context) error {
	return eventually(ctx, d.limit(20*time.Second), func() error {
		var all []error
		for _, n := range d.nodes {
			all = append(all, n.ready(ctx))
		}
		return errors.Join(all...)
	})
}

// eventually asks twice a second, and gives the last answer when the limit has passed.
func eventually(ctx context.Context, limit time.Duration, ask func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := ask()
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v: %w", limit, err)
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// servers are those of Redis that hold data now, or one that is asked for all.
func (d *deployment) servers() []*testenv.RedisServer {
	switch {
	case d.sentinel != nil:
		return []*testenv.RedisServer{d.sentinel.Master()}
	case d.cluster != nil:
		return d.cluster.Masters()
	}
	return []*testenv.RedisServer{d.redis}
}

// maybeLost notes a time of which Redis may have lost what it acknowledged.
func (d *deployment) maybeLost(from, to time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lossy = append(d.lossy, span{from, to})
}

func (d *deployment) lossySpans() []span {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]span(nil), d.lossy...)
}

// host is the host application.
func (d *deployment) api(key string) client.API {
	return client.API{BaseURL: d.front, Key: key, HTTP: d.asking}
}

// openArchive opens it beside the nodes.
func (d *deployment) openArchive(ctx context.Context) (archive.Archive, error) {
	if d.mongo != nil {
		return mongo.Open(ctx, d.mongo.URL()+"faults")
	}
	return sqlite.Open(ctx, filepath.Join(d.data, "archive.db"))
}

// lockArchive keeps everybody else from writing to it, until what it gives is called.
func (d *deployment) lockArchive(ctx context.Context) (unlock func(), err error) {
	if d.mongo != nil {
		d.mongo.Kill()
		return d.mongo.Restart, nil
	}
	q := url.Values{"_txlock": {"exclusive"}, "_pragma": {"busy_timeout(5000)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.Join(d.data, "archive.db"), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	return func() {
		_ = tx.Rollback()
		_ = db.Close()
	}, nil
}

// stop ends everything, and gives what went wrong with the servers.
func (d *deployment) stop() []string { return d.h.close() }
