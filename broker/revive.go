package broker

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// revived is a session on its way back from the archive into Redis.
type revived struct {
	doc     archive.Session
	hash    chat.Flat
	read    chat.Flat
	seq     int64
	authors []byte           // two bytes a message, as lib/unread.lua has it
	codes   map[string]int64 // participant → its code there
	next    int64            // the next code
	keys    []any            // hash of sender and key, seq, …
	over    *older           // what Redis has of it, if that is to be replaced
	tail    []chat.Entry     // the newest, the only ones that go into the log
}

// revive brings an ended session that has left Redis back.
func (b *Broker) revive(ctx context.Context, session string) error {
	st, doc, err := b.FromShelf(ctx, session)
	if err != nil {
		return err
	}
	if st.State != chat.Ended {
		return chat.Errorf(chat.CodeNotFound, "no such session") // lost with its Redis: restore has not been run
	}
	r, fresh, err := b.restoreSession(ctx, doc, nil)
	if err != nil || !fresh {
		return err
	}
	return b.restorePlaces(ctx, r)
}

const revivePage = 1000 // messages read at a time

// restoreSession writes all of an archived session into Redis, in one step at
// the end: until then nobody sees it, and it may be begun anew at any time. The
// messages tell how far it had got: the document may be a little older. Not
// fresh if the session was there already, and is not as over has it.
func (b *Broker) restoreSession(ctx context.Context, doc archive.Session, over *older) (r *revived, fresh bool, err error) {
	p, ok := b.Of(doc.ID)
	if !ok {
		return nil, false, chat.Errorf(chat.CodeInternal, "the archive has a session %q, whose id is none of this deployment's", doc.ID)
	}
	r = &revived{doc: doc, codes: map[string]int64{}, over: over}
	if err := r.begin(); err != nil {
		return nil, false, fmt.Errorf("session %s: %w", doc.ID, err)
	}
	for {
		page, err := b.archiver.store.Messages(ctx, doc.ID, r.seq+1, r.seq+revivePage)
		if err != nil {
			return nil, false, store.ArchiveError("messages", err)
		}
		if len(page) == 0 {
			break
		}
		r.add(page)
		if err := b.restoreKeys(ctx, p, r); err != nil {
			return nil, false, err
		}
	}
	fresh, err = b.finishRevival(ctx, p, r)
	return r, fresh, err
}

// begin reads the document.
func (r *revived) begin() error {
	var snap struct{ S, R chat.Flat }
	if err := json.Unmarshal([]byte(r.doc.Snapshot), &snap); err != nil {
		return err
	}
	r.hash, r.read, r.next = snap.S, snap.R, max(16, snap.S.Num("codes"))
	for name := range r.hash {
		if len(name) > 4 && name[:2] == "c:" {
			r.codes[name[2:]] = r.hash.Num(name)
		}
	}
	return nil
}

// add takes the next messages. A seq that is missing was refused by the archive
// and is lost: a recalled message takes its place, lest there be a gap.
func (r *revived) add(page []archive.Message) {
	page = slices.DeleteFunc(page, func(m archive.Message) bool { return m.Superseded })
	slices.SortStableFunc(page, func(x, y archive.Message) int {
		return cmp.Or(cmp.Compare(x.Seq, y.Seq), cmp.Compare(x.Mid, y.Mid))
	})
	for i := range page {
		m := &page[i]
		if i+1 < len(page) && page[i+1].Seq == m.Seq {
			continue // see moved
		}
		for r.seq++; r.seq < m.Seq; r.seq++ {
			r.take(chat.Entry{Seq: r.seq, At: m.At, Head: chat.Head(ulid.Make().String(), chat.Author{Role: chat.RoleSystem}, chat.TypeSystem, 0)})
		}
		e := store.FromArchive(m)
		if e.By != "" {
			mid := m.Mid
			r.keys = append(r.keys, keyHash(e.By, e.Key, mid), m.Seq)
		}
		r.take(e)
	}
}

func (r *revived) take(e chat.Entry) {
	code := r.code(e.By)
	high := byte(code >> 8) //nolint:gosec // codes stay below 32768
	if e.Note {
		high |= 0x80
	}
	r.authors = append(r.authors, high, byte(code)) //nolint:gosec // its lower half
	if r.tail = append(r.tail, e); len(r.tail) > 2*keepLog {
		r.tail = slices.Clone(r.tail[len(r.tail)-keepLog:])
	}
}

// code is an author's, as send.lua counts: 0 for the broker itself.
func (r *revived) code(by string) int64 {
	switch by {
	case "":
		return 0
	case "h:system":
		return 3
	case "h:bot":
		return 4
	}
	c, ok := r.codes[by]
	if !ok { // came in after the document was written
		c = r.next
		r.codes[by] = c
		r.hash["c:"+by] = strconv.FormatInt(c, 10)
		r.next++
	}
	return c
}

// restoreKeys writes the keys read so far; a session that is not there yet does not mind.
func (b *Broker) restoreKeys(ctx context.Context, p store.Partition, r *revived) error {
	keys := r.keys
	r.keys = nil
	if len(keys) == 0 {
		return nil
	}
	return store.RedisError("restore", b.Redis.HSet(ctx, p.Keys(r.doc.ID), keys...).Err())
}

// unread counts anew: others' messages above the mark that the reader may see.
func (r *revived) unread(w string) int64 {
	own, user, n := r.codes[w], w[0] == 'u', int64(0)
	for seq := r.read.Num(w) + 1; seq <= r.seq; seq++ {
		high, low := r.authors[2*seq-2], r.authors[2*seq-1]
		code := int64(high&0x7f)<<8 | int64(low)
		if code != 0 && code != own && !(user && high&0x80 != 0) {
			n++
		}
	}
	return n
}

func (b *Broker) finishRevival(ctx context.Context, p store.Partition, r *revived) (bool, error) {
	f := r.hash
	f["seq"], f["archived"], f["recalls"], f["aside"] = strconv.FormatInt(r.seq, 10), strconv.FormatInt(r.seq, 10), "", ""
	f["codes"] = strconv.FormatInt(r.next, 10)
	blocked, err := b.Pipe.HExists(ctx, p.Profile(chat.Who(chat.RoleUser, f["user"])), "blocked").Result()
	if err != nil {
		return false, store.RedisError("restore", err)
	}
	delete(f, "blocked") // as it was when it was archived
	if blocked {
		f["blocked"] = "1"
	}
	unread, recalled := chat.Flat{}, chat.Flat{}
	if r.over != nil {
		for w, mark := range r.over.read {
			if _, in := r.read[w]; in && mark > r.read.Num(w) {
				r.read[w] = strconv.FormatInt(mark, 10)
			}
		}
	}
	for w := range r.read {
		if r.read.Num(w) > r.seq {
			r.read[w] = f["seq"]
		}
		unread[w] = strconv.FormatInt(r.unread(w), 10)
	}
	args := []any{"", r.authors}
	for _, e := range r.tail[max(0, len(r.tail)-keepLog):] {
		if e.Body == "" {
			recalled[strconv.FormatInt(e.Seq, 10)] = chat.Encode(map[string]string{"at": strconv.FormatInt(e.At, 10), "by": e.By,
				"key": e.Key, "h": e.Head})
			continue
		}
		args = append(args, e.Seq, e.At, e.By, e.Key, e.Head, e.Body)
	}
	args[0] = chat.Encode(struct {
		Session  string   `json:"session"`
		Hash     []string `json:"hash"`
		Unread   []string `json:"unread"`
		Read     []string `json:"read"`
		Recalled []string `json:"recalled"`
		Expire   int64    `json:"expire"` // ms
		Over     *older   `json:"over,omitempty"`
	}{r.doc.ID, f.Pairs(), unread.Pairs(), r.read.Pairs(), recalled.Pairs(), b.archiver.expire.Milliseconds(), r.over})
	s, user, queue, was := r.doc.ID, f["user"], f["queue"], f["queue"]
	if r.over != nil {
		was = r.over.Queue
	}
	reply, err := b.Run(ctx, "revive", p.Transition(s, p.Recalled(s), p.Waiting(queue), p.Open(user),
		p.Listed(chat.Who(chat.RoleUser, user)), p.Sessions(), p.Waiting(was)), args...)
	return reply.Str(0) == "ok", err
}

// restorePlaces gives the agents' partitions back what they knew of a session.
// It may be repeated while nobody else changes it.
func (b *Broker) restorePlaces(ctx context.Context, r *revived) error {
	f, s := r.hash, r.doc.ID
	ended := r.doc.State == string(chat.Ended)
	_, err := b.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, agent := range r.doc.Agents {
			w, home, role := chat.Who(chat.RoleAgent, agent), b.Home(agent), "past"
			switch {
			case f["agent"] == agent:
				role = "owner"
			case f["as:"+agent] != "":
				role = "assistant"
			}
			pipe.ZAdd(ctx, home.Listed(w), redis.Z{Score: float64(r.doc.Created), Member: s})
			if !ended && role != "past" {
				pipe.HSet(ctx, home.Mine(w), s, f["rev"]+"|"+role+"|0")
			}
		}
		if ended {
			return nil
		}
		for agent, token := range map[string]string{f["agent"]: f["agent_res"], f["target"]: f["target_res"]} {
			if agent == "" {
				continue
			}
			home := b.Home(agent)
			pipe.HSet(ctx, home.Load(agent), s, token+"|held")
			if agent == f["target"] {
				pipe.HSetNX(ctx, home.Mine(chat.Who(chat.RoleAgent, agent)), s, f["rev"]+"|target|0")
			}
		}
		return nil
	})
	return store.RedisError("restore", err)
}
