package broker

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"
)

// All names of keys are made here, and the only brace in the code is in this
// file. An id of a participant or a queue always comes last, since it may hold
// any character. A channel has the name of the key it speaks of.

const slots = 16384

// MaxPartitions is how many a session's id, which begins with two hex digits,
// can name.
const MaxPartitions = 256

// Keys of the deployment as a whole.
const (
	partitionsKey = "bellhop:partitions" // how many there are
	archiveKey    = "bellhop:archive"    // the id of the archive that all nodes use
	filesKey      = "bellhop:files"      // what links to files are signed with
	unsentKey     = "bellhop:unsent"     // bytes of uploads that were not sent, by hour
	reindexKey    = "bellhop:reindex"    // the node that indexes the archive again
	restoringKey  = "bellhop:restoring"  // there while a restore has begun and not ended
)

// partition makes the keys of one partition: "{tag}:".
type partition struct {
	index  int
	prefix string
	tag    string
}

// partitionTags gives one short hash tag for each of n equal ranges of the
// cluster's slots, so that a cluster is loaded evenly.
func partitionTags(n int) []string {
	tags := make([]string, n)
	for i, found := uint64(0), 0; found < n; i++ {
		tag := strconv.FormatUint(i, 36)
		if at := slot(tag) * n / slots; tags[at] == "" {
			tags[at] = tag
			found++
		}
	}
	return tags
}

// slot is the cluster's hash slot of a tag: CRC16 (XMODEM), as the Redis Cluster specification has it.
func slot(tag string) int {
	var crc uint16
	for i := range len(tag) {
		crc ^= uint16(tag[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % slots
}

func newPartitions(n int) []partition {
	ps := make([]partition, n)
	for i, tag := range partitionTags(n) {
		ps[i] = partition{i, "{" + tag + "}:", tag}
	}
	return ps
}

// all is the pattern of all keys of one kind.
func (p partition) all(kind string) string { return p.prefix + kind + ":*" }

// tagged takes a key or channel apart: its tag and what comes after.
func tagged(key string) (tag, name string, ok bool) {
	if key == "" || key[0] != '{' {
		return "", "", false
	}
	return strings.Cut(key[1:], "}:")
}

// home is the partition of a participant's or a token's id.
func (b *Broker) home(id string) partition {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return b.parts[int(h.Sum32()%uint32(len(b.parts)))] //nolint:gosec // at most 256
}

// newSessionID is an id that names its partition, the user's.
func (b *Broker) newSessionID(user string) string {
	return fmt.Sprintf("%02x-%s", b.home(user).index, ulid.Make())
}

// of is the partition a session's id names; false if it is no session's id.
func (b *Broker) of(session string) (partition, bool) {
	tag, rest, ok := strings.Cut(session, "-")
	if !ok || len(tag) != 2 || len(rest) != ulid.EncodedSize {
		return partition{}, false
	}
	i, err := strconv.ParseUint(tag, 16, 8)
	if err != nil || int(i) >= len(b.parts) || strings.ToLower(tag) != tag {
		return partition{}, false
	}
	if _, err := ulid.ParseStrict(rest); err != nil || strings.ToUpper(rest) != rest {
		return partition{}, false
	}
	return b.parts[i], true
}

func (p partition) session(s string) string  { return p.prefix + "s:" + s }
func (p partition) log(s string) string      { return p.prefix + "s:" + s + ":log" }
func (p partition) unread(s string) string   { return p.prefix + "s:" + s + ":unread" }
func (p partition) read(s string) string     { return p.prefix + "s:" + s + ":read" }
func (p partition) keys(s string) string     { return p.prefix + "s:" + s + ":keys" }
func (p partition) authors(s string) string  { return p.prefix + "s:" + s + ":authors" }
func (p partition) recalled(s string) string { return p.prefix + "s:" + s + ":recalled" }

func (p partition) timers() string           { return p.prefix + "timers" }
func (p partition) dirty() string            { return p.prefix + "dirty" }
func (p partition) aside() string            { return p.prefix + "aside" }
func (p partition) late() string             { return p.prefix + "late" }
func (p partition) hooks() string            { return p.prefix + "hooks" }
func (p partition) hooksLate() string        { return p.prefix + "hooks-late" }
func (p partition) dead() string             { return p.prefix + "dead" }
func (p partition) outbox() string           { return p.prefix + "outbox" }
func (p partition) sessions() string         { return p.prefix + "sessions" }
func (p partition) states() string           { return p.prefix + "states" }
func (p partition) agents() string           { return p.prefix + "agents" }
func (p partition) named() string            { return p.prefix + "named" }
func (p partition) nodes() string            { return p.prefix + "nodes" }
func (p partition) clearing() string         { return p.prefix + "clearing" }
func (p partition) leases() string           { return p.prefix + "leases" }
func (p partition) epoch() string            { return p.prefix + "epoch" }
func (p partition) recovering() string       { return p.prefix + "recovering" }
func (p partition) stats() string            { return p.prefix + "stats" }
func (p partition) flusher() string          { return p.prefix + "flusher" }
func (p partition) strange() string          { return p.prefix + "strange" }
func (p partition) rules() string            { return p.prefix + "rules" }
func (p partition) queues() string           { return p.prefix + "queues" }
func (p partition) node(n string) string     { return p.prefix + "node:" + n }
func (p partition) token(h string) string    { return p.prefix + "token:" + h }
func (p partition) move(id string) string    { return p.prefix + "move:" + id }
func (p partition) left(id string) string    { return p.prefix + "move:" + id + ":left" }
func (p partition) failed(id string) string  { return p.prefix + "move:" + id + ":failed" }
func (p partition) waiting(q string) string  { return p.prefix + "waiting:" + q }
func (p partition) dispatch(q string) string { return p.prefix + "dispatch:" + q }

// Canned replies, and, by their scope, their ids by shortcut.
func (p partition) canned() string                { return p.prefix + "canned" }
func (p partition) shortcuts(scope string) string { return p.prefix + "canned:" + scope }

// profile is also the participant's own channel.
func (p partition) profile(who string) string { return p.prefix + "profile:" + who }
func (p partition) ahead(who string) string   { return p.prefix + "ahead:" + who }
func (p partition) conns(who string) string   { return p.prefix + "conns:" + who }
func (p partition) open(user string) string   { return p.prefix + "open:" + user }
func (p partition) mine(who string) string    { return p.prefix + "mine:" + who }
func (p partition) listed(who string) string  { return p.prefix + "listed:" + who }
func (p partition) load(agent string) string  { return p.prefix + "load:" + agent }

// uploads counts a participant's bytes of a day.
func (p partition) uploads(who string) string { return p.prefix + "uploads:" + who }

// rate counts what a participant does; what is one of the words in limits.go.
func (p partition) rate(what, who string) string { return p.prefix + "rate:" + what + ":" + who }

// looked gives the keys of look.lua.
func (p partition) looked(s string) []string {
	return []string{p.session(s), p.unread(s), p.read(s), p.log(s), p.recalled(s)}
}

// transition gives the keys of a transition's script: those it begins with, its
// own, and last the sessions by state, what tells of changed settings, and the statistics.
func (p partition) transition(s string, more ...string) []string {
	keys := append([]string{p.session(s), p.log(s), p.unread(s), p.read(s), p.authors(s), p.timers(), p.dirty(),
		p.outbox()}, more...)
	return append(keys, p.states(), p.rules(), p.stats())
}
