package archiving

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

// Revived is a session on its way back from the archive into Redis.
type Revived struct {
	Doc     archive.Session
	Hash    chat.Flat
	Marks   chat.Flat
	Seq     int64
	Authors []byte           // two bytes a message, as lib/unread.lua has it
	Codes   map[string]int64 // participant → its code there
	next    int64            // the next code
	keys    []any            // hash of sender and key, seq, …
	over    *Older           // what Redis has of it, if that is to be replaced
	tail    []chat.Entry     // the newest, the only ones that go into the log
}

// RevivePage is how much of a session is read from the archive at once.
const RevivePage = 1000 // messages read at a time

// RestoreSession writes all of an archived session into Redis, in one step at
// the end: until then nobody sees it, and it may be begun anew at any time. The
// messages tell how far it had got: the document may be a little older. Not
// fresh if the session was there already, and is not as over has it.
func (a *Archiver) RestoreSession(ctx context.Context, doc archive.Session, over *Older) (r *Revived, fresh bool, err error) {
	a.store.Learn(doc.ID, doc.User)
	p, ok := a.store.Of(doc.ID)
	if !ok {
		return nil, false, chat.Errorf(chat.CodeInternal, "the archive has a session %q, whose id is none of this deployment's", doc.ID)
	}
	r = &Revived{Doc: doc, Codes: map[string]int64{}, over: over}
	if err := r.begin(); err != nil {
		return nil, false, fmt.Errorf("session %s: %w", doc.ID, err)
	}
	for {
		page, err := a.archive.Messages(ctx, doc.ID, r.Seq+1, r.Seq+RevivePage)
		if err != nil {
			return nil, false, store.ArchiveError("messages", err)
		}
		if len(page) == 0 {
			break
		}
		r.add(page)
		if err := a.restoreKeys(ctx, p, r); err != nil {
			return nil, false, err
		}
	}
	fresh, err = a.finishRevival(ctx, p, r)
	return r, fresh, err
}

// begin reads the document.
func (r *Revived) begin() error {
	var snap struct{ S, R chat.Flat }
	if err := json.Unmarshal([]byte(r.Doc.Snapshot), &snap); err != nil {
		return err
	}
	r.Hash, r.Marks, r.next = snap.S, snap.R, max(16, snap.S.Num("codes"))
	for name := range r.Hash {
		if len(name) > 4 && name[:2] == "c:" {
			r.Codes[name[2:]] = r.Hash.Num(name)
		}
	}
	return nil
}

// add takes the next messages. A seq that is missing was refused by the archive
// and is lost: a recalled message takes its place, lest there be a gap.
func (r *Revived) add(page []archive.Message) {
	page = slices.DeleteFunc(page, func(m archive.Message) bool { return m.Superseded })
	slices.SortStableFunc(page, func(x, y archive.Message) int {
		return cmp.Or(cmp.Compare(x.Seq, y.Seq), cmp.Compare(x.Mid, y.Mid))
	})
	for i := range page {
		m := &page[i]
		if i+1 < len(page) && page[i+1].Seq == m.Seq {
			continue // see moved
		}
		for r.Seq++; r.Seq < m.Seq; r.Seq++ {
			r.take(chat.Entry{Seq: r.Seq, At: m.At, Head: chat.Head(ulid.Make().String(), chat.Author{Role: chat.RoleSystem}, chat.TypeSystem, 0)})
		}
		e := store.FromArchive(m)
		if e.By != "" {
			mid := m.Mid
			r.keys = append(r.keys, store.KeyHash(e.By, e.Key, mid), m.Seq)
		}
		r.take(e)
	}
}

func (r *Revived) take(e chat.Entry) {
	code := r.code(e.By)
	high := byte(code >> 8) //nolint:gosec // codes stay below 32768
	if e.Note {
		high |= 0x80
	}
	r.Authors = append(r.Authors, high, byte(code)) //nolint:gosec // its lower half
	if r.tail = append(r.tail, e); len(r.tail) > 2*KeepLog {
		r.tail = slices.Clone(r.tail[len(r.tail)-KeepLog:])
	}
}

// code is an author's, as send.lua counts: 0 for the broker itself.
func (r *Revived) code(by string) int64 {
	switch by {
	case "":
		return 0
	case "h:system":
		return 3
	case "h:bot":
		return 4
	}
	c, ok := r.Codes[by]
	if !ok { // came in after the document was written
		c = r.next
		r.Codes[by] = c
		r.Hash["c:"+by] = strconv.FormatInt(c, 10)
		r.next++
	}
	return c
}

// restoreKeys writes the keys read so far; a session that is not there yet does not mind.
func (a *Archiver) restoreKeys(ctx context.Context, p store.Partition, r *Revived) error {
	keys := r.keys
	r.keys = nil
	if len(keys) == 0 {
		return nil
	}
	return store.RedisError("restore", a.store.Redis.HSet(ctx, p.Keys(r.Doc.ID), keys...).Err())
}

// Unread counts anew: others' messages above the mark that the reader may see.
func (r *Revived) Unread(w string) int64 {
	return chat.CountUnread(r.Authors, r.Codes[w], w, r.Marks.Num(w), r.Seq)
}

func (a *Archiver) finishRevival(ctx context.Context, p store.Partition, r *Revived) (bool, error) {
	f := r.Hash
	f["seq"], f["archived"], f["recalls"], f["aside"] = strconv.FormatInt(r.Seq, 10), strconv.FormatInt(r.Seq, 10), "", ""
	f["codes"] = strconv.FormatInt(r.next, 10)
	blocked, err := a.store.Pipe.HExists(ctx, p.Profile(chat.Who(chat.RoleUser, f["user"])), "blocked").Result()
	if err != nil {
		return false, store.RedisError("restore", err)
	}
	delete(f, "blocked") // as it was when it was archived
	if blocked {
		f["blocked"] = "1"
	}
	unread, recalled := chat.Flat{}, chat.Flat{}
	if r.over != nil {
		for w, mark := range r.over.Marks {
			if _, in := r.Marks[w]; in && mark > r.Marks.Num(w) {
				r.Marks[w] = strconv.FormatInt(mark, 10)
			}
		}
	}
	for w := range r.Marks {
		if r.Marks.Num(w) > r.Seq {
			r.Marks[w] = f["seq"]
		}
		unread[w] = strconv.FormatInt(r.Unread(w), 10)
	}
	args := []any{"", r.Authors}
	for _, e := range r.tail[max(0, len(r.tail)-KeepLog):] {
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
		Over     *Older   `json:"over,omitempty"`
	}{r.Doc.ID, f.Pairs(), unread.Pairs(), r.Marks.Pairs(), recalled.Pairs(), a.after.Milliseconds(), r.over})
	s, user, queue, was := r.Doc.ID, f["user"], f["queue"], f["queue"]
	if r.over != nil {
		was = r.over.Queue
	}
	reply, err := a.store.Run(ctx, "revive", p.Transition(s, p.Recalled(s), p.Waiting(queue), p.Open(user),
		p.Listed(chat.Who(chat.RoleUser, user)), p.Sessions(), p.Waiting(was), p.Labelled()), args...)
	return reply.Str(0) == "ok", err
}

// RestorePlaces gives the agents' partitions back what they knew of a session.
// It may be repeated while nobody else changes it.
func (a *Archiver) RestorePlaces(ctx context.Context, r *Revived) error {
	f, s := r.Hash, r.Doc.ID
	ended := r.Doc.State == string(chat.Ended)
	_, err := a.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, agent := range r.Doc.Agents {
			w, home, role := chat.Who(chat.RoleAgent, agent), a.store.Home(agent), "past"
			switch {
			case f["agent"] == agent:
				role = "owner"
			case f["as:"+agent] != "":
				role = "assistant"
			}
			pipe.ZAdd(ctx, home.Listed(w), redis.Z{Score: float64(r.Doc.Created), Member: s})
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
			home := a.store.Home(agent)
			pipe.HSet(ctx, home.Load(agent), s, token+"|held")
			if agent == f["target"] {
				pipe.HSetNX(ctx, home.Mine(chat.Who(chat.RoleAgent, agent)), s, f["rev"]+"|target|0")
			}
		}
		return nil
	})
	return store.RedisError("restore", err)
}

// Older is what Redis has of a session that comes back from the archive.
type Older struct {
	Rev   string `json:"rev"`
	Seq   string `json:"seq"`
	Ops   string `json:"ops"`
	Queue string `json:"queue"`
	Reads int64  `json:"reads"` // sum of the marks

	Marks map[string]int64 `json:"-"`
}
