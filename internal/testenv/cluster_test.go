package testenv

import (
	"testing"
)

func TestClusterKeepsAKeyOnEachMaster(t *testing.T) {
	t.Parallel()
	c := Cluster(t)
	rdb := Client(t, c.URL())
	owners := make(map[*RedisServer]bool)
	for _, key := range []string{"{a}", "{b}", "{c}", "{d}", "{e}", "{f}"} {
		if err := rdb.Set(t.Context(), key, key, 0).Err(); err != nil {
			t.Fatal(err)
		}
		m := c.MasterFor(key)
		if v, err := m.Client().Get(t.Context(), key).Result(); err != nil || v != key {
			t.Fatalf("%s at its owner: %q, %v", key, v, err)
		}
		owners[m] = true
	}
	if len(owners) != 3 || len(c.Masters()) != 3 || len(c.Nodes()) != 6 {
		t.Fatalf("%d owners, %d masters, %d nodes", len(owners), len(c.Masters()), len(c.Nodes()))
	}
}

func TestClusterFailsOver(t *testing.T) {
	t.Parallel()
	c := Cluster(t)
	rdb := Client(t, c.URL())
	planned := c.Failover("k")
	if m := c.MasterFor("k"); m != planned {
		t.Fatalf("%s owns the key, not %s", m.Addr(), planned.Addr())
	}
	killed := c.KillMaster("k")
	if killed != planned {
		t.Fatalf("killed %s, not %s", killed.Addr(), planned.Addr())
	}
	c.WaitOK()
	if m := c.MasterFor("k"); m == killed {
		t.Fatal("the dead one still owns the key")
	}
	if err := rdb.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	killed.Restart()
	c.WaitOK()
}
