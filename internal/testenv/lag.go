package testenv

import (
	"strconv"
	"strings"
	"testing"
)

// LoseTail has the replica take over from a master whose newest writes it never
// got: those made while `while` runs. It returns the master, which is dead.
func (s *SentinelSet) LoseTail(while func()) *RedisServer {
	s.t.Helper()
	master := s.Master()
	for _, d := range s.data {
		if d != master {
			loseTail(s.t, master, d, while)
		}
	}
	return master
}

// LoseTail does the same for the master of a key.
func (c *RedisCluster) LoseTail(key string, while func()) *RedisServer {
	c.t.Helper()
	master := c.MasterFor(key)
	replica := c.replicaOf(master)
	if replica == nil {
		c.t.Fatalf("testenv: the master of %q has no replica", key)
	}
	loseTail(c.t, master, replica, while)
	return master
}

// loseTail stops the replica, fills what the kernel keeps for it, and kills the
// master after `while`: what came behind the filling never reaches the replica.
func loseTail(t testing.TB, master, replica *RedisServer, while func()) {
	t.Helper()
	key := ""
	for i := 0; key == ""; i++ { // one of the master's own slots
		if k := "testenv:filling:" + strconv.Itoa(i); do(master, "set", k, "").Err() == nil {
			key = k
		}
	}
	replica.Pause()
	filling := strings.Repeat("x", 1<<20)
	for range 32 {
		if err := do(master, "set", key, filling).Err(); err != nil {
			t.Errorf("testenv: filling: %v", err)
		}
	}
	_ = do(master, "del", key)
	while()
	master.Kill()
	replica.Resume()
}
