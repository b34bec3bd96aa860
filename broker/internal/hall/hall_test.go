package hall

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
)

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
