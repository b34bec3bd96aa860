package store

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"

	"bellhop/broker/chat"
)

// All names of keys are made here, and the only brace in the code is in this
// file. An id of a participant or a queue always comes last, since it may hold
// any character. A channel has the name of the key it speaks of.

const slots = 16384

// MaxPartitions is how many there may be: a partition has 16 buckets at least.
const MaxPartitions = 256

// Keys of the deployment as a whole.
const (
	PartitionsKey = "bellhop:partitions"                    // which there are: see Record
	ArchiveKey    = "bellhop:archive"                       // the id of the archive that all nodes use
	FilesKey      = "bellhop:files"                         // what links to files are signed with
	UnsentKey     = "bellhop:unsent"                        // bytes of uploads that were not sent, by hour
	ReindexKey    = "bellhop:reindex"                       // the node that indexes the archive again
	RestoringKey  = "bellhop:restoring"                     // there while a restore has begun and not ended
	MovingKey     = "bellhop:moving"                        // who repartitions, for a while
	WaitedKey     = "bellhop:waited{" + PartitionsKey + "}" // written to wait for the replicas of the record's server
)

// Partition makes the keys of one partition: "{tag}:".
type Partition struct {
	Index  int
	prefix string
	Tag    string
}

// partitionTags gives one short hash tag for each of n equal ranges of the
// cluster's slots, so that a cluster is loaded evenly. No two generations share one.
func partitionTags(n, generation int) []string {
	tags, own := make([]string, n), ""
	if generation > 0 {
		own = "." + strconv.FormatInt(int64(generation), 36)
	}
	for i, found := uint64(0), 0; found < n; i++ {
		tag := strconv.FormatUint(i, 36) + own
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

func newPartitions(n, generation int) []Partition {
	ps := make([]Partition, n)
	for i, tag := range partitionTags(n, generation) {
		ps[i] = Partition{i, "{" + tag + "}:", tag}
	}
	return ps
}

// All is the pattern of all keys of one kind.
func (p Partition) All(kind string) string { return p.prefix + kind + ":*" }

// Tagged takes a key or channel apart: its tag and what comes after.
func Tagged(key string) (tag, name string, ok bool) {
	if key == "" || key[0] != '{' {
		return "", "", false
	}
	return strings.Cut(key[1:], "}:")
}

// Tag is the partition of a tag; false if it is none of this deployment's.
func (s *Store) Tag(tag string) (Partition, bool) {
	p, ok := s.byTag[tag]
	return p, ok
}

func hash(id string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return h.Sum32()
}

// Home is the partition of a participant's or a token's id.
func (s *Store) Home(id string) Partition { return s.Parts[s.Index(id)] }

// NewSessionID is an id that names its user's bucket, and so its partition.
func (s *Store) NewSessionID(user string) string {
	if s.Named {
		return fmt.Sprintf("%02x-%s", s.Index(user), ulid.Make())
	}
	return fmt.Sprintf("%03x-%s", bucket(user), ulid.Make())
}

// Of is the partition of a session; false if that is no session's id. Of one that was opened
// before there were buckets Redis may be asked.
func (s *Store) Of(session string) (Partition, bool) {
	tag, ok := chat.SessionTag(session)
	if !ok || s.Named && len(tag) != 2 {
		return Partition{}, false
	}
	n, err := strconv.ParseUint(tag, 16, 12)
	if err != nil || s.Named && int(n) >= len(s.Parts) {
		return Partition{}, false
	}
	switch {
	case s.Named:
		return s.Parts[n], true
	case len(tag) == 2:
		return s.trace(session), true
	default:
		return s.Parts[s.at(uint32(n))], true
	}
}

func (p Partition) Session(s string) string  { return p.prefix + "s:" + s }
func (p Partition) Log(s string) string      { return p.prefix + "s:" + s + ":log" }
func (p Partition) Unread(s string) string   { return p.prefix + "s:" + s + ":unread" }
func (p Partition) Read(s string) string     { return p.prefix + "s:" + s + ":read" }
func (p Partition) Keys(s string) string     { return p.prefix + "s:" + s + ":keys" }
func (p Partition) Authors(s string) string  { return p.prefix + "s:" + s + ":authors" }
func (p Partition) Recalled(s string) string { return p.prefix + "s:" + s + ":recalled" }

func (p Partition) Timers() string           { return p.prefix + "timers" }
func (p Partition) Dirty() string            { return p.prefix + "dirty" }
func (p Partition) Aside() string            { return p.prefix + "aside" }
func (p Partition) Late() string             { return p.prefix + "late" }
func (p Partition) Hooks() string            { return p.prefix + "hooks" }
func (p Partition) HooksLate() string        { return p.prefix + "hooks-late" }
func (p Partition) Dead() string             { return p.prefix + "dead" }
func (p Partition) Outbox() string           { return p.prefix + "outbox" }
func (p Partition) Sessions() string         { return p.prefix + "sessions" }
func (p Partition) States() string           { return p.prefix + "states" }
func (p Partition) Labelled() string         { return p.prefix + "labelled" }
func (p Partition) Agents() string           { return p.prefix + "agents" }
func (p Partition) Named() string            { return p.prefix + "named" }
func (p Partition) Crews() string            { return p.prefix + "crews" }
func (p Partition) Presences() string        { return p.prefix + "presences" }
func (p Partition) Dispatchers() string      { return p.prefix + "dispatchers" }
func (p Partition) Nodes() string            { return p.prefix + "nodes" }
func (p Partition) Clearing() string         { return p.prefix + "clearing" }
func (p Partition) Leases() string           { return p.prefix + "leases" }
func (p Partition) Epoch() string            { return p.prefix + "epoch" }
func (p Partition) Alive() string            { return p.prefix + "alive" }
func (p Partition) Epochs() string           { return p.prefix + "epochs" }
func (p Partition) Recovering() string       { return p.prefix + "recovering" }
func (p Partition) Stats() string            { return p.prefix + "stats" }
func (p Partition) Fence() string            { return p.prefix + "fence" }
func (p Partition) Flusher() string          { return p.prefix + "flusher" }
func (p Partition) Strange() string          { return p.prefix + "strange" }
func (p Partition) Rules() string            { return p.prefix + "rules" }
func (p Partition) Queues() string           { return p.prefix + "queues" }
func (p Partition) Node(n string) string     { return p.prefix + "node:" + n }
func (p Partition) Token(h string) string    { return p.prefix + "token:" + h }
func (p Partition) Move(id string) string    { return p.prefix + "move:" + id }
func (p Partition) Left(id string) string    { return p.prefix + "move:" + id + ":left" }
func (p Partition) Failed(id string) string  { return p.prefix + "move:" + id + ":failed" }
func (p Partition) Waiting(q string) string  { return p.prefix + "waiting:" + q }
func (p Partition) Dispatch(q string) string { return p.prefix + "dispatch:" + q }

// Canned replies, and, by their scope, their ids by shortcut.
func (p Partition) Canned() string                { return p.prefix + "canned" }
func (p Partition) Shortcuts(scope string) string { return p.prefix + "canned:" + scope }

// Profile is also the participant's own channel.
func (p Partition) Profile(who string) string { return p.prefix + "profile:" + who }
func (p Partition) Ahead(who string) string   { return p.prefix + "ahead:" + who }
func (p Partition) Conns(who string) string   { return p.prefix + "conns:" + who }
func (p Partition) Open(user string) string   { return p.prefix + "open:" + user }
func (p Partition) Mine(who string) string    { return p.prefix + "mine:" + who }
func (p Partition) Listed(who string) string  { return p.prefix + "listed:" + who }
func (p Partition) Load(agent string) string  { return p.prefix + "load:" + agent }

// Uploads counts a participant's bytes of a day.
func (p Partition) Uploads(who string) string { return p.prefix + "uploads:" + who }

// Rate counts what a participant does; what is one of the words in people/limits.go.
func (p Partition) Rate(what, who string) string { return p.prefix + "rate:" + what + ":" + who }

// Frozen is what one of the partition's keys is called while it waits to be copied.
func (p Partition) Frozen(name string) string { return "{" + p.Tag + "}~" + name }

// Thawed takes such a key apart: its tag and what comes after.
func Thawed(key string) (tag, name string, ok bool) {
	if key == "" || key[0] != '{' {
		return "", "", false
	}
	return strings.Cut(key[1:], "}~")
}

// Key is the partition's key of a name that Tagged or Thawed gave.
func (p Partition) Key(name string) string { return p.prefix + name }

// Looked gives the keys of look.lua.
func (p Partition) Looked(s string) []string {
	return []string{p.Session(s), p.Unread(s), p.Read(s), p.Log(s), p.Recalled(s)}
}

// Transition gives the keys of a transition's script: those it begins with, its
// own, and last the sessions by state, what tells of changed settings, and the statistics.
func (p Partition) Transition(s string, more ...string) []string {
	keys := append([]string{p.Session(s), p.Log(s), p.Unread(s), p.Read(s), p.Authors(s), p.Timers(), p.Dirty(),
		p.Outbox()}, more...)
	return append(keys, p.States(), p.Rules(), p.Stats())
}
