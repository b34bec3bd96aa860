package testenv

import (
	"testing"
	"time"
)

func TestSentinelReplacesADeadMaster(t *testing.T) {
	t.Parallel()
	s := Sentinel(t)
	rdb := Client(t, s.URL())
	if err := rdb.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n := s.Master().Client().Wait(t.Context(), 1, 5*time.Second).Val(); n != 1 {
		t.Fatalf("%d replicas have the key", n)
	}
	old := s.KillMaster()
	master := s.WaitMaster(old)
	if v, err := master.Client().Get(t.Context(), "k").Result(); err != nil || v != "v" {
		t.Fatalf("the new master has %q, %v", v, err)
	}
	err := eventually(10*time.Second, func() error { return rdb.Set(t.Context(), "k", "w", 0).Err() })
	if err != nil {
		t.Fatal(err)
	}
	old.Restart()
	s.WaitOK() // the old one follows
	if s.Master() != master {
		t.Fatal("the old one is the master again")
	}
}

func TestSentinelFailsOverOnRequest(t *testing.T) {
	t.Parallel()
	s := Sentinel(t)
	old := s.Master()
	if s.Failover() == old || !old.Running() {
		t.Fatal("not another one")
	}
	if len(s.Sentinels()) != 3 {
		t.Fatal("three sentinels, if you please")
	}
}
