package testenv

import (
	"net"
	"time"
)

// MoveSlot moves the slot of a key to another master the old way, key by key, as
// `redis-cli --cluster reshard` does, with a pause after each key, and waits until
// all agree. While it lasts a command that names several keys, of which some are
// not (or no longer) where the slot was, is answered with TRYAGAIN.
func (c *RedisCluster) MoveSlot(key string, pause time.Duration) {
	c.t.Helper()
	from := c.MasterFor(key)
	var to *RedisServer
	ids := map[*RedisServer]string{}
	for _, n := range c.view() {
		ids[n.server] = n.id
		if len(n.slots) > 0 && n.server != from && to == nil {
			to = n.server
		}
	}
	slot, err := do(from, "cluster", "keyslot", key).Int()
	if err == nil {
		err = do(to, "cluster", "setslot", slot, "importing", ids[from]).Err()
	}
	if err == nil {
		err = do(from, "cluster", "setslot", slot, "migrating", ids[to]).Err()
	}
	host, port, _ := net.SplitHostPort(to.Addr())
	for err == nil {
		var keys []string
		if keys, err = do(from, "cluster", "getkeysinslot", slot, 1).StringSlice(); err != nil || len(keys) == 0 {
			break
		}
		err = do(from, "migrate", host, port, keys[0], 0, 5000, "auth2", harnessUser, harnessPassword).Err()
		time.Sleep(pause)
	}
	for _, node := range append([]*RedisServer{to, from}, c.Masters()...) {
		if err == nil {
			err = do(node, "cluster", "setslot", slot, "node", ids[to]).Err()
		}
	}
	if err != nil {
		c.t.Fatalf("testenv: moving slot %d: %v", slot, err)
	}
	c.WaitOK()
	if m := c.MasterFor(key); m != to {
		c.t.Fatalf("testenv: slot %d is at %s, not at %s", slot, m.Addr(), to.Addr())
	}
}
