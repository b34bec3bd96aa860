package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bellhop/deploy"
)

// startFront starts nginx before nodes, by the deployed file, but without TLS, in one process. It takes so many clients.
func startFront(ctx context.Context, dir string, clients int, nodes []*proc) (*proc, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	var conf strings.Builder
	fmt.Fprintf(&conf, "daemon off;\nmaster_process off;\npid %q;\nerror_log stderr crit;\nworker_rlimit_nofile %d;\nevents { worker_connections %d; }\nhttp {\naccess_log off;\n",
		filepath.Join(dir, "nginx.pid"), 2*clients+1000, 2*clients+500)
	for _, temp := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&conf, "%s_temp_path %q;\n", temp, filepath.Join(dir, temp))
	}
	site := strings.NewReplacer("listen 443 ssl;", "listen "+addr+" backlog=16384;", "listen 80;", fmt.Sprintf("listen %q;", "unix:"+filepath.Join(dir, "80"))).Replace(deploy.Nginx)
	for line := range strings.Lines(site) {
		switch trimmed := strings.TrimSpace(line); {
		case strings.HasPrefix(trimmed, "ssl_"), strings.HasPrefix(trimmed, "server 127.0.0.1:8082"):
		case strings.HasPrefix(trimmed, "server 127.0.0.1:8081"):
			for _, n := range nodes {
				conf.WriteString(strings.Replace(line, "127.0.0.1:8081", n.addr, 1))
			}
		default:
			conf.WriteString(line)
		}
	}
	conf.WriteString("}\n")
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf.String()), 0o600); err != nil {
		return nil, err
	}
	p, err := start(addr, "nginx", "-p", dir, "-c", file, "-e", "stderr")
	if err != nil {
		return nil, fmt.Errorf("%w: `make test-deps` installs it", err)
	}
	return p, until(ctx, func() error {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
}
