package broker

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// What users of other systems suffer from, by the issues they wrote. Where a
// rule has a test of its own, it names the issue there: moving and ending any
// session, sticky, patience, least load.

// Two agents take one inquiry (Rocket.Chat #22206, #37776): ours cannot, by
// whichever of the ways to take it, through two nodes.
func TestTwoAgentsCannotTakeOneInquiry(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		nodes := []*Broker{startNode(t, url), startNode(t, url)}
		ctx, q := t.Context(), name("q")
		var agents []*party
		for i := range 6 {
			agents = append(agents, connect(t, nodes[i%2], chat.Identity{Role: chat.RoleAgent, ID: name("ann"), Queues: []string{q}, Capacity: 50}, ""))
		}
		for range 5 {
			uma := user(t, nodes[0], name("uma"))
			s := uma.open(q)
			_, err := nodes[0].Transfer(ctx, host, chat.TransferRequest{Session: s.ID, Agent: agents[0].ID})
			require.NoError(t, err)
			var wg sync.WaitGroup
			var mu sync.Mutex
			var winners []string
			for i, p := range agents {
				for _, way := range []func() (chat.Session, error){
					func() (chat.Session, error) { return p.b.Grab(ctx, p.Actor, s.ID) },
					func() (chat.Session, error) { return p.b.GrabQueue(ctx, p.Actor, q) },
					func() (chat.Session, error) { return p.b.Accept(ctx, p.Actor, s.ID) },
				} {
					wg.Go(func() {
						got, err := way()
						mu.Lock()
						defer mu.Unlock()
						switch {
						case err == nil:
							winners = append(winners, got.Agent.ID)
							if got.Agent.ID != p.ID {
								t.Errorf("%d was told that it has what %s has", i, got.Agent.ID)
							}
						case chat.Contains([]chat.Code{chat.CodeTaken, chat.CodeForbidden, chat.CodeNotFound, chat.CodeWrongState}, chat.AsError(err).Code):
						default:
							t.Error(err)
						}
					})
				}
			}
			wg.Wait()
			require.NotEmpty(t, winners)
			for _, w := range winners {
				require.Equal(t, winners[0], w)
			}
			require.Equal(t, winners[0], nodes[1].owner(t, s.ID))
			clean(t, nodes[0])
		}
	})
}

// mirror is a queue's list as a watching client holds it.
type mirror map[string]bool

// list is what a watcher holds of a queue after all events that came.
func (p *party) list(queue string) mirror {
	p.wire.mu.Lock()
	defer p.wire.mu.Unlock()
	held := mirror{}
	for _, e := range p.events {
		if e["event"] != "queue" || e["queue"] != queue {
			continue
		}
		if all, ok := e["reset"].([]any); ok {
			held = mirror{}
			for _, s := range all {
				held[s.(map[string]any)["id"].(string)] = true
			}
		}
		if s, ok := e["added"].(map[string]any); ok {
			held[s["id"].(string)] = true
		}
		if id, ok := e["removed"].(string); ok {
			delete(held, id)
		}
	}
	return held
}

// Waiting chats missing from an agent's list until a reload, after going away
// and back, with two instances (Rocket.Chat #29402, Livechat #614): lists are
// true after every change of status, reconnect and lost event.
func TestListsAreTrueAfterGoingAwayAndBack(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		nodes := []*Broker{startNode(t, url), startNode(t, url)}
		ctx, q := t.Context(), name("q")
		bob := agent(t, nodes[1], name("bob"), q)
		seen := func(n int) {
			t.Helper()
			eventually(t, func() bool {
				line, err := nodes[0].waiting.First(ctx, q, 99)
				return err == nil && len(line) == n
			})
		}
		ann := agent(t, nodes[0], name("ann"), q)
		id := ann.Identity
		var sessions []string
		for round, change := range []func(){
			func() {},
			func() {
				for _, s := range []chat.Status{chat.Away, chat.Offline, chat.Online} {
					_, err := nodes[0].SetStatus(ctx, ann.Actor, s)
					require.NoError(t, err)
				}
			},
			func() { // another node
				ann.Conn.Close(ctx)
				ann = connect(t, nodes[1], id, "phone")
			},
			func() { loseSubscriber(ann.b, sessions[0]) },
			func() { ann = connect(t, nodes[0], id, "phone") }, // replaces the other
		} {
			change()
			views, err := ann.b.Watch(ctx, ann.Actor, nil)
			require.NoError(t, err)
			known := mirror{}
			for _, s := range views[0].Waiting {
				known[s.ID] = true
			}
			require.Len(t, known, len(sessions), "round %d", round)
			sessions = append(sessions, openFor(t, nodes[round%2], q, name("uma")).ID, openFor(t, nodes[1-round%2], q, name("uma")).ID)
			bob.grab(sessions[0])
			sessions = sessions[1:]
			seen(len(sessions))
			eventually(t, func() bool {
				for _, s := range sessions {
					if !known[s] && !ann.list(q)[s] {
						return false
					}
				}
				return true
			})
			eventually(t, func() bool {
				views, err := ann.b.Watch(ctx, ann.Actor, nil)
				return err == nil && views[0].Size == len(sessions)
			})
		}
		clean(t, nodes[0])
	})
}

// Anyone may write into a colleague's conversation (Chatwoot #12079): here only
// those who take part in it, in every state.
func TestOnlyParticipantsWrite(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis), func(o *Options) { o.NoArchiver = true })
	ctx := t.Context()
	for _, state := range []chat.State{chat.Waiting, chat.Serving, chat.Transferring, chat.Ending, chat.Ended} {
		t.Run(string(state), func(t *testing.T) {
			g := newStage(t, b, state)
			strangers := []chat.Actor{{Identity: chat.Identity{Role: chat.RoleUser, ID: name("eve")}},
				{Identity: chat.Identity{Role: chat.RoleSupervisor, ID: name("sue")}}, {Identity: chat.Identity{Role: chat.RoleBot, ID: name("bot")}},
				{Identity: chat.Identity{Role: chat.RoleUser, ID: g.ann}}, // a user by an agent's name
				{Identity: chat.Identity{Role: chat.RoleAgent, ID: g.user}}}
			for _, id := range []string{g.bea, g.cay} { // colleagues of the queue, one of them the target
				strangers = append(strangers, chat.Actor{Identity: chat.Identity{Role: chat.RoleAgent, ID: id, Queues: []string{g.q}}})
			}
			before := g.everything()
			for _, a := range strangers {
				for _, kind := range []string{chat.TypeText, chat.TypeNote} {
					_, err := b.Send(ctx, a, chat.SendRequest{Session: g.session, Type: kind, Body: []byte(`"hi"`)})
					code(t, chat.CodeForbidden, err)
				}
				code(t, chat.CodeForbidden, b.Typing(ctx, a, g.session, "hi"))
				code(t, chat.CodeForbidden, b.Recall(ctx, a, g.session, 2))
				_, err := b.Read(ctx, a, g.session, 1)
				code(t, chat.CodeForbidden, err)
			}
			require.Equal(t, before, g.everything())
		})
	}
}

// Unread counts exist for agents only (Chatwoot #2284, #11161): here they are
// exact for everybody, at every moment.
func TestUnreadIsExactForEveryParticipant(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		nodes := []*Broker{startNode(t, url), startNode(t, url)}
		ctx, q := t.Context(), name("q")
		uma, ann, bea := user(t, nodes[0], name("uma")), agent(t, nodes[0], name("ann"), q), agent(t, nodes[1], name("bea"), q)
		s := uma.open(q)
		ann.grab(s.ID)
		_, err := nodes[1].Join(ctx, bea.Actor, s.ID, false)
		require.NoError(t, err)
		var wg sync.WaitGroup
		for i, p := range []*party{uma, ann, bea, uma, ann, bea} {
			wg.Go(func() {
				for n := range 10 {
					kind := chat.TypeText
					if p != uma && n%3 == 0 {
						kind = chat.TypeNote
					}
					if _, err := nodes[i%2].Send(ctx, p.Actor, chat.SendRequest{Session: s.ID, Type: kind, Body: []byte(`"x"`)}); err != nil {
						t.Error(err)
					}
					if n%4 == 0 {
						if _, err := nodes[(i+1)%2].Read(ctx, p.Actor, s.ID, int64(10*n)); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		st, err := nodes[0].sessions.Look(ctx, s.ID)
		require.NoError(t, err)
		for _, p := range []*party{uma, ann, bea} {
			w := chat.Who(p.Role, p.ID)
			h, err := nodes[1].History(ctx, p.Actor, chat.HistoryRequest{Session: s.ID, After: st.Marks[w], Before: -1, Limit: 200})
			require.NoError(t, err)
			want := 0
			for _, m := range h.Messages {
				if m.Type != chat.TypeSystem && m.From.ID != p.ID {
					want++
				}
			}
			require.EqualValues(t, want, st.Counts[w], "what %s can read above its mark", w)
			again := connect(t, nodes[1], p.Identity, "second")
			hello := again.await("hello", nil)
			require.EqualValues(t, want, hello["unread"])
			_, err = nodes[0].Read(ctx, p.Actor, s.ID, st.Seq)
			require.NoError(t, err)
			again.await("unread", func(e event) bool { return e["session"] == s.ID && e["unread"] == 0.0 && e["total"] == 0.0 })
		}
		clean(t, nodes[0])
	})
}

// Every waiting user knows its place in line, hears of a better one, and not
// more often than every two seconds.
func TestPositions(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	nodes := []*Broker{startNode(t, url), startNode(t, url)}
	q := name("q")
	ann := connect(t, nodes[0], chat.Identity{Role: chat.RoleAgent, ID: name("ann"), Queues: []string{q}, Capacity: 50}, "")
	var users []*party
	var sessions []string
	for i := range 12 {
		users = append(users, user(t, nodes[i%2], name("uma")))
		sessions = append(sessions, users[i].open(q).ID)
	}
	at := func(n int) func(event) bool {
		return func(e event) bool { return e["position"] == float64(n) }
	}
	for i, p := range users {
		require.Equal(t, false, p.await("position", at(i+1))["estimated"])
	}
	for i := range 3 {
		ann.grab(sessions[i])
		time.Sleep(300 * time.Millisecond) // one after the other, and all before a place may be told again
	}
	for i, p := range users[3:] {
		e := p.await("position", at(i+1))
		require.Equal(t, true, e["estimated"], "three have left")
		require.Positive(t, e["wait"])
	}
	last := users[11]
	last.wire.mu.Lock()
	defer last.wire.mu.Unlock()
	told := 0
	for _, e := range last.events {
		if e["event"] == "position" {
			told++
		}
	}
	require.LessOrEqual(t, told, 4, "three grabs within a second, and estimates that change")
	clean(t, nodes[0])
}

// Who is online, away or gone, and how much room an agent has, is one thing
// whatever its devices and nodes, and shown to those who watch its queues.
func TestPresenceOverDevicesAndNodes(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		a, b := startNode(t, url), startNode(t, url)
		ctx, q := t.Context(), name("q")
		for _, n := range []*Broker{a, b} {
			n.set(t, q, func(s *chat.QueueSettings) { s.AgentGrace = 1 })
		}
		boss := connect(t, b, chat.Identity{Role: chat.RoleSupervisor, ID: name("sue"), Queues: []string{q}}, "")
		_, err := b.Watch(ctx, boss.Actor, nil)
		require.NoError(t, err)
		from := 0
		shows := func(status chat.Status, load, capacity int) {
			t.Helper()
			want := fmt.Sprint(status, load, capacity)
			boss.await("presence", func(e event) bool {
				return fmt.Sprint(e["status"], e["load"], e["capacity"]) == want
			})
			boss.wire.mu.Lock()
			defer boss.wire.mu.Unlock()
			boss.events = boss.events[:from]
		}
		boss.wire.mu.Lock()
		from = len(boss.events)
		boss.wire.mu.Unlock()
		ann := connect(t, a, chat.Identity{Role: chat.RoleAgent, ID: name("ann"), Queues: []string{q}, Capacity: 3}, "desk")
		shows(chat.Online, 0, 3)
		phone := connect(t, b, ann.Identity, "phone")
		s := openFor(t, a, q, name("uma"))
		ann.grab(s.ID)
		shows(chat.Online, 1, 3)
		_, err = b.SetStatus(ctx, phone.Actor, chat.Away)
		require.NoError(t, err)
		shows(chat.Away, 1, 3)
		_, err = b.PutAgent(ctx, host, ann.ID, chat.AgentSettings{Queues: []string{q}, Capacity: 1})
		require.NoError(t, err)
		shows(chat.Away, 1, 1)
		_, err = a.Grab(ctx, ann.Actor, openFor(t, a, q, name("uma")).ID)
		code(t, chat.CodeFull, err)
		ann.Conn.Close(ctx)
		phone.Conn.Close(context.WithoutCancel(ctx))
		shows(chat.Offline, 1, 1)
		shows(chat.Offline, 0, 1) // its session waits again
		clean(t, a)
	})
}
