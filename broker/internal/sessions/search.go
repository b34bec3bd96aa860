package sessions

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"bellhop/archive"
	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

const maxQuery = 200 // bytes

// Search finds archived messages: all for host applications and supervisors, of
// sessions they took part in for agents, of their own sessions and without notes
// for users. What was sent within the last seconds is not archived yet.
func (rd *Reader) Search(ctx context.Context, a chat.Actor, r chat.SearchRequest) (chat.SearchReply, error) {
	q, limit, err := rd.searchQuery(a, r)
	if err != nil {
		return chat.SearchReply{}, err
	}
	reply, room, strange := chat.SearchReply{Messages: []chat.Found{}}, chat.NewPage(), map[string]bool{}
	for {
		page, err := rd.archive.Search(ctx, q)
		if err != nil {
			return reply, store.ArchiveError("search", err)
		}
		recalled, err := rd.recalledSince(ctx, page)
		if err != nil {
			return reply, err
		}
		if err := rd.foreign(ctx, a, page, strange); err != nil {
			return reply, err
		}
		for i := range page {
			m := &page[i]
			if recalled[i] || strange[m.Session] {
				continue
			}
			e := chat.WithBase(rd.base, store.FromArchive(m))
			msg, err := e.Message(m.Session, m.By == chat.Who(a.Role, a.ID))
			if err != nil {
				return reply, err
			}
			found := chat.Found{Message: msg, Snippet: archive.Snippet(m.Text(), q.Words), Superseded: m.Superseded}
			if n := len(reply.Messages); n == limit || !room.Fits(chat.Sized(found)) {
				last := reply.Messages[n-1]
				reply.Cursor = strconv.FormatInt(last.At.UnixMilli(), 10) + "." + last.Mid
				return reply, nil
			}
			reply.Messages = append(reply.Messages, found)
		}
		if len(page) < q.Limit {
			return reply, nil
		}
		last := page[len(page)-1]
		q.Before = &archive.MessagePlace{At: last.At, Mid: last.Mid}
	}
}

func (rd *Reader) searchQuery(a chat.Actor, r chat.SearchRequest) (q archive.SearchQuery, limit int, err error) {
	if rd.archive == nil {
		return q, 0, chat.Errorf(chat.CodeNotFound, "there is no archive to search")
	}
	if limit, err = chat.ListLimit(r.Limit); err != nil {
		return q, 0, err
	}
	if !utf8.ValidString(r.Query) {
		return q, 0, chat.Errorf(chat.CodeBadRequest, "q: not UTF-8")
	}
	if len(r.Query) > maxQuery {
		return q, 0, chat.Errorf(chat.CodeTooLarge, "q: at most %d bytes", maxQuery)
	}
	q = archive.SearchQuery{Words: archive.Words(r.Query), OldWords: archive.OldWords(r.Query), Queue: r.Queue, User: r.User,
		Since: r.Since, Until: r.Until, Limit: limit + 1}
	if len(q.Words) == 0 {
		return q, 0, chat.Errorf(chat.CodeBadRequest, "q: at least one word")
	}
	if r.Agent != "" {
		q.Agents = append(q.Agents, r.Agent)
	}
	switch {
	case a.SeesAll():
	case a.Role.Staff():
		q.Agents = append(q.Agents, a.ID)
	case r.User != "" && r.User != a.ID:
		return q, 0, chat.Errorf(chat.CodeForbidden, "user: only yourself")
	default:
		q.User, q.NoNotes = a.ID, true
	}
	if r.Cursor != "" {
		at, mid, _ := strings.Cut(r.Cursor, ".")
		n, err := strconv.ParseInt(at, 10, 64)
		if err != nil || mid == "" || len(mid) > chat.MaxID || !utf8.ValidString(mid) {
			return q, 0, chat.Errorf(chat.CodeBadRequest, "cursor: none of ours")
		}
		q.Before = &archive.MessagePlace{At: n, Mid: mid}
	}
	return q, limit, nil
}

// foreign finds the sessions of a page in which an agent took no part, though it is archived as
// theirs: earlier versions put those there who had only declined an offer.
func (rd *Reader) foreign(ctx context.Context, a chat.Actor, page []archive.Message, known map[string]bool) error {
	if a.SeesAll() || !a.Role.Staff() {
		return nil
	}
	var fresh []string
	for i := range page {
		if _, seen := known[page[i].Session]; !seen {
			known[page[i].Session] = true
			fresh = append(fresh, page[i].Session)
		}
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readAtOnce)
	for _, session := range fresh {
		g.Go(func() error {
			st, err := rd.Look(ctx, session)
			if errors.Is(err, &chat.Error{Code: chat.CodeNotFound}) {
				return nil // its messages were archived, and nothing else
			}
			took := false
			if err == nil {
				took, err = rd.TookPart(ctx, st, chat.Who(a.Role, a.ID))
			}
			mu.Lock()
			defer mu.Unlock()
			known[session] = !took
			return err
		})
	}
	return g.Wait()
}

// readAtOnce is how many sessions are looked at in parallel.
const readAtOnce = 16

// recalledSince tells which messages were recalled, though the archive does not know yet.
func (rd *Reader) recalledSince(ctx context.Context, page []archive.Message) ([]bool, error) {
	out := make([]bool, len(page))
	cmds := make([]*redis.BoolCmd, len(page))
	if len(page) == 0 {
		return out, nil
	}
	_, err := rd.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i := range page {
			rd.store.Learn(page[i].Session, page[i].User)
			p, ok := rd.store.Of(page[i].Session)
			if ok && !page[i].Superseded {
				cmds[i] = pipe.HExists(ctx, p.Recalled(page[i].Session), strconv.FormatInt(page[i].Seq, 10))
			}
		}
		return nil
	})
	for i, c := range cmds {
		out[i] = c != nil && c.Val()
	}
	return out, store.RedisError("recalled", err)
}
