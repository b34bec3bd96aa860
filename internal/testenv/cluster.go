package testenv

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const (
	clusterMasters = 3
	clusterSlots   = 16384
)

// RedisCluster is a Redis cluster of three masters with a replica each.
type RedisCluster struct {
	t     testing.TB
	nodes []*RedisServer
}

// Cluster starts a cluster and waits until every node finds it sound.
func Cluster(t testing.TB) *RedisCluster {
	t.Helper()
	const n = 2 * clusterMasters
	ports := freePorts(t, 2*n)
	bus := ports[n:]
	c := &RedisCluster{t: t}
	for i := range n {
		c.nodes = append(c.nodes, newRedis(t, ports[i], []string{
			`save ""`,
			"cluster-enabled yes",
			"cluster-port " + bus[i].String(),
			"cluster-announce-ip 127.0.0.1",
			"cluster-node-timeout 2000",
			"repl-ping-replica-period 1",
			"repl-diskless-sync-delay 0",
		}, nil))
	}
	for _, node := range c.nodes {
		node.up()
	}
	if err := c.form(bus); err != nil {
		t.Fatalf("testenv: forming the cluster: %v", err)
	}
	c.WaitOK()
	return c
}

// form makes one cluster of the nodes.
func (c *RedisCluster) form(bus []port) error {
	for i, node := range c.nodes {
		if i < clusterMasters {
			first, last := i*clusterSlots/clusterMasters, (i+1)*clusterSlots/clusterMasters-1
			if err := do(node, "cluster", "addslotsrange", first, last).Err(); err != nil {
				return err
			}
		}
		if err := do(node, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			return err
		}
		for j, other := range c.nodes[:i] { // all with all: gossip alone takes longer
			if err := do(node, "cluster", "meet", "127.0.0.1", int(other.port), int(bus[j])).Err(); err != nil {
				return err
			}
		}
	}
	for i, replica := range c.nodes[clusterMasters:] {
		id, err := do(c.nodes[i], "cluster", "myid").Text()
		if err != nil {
			return err
		}
		err = eventually(startLimit, func() error { // once it has heard of its master
			return do(replica, "cluster", "replicate", id).Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// URL is its address as BELLHOP_REDIS_URL takes it.
func (c *RedisCluster) URL() string { return "redis+cluster://" + login + addrs(c.nodes) }

// Nodes are all its servers, dead ones too.
func (c *RedisCluster) Nodes() []*RedisServer { return c.nodes }

// MasterFor returns the master that owns a key's slot, or a sharded channel's,
// as the cluster sees it: one just killed stays until it is failed over.
func (c *RedisCluster) MasterFor(key string) *RedisServer {
	c.t.Helper()
	view := c.view()
	slot, err := do(c.live(), "cluster", "keyslot", key).Int()
	if err != nil {
		c.t.Fatalf("testenv: %v", err)
	}
	for _, n := range view {
		if n.owns(slot) {
			return n.server
		}
	}
	c.t.Fatalf("testenv: nobody owns slot %d", slot)
	return nil
}

// Masters are the servers that own slots now.
func (c *RedisCluster) Masters() []*RedisServer {
	c.t.Helper()
	var masters []*RedisServer
	for _, n := range c.view() {
		if len(n.slots) > 0 {
			masters = append(masters, n.server)
		}
	}
	return masters
}

// KillMaster kills the master of a key and returns it, to be restarted. Its
// replica takes over in a few seconds; WaitOK waits for that.
func (c *RedisCluster) KillMaster(key string) *RedisServer {
	c.t.Helper()
	m := c.MasterFor(key)
	m.Kill()
	return m
}

// Failover makes a replica of a key's master take over while the master is
// alive, waits until all agree, and returns the new master.
func (c *RedisCluster) Failover(key string) *RedisServer {
	c.t.Helper()
	replica := c.replicaOf(c.MasterFor(key))
	if replica == nil {
		c.t.Fatalf("testenv: the master of %q has no replica", key)
	}
	if err := do(replica, "cluster", "failover").Err(); err != nil {
		c.t.Fatalf("testenv: cluster failover: %v", err)
	}
	err := eventually(startLimit, func() error {
		if m := c.MasterFor(key); m != replica {
			return fmt.Errorf("%s is still the master", m.Addr())
		}
		return c.sound()
	})
	if err != nil {
		c.t.Fatalf("testenv: cluster failover: %v", err)
	}
	return replica
}

// replicaOf is a running replica of a master, or nil.
func (c *RedisCluster) replicaOf(master *RedisServer) *RedisServer {
	c.t.Helper()
	view := c.view()
	for _, n := range view {
		for _, m := range view {
			if m.server == master && n.master == m.id && n.server.Running() {
				return n.server
			}
		}
	}
	return nil
}

// WaitOK waits until every running node says that the cluster is ok and that
// a running node owns each slot, and the replicas that run are in step.
func (c *RedisCluster) WaitOK() {
	c.t.Helper()
	if err := eventually(startLimit, c.sound); err != nil {
		c.t.Fatalf("testenv: the cluster is not ok: %v\n%s", err, c.live().proc.tail())
	}
}

// sound says what is wrong with the cluster, if anything.
func (c *RedisCluster) sound() error {
	for _, node := range c.nodes {
		if !node.Running() {
			continue
		}
		info, err := do(node, "cluster", "info").Text()
		if err != nil {
			return err
		}
		if !strings.Contains(info, "cluster_state:ok") {
			return fmt.Errorf("%s says: %s", node.Addr(), info)
		}
		view, err := c.viewOf(node)
		if err != nil {
			return err
		}
		if err := c.complete(node, view); err != nil {
			return fmt.Errorf("%s sees %w", node.Addr(), err)
		}
	}
	return nil
}

// complete checks one node's view: everyone is known, running nodes own all
// slots, and the others follow.
func (c *RedisCluster) complete(node *RedisServer, view []clusterNode) error {
	if len(view) != len(c.nodes) {
		return fmt.Errorf("%d nodes", len(view))
	}
	owned := 0
	for _, n := range view {
		if !n.server.Running() {
			if len(n.slots) > 0 {
				return fmt.Errorf("slots at %s, which is down", n.server.Addr())
			}
			continue
		}
		for _, s := range n.slots {
			owned += s[1] - s[0] + 1
		}
		if strings.Contains(n.flags, "fail") || strings.Contains(n.flags, "handshake") {
			return fmt.Errorf("%s as %s", n.server.Addr(), n.flags)
		}
		if (len(n.slots) == 0) == (n.master == "-") {
			return fmt.Errorf("%s as neither master nor replica", n.server.Addr())
		}
		if n.server == node && n.master != "-" {
			if err := inStep(node); err != nil {
				return err
			}
		}
	}
	if owned != clusterSlots {
		return fmt.Errorf("%d slots", owned)
	}
	return nil
}

// clusterNode is a line of CLUSTER NODES.
type clusterNode struct {
	server            *RedisServer
	id, flags, master string // master "-" for a master
	slots             [][2]int
}

func (n clusterNode) owns(slot int) bool {
	for _, s := range n.slots {
		if s[0] <= slot && slot <= s[1] {
			return true
		}
	}
	return false
}

// live is any node that answers.
func (c *RedisCluster) live() *RedisServer {
	c.t.Helper()
	for _, node := range c.nodes {
		if node.Running() {
			return node
		}
	}
	c.t.Fatal("testenv: no node of the cluster runs")
	return nil
}

// view is how a running node sees the cluster.
func (c *RedisCluster) view() []clusterNode {
	c.t.Helper()
	view, err := c.viewOf(c.live())
	if err != nil {
		c.t.Fatalf("testenv: %v", err)
	}
	return view
}

func (c *RedisCluster) viewOf(node *RedisServer) ([]clusterNode, error) {
	text, err := do(node, "cluster", "nodes").Text()
	if err != nil {
		return nil, err
	}
	var view []clusterNode
	for line := range strings.Lines(text) {
		f := strings.Fields(line) // id addr@bus flags master ping pong epoch link slots…
		if len(f) < 8 {
			return nil, fmt.Errorf("CLUSTER NODES: %q", line)
		}
		n := clusterNode{id: f[0], flags: f[2], master: f[3]}
		addr, _, _ := strings.Cut(f[1], "@")
		for _, s := range c.nodes {
			if s.Addr() == addr {
				n.server = s
			}
		}
		if n.server == nil {
			return nil, fmt.Errorf("CLUSTER NODES: unknown %q", line)
		}
		for _, s := range f[8:] {
			if strings.HasPrefix(s, "[") {
				continue // a slot on the move
			}
			var r [2]int
			if k, err := fmt.Sscanf(s, "%d-%d", &r[0], &r[1]); k == 0 {
				return nil, err
			} else if k == 1 {
				r[1] = r[0]
			}
			n.slots = append(n.slots, r)
		}
		view = append(view, n)
	}
	return view, nil
}

// inStep checks that a replica follows its master.
func inStep(replica *RedisServer) error {
	info, err := do(replica, "info", "replication").Text()
	if err != nil {
		return err
	}
	if !strings.Contains(info, "master_link_status:up") {
		return errors.New("no link to its master")
	}
	return nil
}

func addrs(servers []*RedisServer) string {
	list := make([]string, len(servers))
	for i, s := range servers {
		list[i] = s.Addr()
	}
	return strings.Join(list, ",")
}
