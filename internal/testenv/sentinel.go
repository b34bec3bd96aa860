package testenv

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

const (
	sentinelMaster = "mymaster"
	sentinelCount  = 3
)

// SentinelSet is a master and a replica watched by three sentinels, two of
// which make a quorum.
type SentinelSet struct {
	t         testing.TB
	data      []*RedisServer
	sentinels []*RedisServer
}

// Sentinel starts a set and waits until the sentinels know each other and the
// replica.
func Sentinel(t testing.TB) *SentinelSet {
	t.Helper()
	ports := freePorts(t, 2+sentinelCount)
	s := &SentinelSet{t: t}
	conf := []string{`save ""`, "repl-diskless-sync-delay 0", "repl-ping-replica-period 1"}
	s.data = append(s.data, newRedis(t, ports[0], conf, nil))
	s.data = append(s.data, newRedis(t, ports[1], append(conf, "replicaof 127.0.0.1 "+ports[0].String()), nil))
	for _, d := range s.data {
		d.up()
	}
	for _, p := range ports[2:] {
		s.sentinels = append(s.sentinels, startRedis(t, p, []string{
			fmt.Sprintf("sentinel monitor %s 127.0.0.1 %v 2", sentinelMaster, ports[0]),
			"sentinel auth-user " + sentinelMaster + " " + harnessUser,
			"sentinel auth-pass " + sentinelMaster + " " + harnessPassword,
			"sentinel down-after-milliseconds " + sentinelMaster + " 1000",
			"sentinel failover-timeout " + sentinelMaster + " 5000",
		}, []string{"--sentinel"}))
	}
	for _, d := range s.sentinels {
		d.up()
		// What takes ten seconds by default, and minutes in a suite.
		err := do(d, "sentinel", "debug", "ping-period", 250, "info-period", 500, "publish-period", 500).Err()
		if err != nil {
			t.Fatalf("testenv: sentinel debug: %v", err)
		}
	}
	s.WaitOK()
	return s
}

// URL is its address as BELLHOP_REDIS_URL takes it.
func (s *SentinelSet) URL() string {
	return "redis+sentinel://" + login + addrs(s.sentinels) + "/" + sentinelMaster
}

// Sentinels are the sentinels.
func (s *SentinelSet) Sentinels() []*RedisServer { return s.sentinels }

// Master is the server that the sentinels name as the master, dead or alive.
// It waits while they do not agree.
func (s *SentinelSet) Master() *RedisServer {
	s.t.Helper()
	var master *RedisServer
	err := eventually(startLimit, func() (err error) {
		master, err = s.agreed()
		return err
	})
	if err != nil {
		s.t.Fatalf("testenv: no master: %v", err)
	}
	return master
}

// KillMaster kills the master and returns it, to be restarted. It does not
// wait: WaitMaster does.
func (s *SentinelSet) KillMaster() *RedisServer {
	s.t.Helper()
	m := s.Master()
	m.Kill()
	return m
}

// WaitMaster waits until all sentinels name another master than old and that
// one says it is, and returns it.
func (s *SentinelSet) WaitMaster(old *RedisServer) *RedisServer {
	s.t.Helper()
	var master *RedisServer
	err := eventually(startLimit, func() (err error) {
		if master, err = s.agreed(); err != nil {
			return err
		}
		if master == old {
			return errors.New("it is the old one")
		}
		return s.isMaster(master)
	})
	if err != nil {
		s.t.Fatalf("testenv: no new master: %v\n%s", err, s.sentinels[0].proc.tail())
	}
	return master
}

// Failover has the sentinels replace a master that is alive, and returns the
// new one. The old one becomes its replica only seconds later, and takes writes
// meanwhile, as in production; WaitOK waits for that.
func (s *SentinelSet) Failover() *RedisServer {
	s.t.Helper()
	old := s.Master()
	err := eventually(startLimit, func() error { // refused while one is under way
		return do(s.sentinels[0], "sentinel", "failover", sentinelMaster).Err()
	})
	if err != nil {
		s.t.Fatalf("testenv: sentinel failover: %v", err)
	}
	return s.WaitMaster(old)
}

// WaitOK waits until all sentinels see each other, one running master and, if
// the other server runs too, it as a replica in step.
func (s *SentinelSet) WaitOK() {
	s.t.Helper()
	if err := eventually(startLimit, s.sound); err != nil {
		s.t.Fatalf("testenv: the sentinels are not ok: %v\n%s", err, s.sentinels[0].proc.tail())
	}
}

func (s *SentinelSet) sound() error {
	master, err := s.agreed()
	if err != nil {
		return err
	}
	if err := s.isMaster(master); err != nil {
		return err
	}
	replicas := 0
	for _, d := range s.data {
		if d != master && d.Running() {
			replicas++
			if err := inStep(d); err != nil {
				return fmt.Errorf("%s: %w", d.Addr(), err)
			}
		}
	}
	for _, w := range s.sentinels {
		if !w.Running() {
			continue
		}
		quorum, err := do(w, "sentinel", "ckquorum", sentinelMaster).Text()
		if err != nil {
			return err
		}
		known, err := rows(do(w, "sentinel", "sentinels", sentinelMaster))
		if err != nil {
			return err
		}
		if len(known) != sentinelCount-1 {
			return fmt.Errorf("%s: %s", w.Addr(), quorum)
		}
		list, err := rows(do(w, "sentinel", "replicas", sentinelMaster))
		if err != nil {
			return err
		}
		healthy := 0
		for _, r := range list {
			if r["flags"] == "slave" && r["master-link-status"] == "ok" {
				healthy++
			}
		}
		if healthy != replicas {
			return fmt.Errorf("%s sees %d of %d replicas", w.Addr(), healthy, replicas)
		}
	}
	return nil
}

// agreed is the master that every running sentinel names.
func (s *SentinelSet) agreed() (*RedisServer, error) {
	named := ""
	for _, w := range s.sentinels {
		if !w.Running() {
			continue
		}
		addr, err := do(w, "sentinel", "get-master-addr-by-name", sentinelMaster).StringSlice()
		if err != nil {
			return nil, err
		}
		at := strings.Join(addr, ":")
		if named != "" && at != named {
			return nil, fmt.Errorf("some say %s, some %s", named, at)
		}
		named = at
	}
	for _, d := range s.data {
		if d.Addr() == named {
			return d, nil
		}
	}
	return nil, fmt.Errorf("the sentinels name %q", named)
}

func (s *SentinelSet) isMaster(r *RedisServer) error {
	if !r.Running() {
		return fmt.Errorf("%s is down", r.Addr())
	}
	role, err := do(r, "role").Slice()
	if err != nil {
		return err
	}
	if len(role) == 0 || role[0] != "master" {
		return fmt.Errorf("%s is not a master", r.Addr())
	}
	return nil
}

// rows reads a list of maps.
func rows(cmd *redis.Cmd) ([]map[string]string, error) {
	list, err := cmd.Slice()
	if err != nil {
		return nil, err
	}
	out := make([]map[string]string, len(list))
	for i, row := range list {
		m, ok := row.(map[any]any)
		if !ok {
			return nil, fmt.Errorf("%T is not a map", row)
		}
		out[i] = make(map[string]string, len(m))
		for k, v := range m {
			out[i][fmt.Sprint(k)] = fmt.Sprint(v)
		}
	}
	return out, nil
}
