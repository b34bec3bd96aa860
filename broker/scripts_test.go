package broker

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/people"
	"bellhop/broker/internal/places"
	"bellhop/broker/internal/store"
	"bellhop/internal/testenv"
)

// stage is a session brought into a state, with all who may act on it. ann owns
// it from serving on; bea is the target while it is transferring.
type stage struct {
	t             *testing.T
	b             *Broker
	p             store.Partition
	q, q2         string
	session, user string
	ann, bea, cay string
	op            string // of the transition under test, the same in both runs
	key           string
	places        map[string]places.Place
}

func newStage(t *testing.T, b *Broker, s chat.State) *stage {
	ctx := t.Context()
	g := &stage{t: t, b: b, q: name("q"), q2: name("q"), ann: name("ann"), bea: name("bea"), cay: name("cay"),
		user: name("uma"), op: ulid.Make().String(), key: name("k"), places: map[string]places.Place{}}
	for _, a := range []string{g.ann, g.bea, g.cay} {
		require.NoError(t, b.people.Introduce(ctx, chat.Identity{Role: chat.RoleAgent, ID: a, Queues: []string{g.q}, Capacity: 5}))
		_, err := b.people.SetStatus(ctx, a, chat.Online)
		require.NoError(t, err)
	}
	opened, err := b.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: g.user}, Queue: g.q})
	require.NoError(t, err)
	g.session = opened.ID
	g.p, _ = b.store.Of(opened.ID)
	as := func(id string) chat.Actor {
		return chat.Actor{Identity: chat.Identity{Role: chat.RoleAgent, ID: id, Queues: []string{g.q}}}
	}
	uma := chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: g.user}}
	_, err = b.Send(ctx, uma, chat.SendRequest{Session: g.session, Body: []byte(`"first"`)})
	require.NoError(t, err)
	if s != chat.Waiting {
		_, err = b.Grab(ctx, as(g.ann), g.session)
		require.NoError(t, err)
	}
	switch s {
	case chat.Transferring:
		_, err = b.Transfer(ctx, as(g.ann), chat.TransferRequest{Session: g.session, Agent: g.bea})
	case chat.Ending:
		_, err = b.End(ctx, as(g.ann), chat.EndRequest{Session: g.session})
	case chat.Ended:
		_, err = b.End(ctx, uma, chat.EndRequest{Session: g.session})
	}
	require.NoError(t, err)
	return g
}

func (g *stage) call() call { return call{g.op, g.session} }

func (g *stage) caller(by string) caller { return caller{call: g.call(), By: by} }

func (g *stage) boss(by string) caller { return caller{g.call(), by, true} }

func (g *stage) run(script string, s any, more ...string) store.Reply {
	g.t.Helper()
	r, err := g.b.store.RunJSON(g.t.Context(), script, g.p.Transition(g.session, more...), s)
	require.NoError(g.t, err)
	return r
}

// place reserves once for each agent: both runs of a claim bring the same one.
func (g *stage) place(agent string) places.Place {
	if pl, ok := g.places[agent]; ok {
		return pl
	}
	pl, err := g.b.places.Reserve(g.t.Context(), chat.Identity{ID: agent, Role: chat.RoleAgent}, g.session, places.Only{})
	require.NoError(g.t, err)
	g.places[agent] = pl
	return pl
}

func (g *stage) claim(agent string) store.Reply {
	return g.run("claim", claimArgs{call: g.call(), Place: g.place(agent)}, g.p.Waiting(g.q))
}

func (g *stage) send(by string) store.Reply {
	g.t.Helper()
	p, s := g.p, g.session
	keys := []string{p.Session(s), p.Log(s), p.Unread(s), p.Read(s), p.Authors(s), p.Keys(s), p.Rate(people.RateSend, by)}
	r, err := g.b.sends.Run(g.t.Context(), p, keys, s, by, g.key, g.key, chat.Head(g.op, chat.Author{}, chat.TypeText, 0), `"x"`, "m", "", 0, 1, 1, "", "", "")
	require.NoError(g.t, err)
	return r
}

// transitions under test: who does what, and what each state answers.
var matrix = []struct {
	name   string
	do     func(g *stage) store.Reply
	first  [5]string // waiting, serving, transferring, ending, ended
	second map[string]string
}{
	{"open by the user", func(g *stage) store.Reply {
		id := g.p.Index
		s := fmt.Sprintf("%02x-%s", id, g.op)
		return g.b.mustRun(g.t, "open", g.p.Transition(s, g.p.Waiting(g.q), g.p.Open(g.user), g.p.Listed("u:"+g.user),
			g.p.Sessions(), g.p.Profile("u:"+g.user), g.p.Rate(people.RateOpen, "u:"+g.user), g.p.Strange()), map[string]any{"op": g.op, "session": s, "queue": g.q, "user": g.user,
			"info": chat.Encode(chat.Person{ID: g.user}), "subject": "", "meta": "{}", "priority": 0, "abandon": 0, "patience": 0, "sticky": 0, "interval": 1, "burst": 1})
	}, [5]string{"exists", "exists", "exists", "exists", "ok"}, nil},
	{"send by the user", func(g *stage) store.Reply { return g.send("u:" + g.user) },
		[5]string{"ok", "ok", "ok", "ok", "ended"}, map[string]string{"ok": "dup"}},
	{"send by ann", func(g *stage) store.Reply { return g.send("a:" + g.ann) },
		[5]string{"forbidden", "ok", "ok", "ok", "ended"}, map[string]string{"ok": "dup"}},
	{"send by bea", func(g *stage) store.Reply { return g.send("a:" + g.bea) },
		[5]string{"forbidden", "forbidden", "forbidden", "forbidden", "forbidden"}, nil},
	{"read by the user", func(g *stage) store.Reply {
		p, s := g.p, g.session
		return g.b.mustRaw(g.t, "read", []string{p.Session(s), p.Unread(s), p.Read(s), p.Authors(s), p.Dirty()}, s, "u:"+g.user, 99, "")
	}, [5]string{"ok", "ok", "ok", "ok", "ok"}, nil},
	{"recall by the user", func(g *stage) store.Reply {
		p, s := g.p, g.session
		return g.b.mustRaw(g.t, "recall", []string{p.Session(s), p.Log(s), p.Recalled(s), p.Authors(s), p.Dirty()}, s, "u:"+g.user,
			2, g.op, 120000)
	}, [5]string{"ok", "ok", "ok", "ok", "ok"}, nil},
	{"recall of another's", func(g *stage) store.Reply {
		p, s := g.p, g.session
		return g.b.mustRaw(g.t, "recall", []string{p.Session(s), p.Log(s), p.Recalled(s), p.Authors(s), p.Dirty()}, s, "a:"+g.ann,
			2, g.op, 120000)
	}, [5]string{"forbidden", "forbidden", "forbidden", "forbidden", "forbidden"}, nil},
	{"claim by ann", func(g *stage) store.Reply { return g.claim(g.ann) }, [5]string{"ok", "mine", "mine", "mine", "ended"},
		nil},
	{"claim by cay", func(g *stage) store.Reply { return g.claim(g.cay) }, [5]string{"ok", "taken", "taken", "taken", "ended"},
		nil},
	{"take over by cay", func(g *stage) store.Reply {
		pl := g.place(g.cay)
		return g.run("takeover", takeoverArgs{call: g.call(), Agent: g.cay, Info: pl.Info, Token: pl.Token, Queue: g.q}, g.p.Waiting(g.q))
	}, [5]string{"ok", "ok", "ok", "ok", "ended"}, nil},
	{"offer by a supervisor to cay", func(g *stage) store.Reply {
		return g.run("offer", offerArgs{caller: g.boss("boss"), Place: g.place(g.cay), TTL: 30000})
	}, [5]string{"ok", "ok", "wrong_state", "wrong_state", "ended"}, nil},
	{"rate by the user", func(g *stage) store.Reply {
		return g.run("rate", ratingArgs{caller: g.caller("u:" + g.user), Score: 5, Window: 60000})
	}, [5]string{"wrong_state", "wrong_state", "wrong_state", "wrong_state", "ok"}, nil},
	{"rate by ann", func(g *stage) store.Reply {
		return g.run("rate", ratingArgs{caller: g.caller("a:" + g.ann), Score: 5, Window: 60000})
	}, [5]string{"forbidden", "forbidden", "forbidden", "forbidden", "forbidden"}, nil},
	{"reopen by the user", func(g *stage) store.Reply {
		return g.run("reopen", map[string]any{"op": g.op, "session": g.session, "by": "u:" + g.user, "queue": g.q, "window": 60000,
			"abandon": 0, "patience": 0, "sticky": 60000}, append(endKeys(g.p, g.q, g.user), g.p.Strange())...)
	}, [5]string{"wrong_state", "wrong_state", "wrong_state", "wrong_state", "ok"}, nil},
	{"label by ann", func(g *stage) store.Reply { return g.label(g.caller(g.ann)) }, [5]string{"forbidden", "ok", "ok", "ok", "ok"}, nil},
	{"label by bea", func(g *stage) store.Reply { return g.label(g.caller(g.bea)) },
		[5]string{"forbidden", "forbidden", "forbidden", "forbidden", "forbidden"}, nil},
	{"whisper by a supervisor", func(g *stage) store.Reply {
		return g.run("whisper", whisperArgs{g.call(), "boss", g.key, store.KeyHash("a:boss", g.key, g.op), chat.Head(g.op, chat.Author{}, chat.TypeNote, 0), `"x"`}, g.p.Keys(g.session))
	}, [5]string{"wrong_state", "ok", "ok", "ok", "ended"}, map[string]string{"ok": "dup"}},
	{"label by a supervisor", func(g *stage) store.Reply { return g.label(g.boss("boss")) }, [5]string{"ok", "ok", "ok", "ok", "ok"}, nil},
	{"idle before its time", func(g *stage) store.Reply {
		return g.run("idle", overdueArgs{call: g.call(), Queue: g.q}, endKeys(g.p, g.q, g.user)...)
	}, [5]string{"too_early", "too_early", "too_early", "too_early", "too_early"}, nil},
	{"long wait", func(g *stage) store.Reply {
		return g.run("patience", map[string]any{"op": g.op, "session": g.session, "text": "", "opens": "null"})
	}, [5]string{"ok", "too_early", "too_early", "too_early", "too_early"}, nil},
	{"offer by ann to cay", func(g *stage) store.Reply {
		return g.run("offer", offerArgs{caller: g.caller(g.ann), Place: g.place(g.cay), TTL: 30000})
	}, [5]string{"forbidden", "ok", "wrong_state", "wrong_state", "ended"}, nil},
	{"offer by bea to cay", func(g *stage) store.Reply {
		return g.run("offer", offerArgs{caller: g.caller(g.bea), Place: g.place(g.cay)})
	}, [5]string{"forbidden", "forbidden", "forbidden", "forbidden", "forbidden"}, nil},
	{"accept by bea", func(g *stage) store.Reply { return g.accept(g.bea) },
		[5]string{"forbidden", "forbidden", "ok", "forbidden", "forbidden"}, nil},
	{"accept by cay", func(g *stage) store.Reply { return g.accept(g.cay) },
		[5]string{"forbidden", "forbidden", "forbidden", "forbidden", "forbidden"}, nil},
	{"decline by bea", func(g *stage) store.Reply {
		return g.run("withdraw", withdrawArgs{caller: g.caller(g.bea), Outcome: "declined"})
	}, [5]string{"forbidden", "forbidden", "ok", "forbidden", "forbidden"}, nil},
	{"cancel by ann", func(g *stage) store.Reply {
		return g.run("withdraw", withdrawArgs{caller: g.caller(g.ann), Outcome: "cancelled"})
	}, [5]string{"forbidden", "wrong_state", "ok", "wrong_state", "ended"}, nil},
	{"expiry before its time", func(g *stage) store.Reply {
		return g.run("withdraw", withdrawArgs{caller: g.caller(""), Outcome: "expired"})
	}, [5]string{"wrong_state", "wrong_state", "too_early", "wrong_state", "ended"}, nil},
	{"transfer to a queue by ann", func(g *stage) store.Reply { return g.requeue(requeueArgs{caller: g.caller(g.ann)}) },
		[5]string{"forbidden", "ok", "ok", "ok", "ended"}, nil},
	{"transfer to a queue by a supervisor", func(g *stage) store.Reply {
		return g.requeue(requeueArgs{caller: g.boss("boss")})
	}, [5]string{"ok", "ok", "ok", "ok", "ended"}, map[string]string{"ok": "ok"}},
	{"requeue for ann who is gone", func(g *stage) store.Reply {
		return g.requeue(requeueArgs{caller: g.caller(""), Owner: g.ann, Front: true, Reason: "agent-gone"})
	}, [5]string{"forbidden", "ok", "ok", "ok", "ended"}, nil},
	{"end by the user", func(g *stage) store.Reply { return g.end(endArgs{caller: g.caller("u:" + g.user), Name: g.user}) }, [5]string{"ok", "ok", "ok", "ok", "ok"}, nil},
	{"end by ann", func(g *stage) store.Reply { return g.end(endArgs{caller: g.caller("a:" + g.ann), Name: g.ann}) }, [5]string{"forbidden", "ok", "ok", "ok", "ok"}, nil},
	{"end by ann with force", func(g *stage) store.Reply {
		return g.end(endArgs{caller: g.caller("a:" + g.ann), Name: g.ann, Force: true})
	}, [5]string{"forbidden", "ok", "ok", "ok", "ok"}, nil},
	{"end by bea", func(g *stage) store.Reply { return g.end(endArgs{caller: g.caller("a:" + g.bea), Name: g.bea}) },
		[5]string{"forbidden", "forbidden", "forbidden", "forbidden", "forbidden"}, nil},
	{"end by a supervisor", func(g *stage) store.Reply {
		return g.end(endArgs{caller: g.boss("a:boss"), Name: "boss"})
	}, [5]string{"ok", "ok", "ok", "ok", "ok"}, nil},
	{"end before its time", func(g *stage) store.Reply { return g.end(endArgs{caller: g.caller(""), Due: true}) },
		[5]string{"too_early", "too_early", "too_early", "too_early", "ok"}, nil},
	{"abandon before its time", func(g *stage) store.Reply {
		return g.run("abandon", overdueArgs{call: g.call(), Queue: g.q}, g.p.Waiting(g.q), g.p.Open(g.user), g.p.Profile("u:"+g.user), g.p.Conns("u:"+g.user), g.p.Epoch())
	}, [5]string{"too_early", "too_early", "too_early", "too_early", "too_early"}, nil},
	{"join by bea", func(g *stage) store.Reply {
		return g.run("join", joinArgs{g.caller(g.bea), chat.Encode(chat.Person{ID: g.bea}), []string{g.q}, chat.MaxAssists})
	}, [5]string{"wrong_state", "ok", "ok", "ok", "ended"}, nil},
	{"leave by ann", func(g *stage) store.Reply { return g.run("leave", leaveArgs{g.call(), g.ann}) },
		[5]string{"forbidden", "wrong_state", "wrong_state", "wrong_state", "wrong_state"}, nil},
	{"leave by bea", func(g *stage) store.Reply { return g.run("leave", leaveArgs{g.call(), g.bea}) },
		[5]string{"forbidden", "forbidden", "forbidden", "forbidden", "forbidden"}, nil},
}

func (g *stage) label(by caller) store.Reply {
	return g.run("label", labelArgs{by, g.q, []string{"vip"}, []string{"old"}, MaxLabels}, g.p.Waiting(g.q), g.p.Labelled())
}

func (g *stage) accept(by string) store.Reply {
	return g.run("accept", acceptArgs{call: g.call(), By: by, Queue: g.q, Idle: map[string]int64{g.q: 60000}}, g.p.Waiting(g.q))
}

func (g *stage) requeue(r requeueArgs) store.Reply {
	r.Queue, r.To = g.q, g.q2
	return g.run("requeue", r, g.p.Waiting(g.q), g.p.Open(g.user), g.p.Waiting(g.q2))
}

func (g *stage) end(e endArgs) store.Reply {
	e.Queue, e.TTL = g.q, 60000
	return g.run("end", e, endKeys(g.p, g.q, g.user)...)
}

func (b *Broker) mustRaw(t *testing.T, script string, keys []string, args ...any) store.Reply {
	t.Helper()
	r, err := b.store.Run(t.Context(), script, keys, args...)
	require.NoError(t, err)
	return r
}

func (b *Broker) mustRun(t *testing.T, script string, keys []string, arg any) store.Reply {
	t.Helper()
	r, err := b.store.RunJSON(t.Context(), script, keys, arg)
	require.NoError(t, err)
	return r
}

// Each state × each transition, each run twice: the first answers as the table
// says, the second as the first and changes nothing.
func TestEveryTransitionInEveryState(t *testing.T) {
	engines := []testenv.Engine{testenv.EngineRedis, testenv.EngineEmbedded}
	if testenv.RaceDetector { // what Lua does there is the same without it, and ten times as fast
		engines = engines[:1]
	}
	for _, e := range engines {
		t.Run(string(e), func(t *testing.T) {
			b := startNode(t, testenv.Shared(t, e), func(o *Options) { o.NoArchiver = true })
			for _, m := range matrix {
				for i, state := range []chat.State{chat.Waiting, chat.Serving, chat.Transferring, chat.Ending, chat.Ended} {
					t.Run(m.name+"/"+string(state), func(t *testing.T) {
						g := newStage(t, b, state)
						first := m.do(g)
						if first.Str(0) == "kept" {
							first = first[1:]
						}
						require.Equal(t, m.first[i], first.Str(0), "%v", first)
						after := g.everything()
						second := m.do(g)
						if second.Str(0) == "kept" {
							second = second[1:]
						}
						want := m.first[i]
						if other, ok := m.second[want]; ok {
							want = other
						}
						require.Equal(t, want, second.Str(0), "the second run: %v", second)
						require.Equal(t, after, g.everything(), "the second run changed something")
						g.sound()
					})
				}
			}
			clean(t, b)
		})
	}
}

// everything is all that Redis holds of the session.
func (g *stage) everything() map[string]any {
	ctx, p, s, r := g.t.Context(), g.p, g.session, g.b.store.Redis
	out := map[string]any{"session": r.HGetAll(ctx, p.Session(s)).Val(), "log": r.XRange(ctx, p.Log(s), "-", "+").Val(),
		"unread": r.HGetAll(ctx, p.Unread(s)).Val(), "read": r.HGetAll(ctx, p.Read(s)).Val(),
		"authors": r.Get(ctx, p.Authors(s)).Val(), "recalled": r.HGetAll(ctx, p.Recalled(s)).Val(),
		"keys": r.HGetAll(ctx, p.Keys(s)).Val(), "open": r.HGetAll(ctx, p.Open(g.user)).Val(),
		"waiting": r.ZRangeWithScores(ctx, p.Waiting(g.q), 0, -1).Val(), "waiting2": r.ZRangeWithScores(ctx, p.Waiting(g.q2), 0, -1).Val()}
	for field, n := range r.HGetAll(ctx, p.Stats()).Val() { // what was counted, once
		if _, of, ok := strings.Cut(field, "|"); ok && (strings.Contains(of, "|"+g.q+chat.SepField) || strings.Contains(of, "|"+g.q2+chat.SepField)) {
			out[field] = n
		}
	}
	for _, timer := range []string{"offer", "end", "idle", "patience", "route"} {
		out[timer] = r.ZScore(ctx, p.Timers(), timer+"|"+s).Val()
	}
	return out
}

// sound checks the session against its own log and lists.
func (g *stage) sound() {
	g.t.Helper()
	st, err := g.b.sessions.Look(g.t.Context(), g.session)
	require.NoError(g.t, err)
	require.Empty(g.t, auditSession(g.t.Context(), g.t, g.b, g.p, st))
	for _, q := range []string{g.q, g.q2} {
		listed := g.b.store.Redis.ZScore(context.WithoutCancel(g.t.Context()), g.p.Waiting(q), g.session).Err() == nil
		require.Equal(g.t, st.State == chat.Waiting && st.Queue == q, listed, "in the list of %s", q)
	}
}
