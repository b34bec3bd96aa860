package broker

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store/storetest"
	"bellhop/internal/testenv"
)

// A replica that lacks what was written last is promoted: nobody was told of that, and what anybody was told of is there.
func TestWhatIsWaitedForIsNotLost(t *testing.T) {
	t.Parallel()
	for what, start := range map[string]func(t *testing.T) (url string, lose func(key string, while func())){
		"sentinel": func(t *testing.T) (string, func(string, func())) {
			set := testenv.Sentinel(t)
			return set.URL(), func(_ string, while func()) {
				old := set.LoseTail(while)
				set.WaitMaster(old)
				old.Restart()
				set.WaitOK()
			}
		},
		"cluster": func(t *testing.T) (string, func(string, func())) {
			set := testenv.Cluster(t)
			return set.URL(), func(key string, while func()) {
				old := set.LoseTail(key, while)
				set.WaitOK()
				old.Restart()
				set.WaitOK()
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			url, lose := start(t)
			b := startNode(t, url, func(o *Options) { o.WaitReplicas, o.Archive = 1, nil })
			uma := user(t, b, name("uma"))
			s := uma.open(name("q"))
			told := map[string]int64{}
			say := func(text string) error {
				r, err := b.Send(t.Context(), uma.Actor, chat.SendRequest{Session: s.ID, Key: text, Body: []byte(`"` + text + `"`)})
				if err == nil {
					told[text] = r.Seq
				}
				return err
			}
			for i := range 5 {
				require.NoError(t, say(fmt.Sprint("before ", i)))
			}
			p, _ := b.store.Of(s.ID)
			var refused []string
			lose(p.Log(s.ID), func() {
				for i := range 3 {
					text := fmt.Sprint("meanwhile ", i)
					storetest.Code(t, chat.CodeUnavailable, say(text))
					refused = append(refused, text)
				}
				_, err := b.End(t.Context(), uma.Actor, chat.EndRequest{Session: s.ID})
				storetest.Code(t, chat.CodeUnavailable, err)
			})
			for _, text := range refused {
				require.Eventually(t, func() bool { return say(text) == nil }, 30*time.Second, 50*time.Millisecond, text)
			}
			got := map[string]int64{}
			for _, m := range history(t, b, uma.Actor, s.ID, 100) {
				if m.Key != "" {
					require.NotContains(t, got, m.Key)
					got[m.Key] = m.Seq
				}
			}
			require.Equal(t, told, got)
			st, err := b.sessions.Look(t.Context(), s.ID)
			require.NoError(t, err)
			require.Equal(t, chat.Waiting, st.State)
		})
	}
}

// Where there is no replica, nobody is told that anything was done, and what looks at it goes on.
func TestNoReplicaToWaitFor(t *testing.T) {
	t.Parallel()
	b := startNode(t, testenv.Redis(t).URL(), func(o *Options) { o.WaitReplicas = 1 })
	r := chat.OpenRequest{User: chat.Person{ID: name("uma")}}
	began := time.Now()
	_, err := b.Open(t.Context(), host, r)
	storetest.Code(t, chat.CodeUnavailable, err)
	within(t, began, time.Second, 5*time.Second)
	list, err := b.Sessions(t.Context(), host, chat.SessionsRequest{User: r.User.ID})
	require.NoError(t, err)
	require.Len(t, list.Sessions, 1, "it stands all the same")
}
