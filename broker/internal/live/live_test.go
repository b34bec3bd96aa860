package live

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
)

// What needs no Redis. The others are with the broker's, which they need whole.

// A queue's reset, and the answer of watch for all queues together, fit.
func TestResetsAndViewsFit(t *testing.T) {
	v := &View{queue: strings.Repeat(`"`, chat.MaxID), sessions: map[string]*chat.Snapshot{}}
	for i := range Shown {
		s := &chat.Snapshot{Session: chat.Session{ID: fmt.Sprintf("00-%d", i), Queue: v.queue, Subject: strings.Repeat(`"`, chat.MaxSubject),
			Meta: json.RawMessage(`{"x":"` + strings.Repeat("y", 4000) + `"}`)}}
		v.list, v.sessions[s.ID] = append(v.list, waiter{id: s.ID, score: float64(i)}), s
	}
	var e struct {
		Reset []chat.Session
		Size  int
		More  bool
	}
	line := v.reset()
	require.LessOrEqual(t, len(line), chat.PageBytes)
	require.Greater(t, len(line), chat.PageBytes-10000)
	require.NoError(t, json.Unmarshal(line, &e))
	require.True(t, e.More)
	require.Equal(t, Shown, e.Size)

	queues := make([]chat.QueueView, chat.MaxQueuesOfOne)
	for i := range queues {
		queues[i] = v.shot()
	}
	chat.Fill(queues)
	require.LessOrEqual(t, chat.Sized(queues), chat.PageBytes)
	require.NotEmpty(t, queues[0].Waiting)
	one := []chat.QueueView{{Waiting: []chat.Session{{Subject: strings.Repeat("x", 2*chat.PageBytes)}}, Size: 1}}
	chat.Fill(one)
	require.Len(t, one[0].Waiting, 1)
	require.False(t, one[0].More)
}

// overrun is a sink that keeps the code it is closed with.
type overrun struct{ code uint16 }

func (o *overrun) Deliver([]byte) {}

func (o *overrun) Close(code uint16, _ string) { o.code = code }

// A connection for which too much comes before its hello is closed as too slow.
func TestWhatWaitsForHelloIsBounded(t *testing.T) {
	w := &overrun{}
	c := &Conn{sink: w}
	line := []byte(`{"event":"x","y":"` + strings.Repeat("y", 16000) + `"}`)
	for range 2 * MaxBacklog / len(line) {
		c.deliver(line)
	}
	require.LessOrEqual(t, c.held, MaxBacklog)
	require.EqualValues(t, chat.CloseTooSlow, w.code)
}

// Sends that were refused are not remembered for ever.
func TestSendsNotHeardOfAreBounded(t *testing.T) {
	f := &feed{}
	for i := range 10 * maxSending {
		f.sends(fmt.Sprint(i), "c")
		require.LessOrEqual(t, len(f.sending), maxSending+1)
	}
}
