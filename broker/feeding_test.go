package broker

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

// ghost is a message that was published and that Redis does not have (any more).
func ghost(seq int64, by string) string {
	mid := "01ZZZZZZZZZZZZZZZZZZZZZZ" + strconv.FormatInt(10+seq, 36)
	return string(chat.PubMessage) + strings.Join([]string{strconv.FormatInt(seq, 10), "1", by, "m", "", "",
		"", fmt.Sprintf(`"mid":"%s","from":{"id":"x","role":"user","name":""},"type":"text"`, mid), `"ghost"`}, chat.SepField)
}

// An event beyond what Redis has, whose seq leaves a gap: it is asked for, found
// nowhere, and let go; nothing spins, and what comes then is delivered.
func TestAnEventThatRedisDoesNotHave(t *testing.T) {
	testenv.EachShared(t, func(t *testing.T, url string) {
		b, watch := sabotaged(t, url)
		var looks atomic.Int64
		watch.spoil(func(cmd redis.Cmder) error {
			if running(b, "look", cmd) {
				looks.Add(1)
			}
			return nil
		}, nil)
		ann, uma, s := served(t, b)
		p, _ := b.store.Of(s.ID)
		ctx := t.Context()
		eventually(t, func() bool { return b.hub.Probe().Feed(s.ID) != nil })
		for _, seq := range []int64{99, s.Seq + 3, 99} {
			require.NoError(t, b.store.Publish(ctx, p.Session(s.ID), ghost(seq, "u:"+uma.ID)))
		}
		uma.send(s.ID, "real")
		ann.await("message", func(e event) bool { return e["body"] == "real" })
		f := b.hub.Probe().Feed(s.ID)
		eventually(t, f.Idle)
		before := looks.Load()
		time.Sleep(500 * time.Millisecond) // a span in which it would spin
		require.Less(t, looks.Load()-before, int64(20))
		for _, e := range ann.all() {
			require.NotEqual(t, "ghost", e["body"])
		}
	})
}

// The next seq is published by a Redis that loses it: who has seen it begins anew.
func TestAnEventThatRedisLost(t *testing.T) {
	b := startNode(t, testenv.Shared(t, testenv.EngineRedis))
	ann, uma, s := served(t, b)
	p, _ := b.store.Of(s.ID)
	st, err := b.sessions.Look(t.Context(), s.ID)
	require.NoError(t, err)
	require.NoError(t, b.store.Publish(t.Context(), p.Session(s.ID), ghost(st.Seq+1, "u:"+uma.ID)))
	ann.await("message", func(e event) bool { return e["body"] == "ghost" })
	uma.send(s.ID, "real") // under the same seq
	ann.await("reset", inSession(s.ID))
	uma.send(s.ID, "on")
	ann.await("message", func(e event) bool { return e["body"] == "on" })
	require.Equal(t, []string{"real", "on"}, texts(t, b, ann.Actor, s.ID))
}

// Something is lost while a feed is being read for another reason: it is read once more.
func TestAResyncOfABusyFeed(t *testing.T) {
	url := testenv.Shared(t, testenv.EngineRedis)
	b, spoil := sabotaged(t, url)
	other := startNode(t, url)
	ann, uma, s := served(t, b)
	f := b.hub.Probe().Feed(s.ID)
	reached, goOn := make(chan struct{}), make(chan struct{})
	var asked atomic.Bool
	spoil.spoil(nil, func(cmd redis.Cmder) error { // Redis has answered, and the node hears of it later
		if running(b, "look", cmd) && asked.CompareAndSwap(false, true) {
			close(reached)
			<-goOn
		}
		return nil
	})
	f.Reread()
	<-reached
	require.NoError(t, f.Deafen(t.Context())) // this node hears nothing of it
	_, err := other.Send(t.Context(), uma.Actor, chat.SendRequest{Session: s.ID, Body: []byte(`"unheard"`)})
	require.NoError(t, err)
	f.Reread() // as a resync does
	close(goOn)
	ann.await("message", func(e event) bool { return e["body"] == "unheard" })
}

// served is a session that an agent serves, at one node.
func served(t testing.TB, b *Broker) (ann, uma *party, s chat.Session) {
	t.Helper()
	q := name("q")
	ann, uma = agent(t, b, name("ann"), q), user(t, b, name("uma"))
	s = uma.open(q)
	ann.grab(s.ID)
	uma.await("session", inStateOf(chat.Serving))
	return ann, uma, s
}

func (p *party) all() []event {
	p.wire.mu.Lock()
	defer p.wire.mu.Unlock()
	return append([]event{}, p.events...)
}
