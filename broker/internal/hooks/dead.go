package hooks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// letter is an event that was given up, as Redis keeps it: not its body, which
// is made anew of the log or the archive when it is replayed.
type letter struct {
	Event   string `json:"event"`
	Kind    string `json:"kind"`
	Session string `json:"session"`
	Seq     int64  `json:"seq"`
	At      int64  `json:"at"` // ms
	Step    int64  `json:"step"`
	Tries   int64  `json:"tries"`
	Error   string `json:"error"`
}

// grave is where a dead letter is: two numbers that Redis gave it, and its partition.
type grave struct {
	ms, n uint64
	part  int
}

func (g grave) String() string { return fmt.Sprintf("%02x-%d-%d", g.part, g.ms, g.n) }
func (g grave) entry() string  { return fmt.Sprintf("%d-%d", g.ms, g.n) }

func (g grave) compare(o grave) int {
	return cmp.Or(cmp.Compare(g.ms, o.ms), cmp.Compare(g.part, o.part), cmp.Compare(g.n, o.n))
}

func (h *Teller) parseGrave(id string) (g grave, ok bool) {
	f := strings.Split(id, "-")
	if len(f) != 3 {
		return g, false
	}
	part, err1 := strconv.ParseUint(f[0], 16, 8)
	ms, err2 := strconv.ParseUint(f[1], 10, 63)
	n, err3 := strconv.ParseUint(f[2], 10, 63)
	g = grave{ms, n, int(part)}
	return g, errors.Join(err1, err2, err3) == nil && g.part < len(h.store.Parts) && g.String() == id
}

// Dead lists the events that were given up, the oldest first, at most so many at a time.
func (h *Teller) Dead(ctx context.Context, limit int, cursor string) (chat.DeadLetters, error) {
	after := grave{part: -1}
	if cursor != "" {
		var ok bool
		if after, ok = h.parseGrave(cursor); !ok {
			return chat.DeadLetters{}, chat.Errorf(chat.CodeBadRequest, "cursor: not one of ours")
		}
	}
	cmds := make([]*redis.XMessageSliceCmd, len(h.store.Parts))
	_, err := h.store.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range h.store.Parts {
			from := strconv.FormatUint(after.ms, 10) // of the same millisecond, too
			switch {
			case i == after.part:
				from = "(" + after.entry()
			case i < after.part:
				from = strconv.FormatUint(after.ms+1, 10)
			}
			cmds[i] = pipe.XRangeN(ctx, p.Dead(), from, "+", int64(limit)+1)
		}
		return nil
	})
	if err != nil {
		return chat.DeadLetters{}, store.RedisError("dead letters", err)
	}
	var graves []grave
	texts := map[grave]string{}
	for i, cmd := range cmds {
		for _, m := range cmd.Val() {
			g, ok := h.parseGrave(fmt.Sprintf("%02x-%s", i, m.ID))
			if text, _ := m.Values["letter"].(string); ok {
				graves, texts[g] = append(graves, g), text
			}
		}
	}
	slices.SortFunc(graves, grave.compare)
	page, room := chat.DeadLetters{Dead: []chat.DeadLetter{}}, chat.NewPage()
	for i, g := range graves {
		l, err := parseLetter(texts[g])
		if err != nil {
			return page, err
		}
		dead := chat.DeadLetter{ID: g.String(), Event: l.Event, Type: l.Kind, Session: l.Session, Seq: l.Seq, At: chat.At(l.At),
			Died: chat.At(int64(g.ms)), Attempts: l.Tries, Error: l.Error} //nolint:gosec // 63 bits
		if i == limit || !room.Fits(chat.Sized(dead)) {
			page.Cursor = graves[i-1].String()
			break
		}
		page.Dead = append(page.Dead, dead)
	}
	return page, nil
}

func parseLetter(text string) (l letter, err error) {
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return l, fmt.Errorf("dead letter: %w", err)
	}
	return l, nil
}

// Replay tries once more to deliver an event that was given up, with
// the id it had, and removes it once it is taken. CodeUnavailable: it was not,
// and stays; CodeWrongState: there is no hook.
func (h *Teller) Replay(ctx context.Context, id string) error {
	if h.hook == nil {
		return chat.Errorf(chat.CodeWrongState, "there is no webhook")
	}
	g, ok := h.parseGrave(id)
	if !ok {
		return errNoLetter()
	}
	p := h.store.Parts[g.part]
	found, err := h.store.Redis.XRange(ctx, p.Dead(), g.entry(), g.entry()).Result()
	if err != nil {
		return store.RedisError("dead letters", err)
	}
	if len(found) == 0 {
		return errNoLetter()
	}
	text, _ := found[0].Values["letter"].(string)
	l, err := parseLetter(text)
	if err != nil {
		return err
	}
	ev, err := h.exhume(ctx, l)
	if err != nil {
		return err
	}
	if err := h.attempt(ctx, ev); err != nil {
		return &chat.Error{Code: chat.CodeUnavailable, Message: "it was not taken: " + short(err.Error(), 300), Err: err}
	}
	return store.RedisError("dead letters", h.store.Redis.XDel(ctx, p.Dead(), g.entry()).Err())
}

// exhume makes a letter's event anew.
func (h *Teller) exhume(ctx context.Context, l letter) (*event, error) {
	st, err := h.sessions.Look(ctx, l.Session)
	if err != nil {
		return nil, err
	}
	found, err := h.sessions.ReadLog(ctx, l.Session, l.Seq, l.Seq)
	if err != nil {
		return nil, err
	}
	var ev *event
	switch {
	case len(found) == 0:
	case l.Kind == unheardType:
		ev, err = h.unheardEvent(st, &found[0])
	default:
		ev, err = h.event(ctx, st, &found[0])
	}
	if err == nil && (ev == nil || ev.id != l.Event) {
		return nil, chat.Errorf(chat.CodeNotFound, "the message is lost that it is about")
	}
	return ev, err
}

// Discard removes a dead letter for good.
func (h *Teller) Discard(ctx context.Context, id string) error {
	g, ok := h.parseGrave(id)
	if !ok {
		return errNoLetter()
	}
	n, err := h.store.Redis.XDel(ctx, h.store.Parts[g.part].Dead(), g.entry()).Result()
	if err != nil {
		return store.RedisError("dead letters", err)
	}
	if n == 0 {
		return errNoLetter()
	}
	return nil
}

func errNoLetter() error { return chat.Errorf(chat.CodeNotFound, "no such dead letter") }

// short is the beginning of a text, at most n bytes of whole characters.
func short(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
