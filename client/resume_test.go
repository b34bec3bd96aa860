package client_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
)

// A log that fell back is read anew, whether its end is behind what is held,
// where it was, or ahead: a Reset, then the log from its start.
func TestFallenBack(t *testing.T) {
	for name, fell := range map[string]func(f *fake){
		"behind":            func(f *fake) { f.fallBack(3) },
		"to nothing":        func(f *fake) { f.fallBack(0) },
		"behind, and wrote": func(f *fake) { f.fallBack(3); f.post("x", "y") },
		"to the same seq":   func(f *fake) { f.fallBack(3); f.post("x", "y", "z") },
		"ahead":             func(f *fake) { f.fallBack(3); f.post("x", "y", "z", "a", "b", "c", "d") },
		"no mids":           func(f *fake) { f.old = true; f.fallBack(3); f.post("x") },
	} {
		t.Run(name, func(t *testing.T) {
			f, a := hold(t, 6)
			a.back(t, f, func() { fell(f) })
			a.holdsTheLog(t)
			resets, _ := a.count()
			require.Equal(t, 1, resets)
			f.locked(func() { f.post("and on") })
			a.holdsTheLog(t)
		})
	}
}

// What is held and still is the log's is neither asked for nor told again.
func TestNothingMissed(t *testing.T) {
	f, a := hold(t, 3)
	for i := range 3 {
		require.NoError(t, a.send(fmt.Sprint(i)))
	}
	asked := f.histories
	a.back(t, f, func() {})
	a.holdsTheLog(t)
	resets, _ := a.count()
	require.Zero(t, resets)
	f.locked(func() { require.Equal(t, asked, f.histories, "acknowledged sends are held") })
}

// Acknowledged sends that the log lost are forgotten, too, wherever they stood.
func TestLostOwnSends(t *testing.T) {
	for name, fell := range map[string]func(f *fake){
		"another stands there":      func(f *fake) { f.fallBack(2); f.post("x", "y", "z") },
		"nothing stands there":      func(f *fake) { f.fallBack(3) },
		"the log ends where events": func(f *fake) { f.fallBack(2) },
		"one of two":                func(f *fake) { f.fallBack(4); f.post("x", "y") },
	} {
		t.Run(name, func(t *testing.T) {
			f, a := hold(t, 2)
			f.locked(func() { f.append("", "nobody was told") })
			require.NoError(t, a.send("four"))
			require.NoError(t, a.send("five"))
			a.back(t, f, func() { fell(f) })
			a.holdsTheLog(t)
			resets, _ := a.count()
			require.Equal(t, 1, resets)
		})
	}
}

// An open connection is told by an event; lower seqs follow it.
func TestResetEvent(t *testing.T) {
	f, a := hold(t, 5)
	require.NoError(t, a.send("mine"))
	for i := range 4 {
		f.locked(func() {
			f.fallBack(2)
			f.reset()
			f.post("x", "y")
			if i%2 == 1 {
				f.reset() // twice for one fall
				f.post("z")
			}
		})
		require.NoError(t, a.send("on it goes"))
		a.holdsTheLog(t)
	}
	require.NoError(t, a.send("mine"))
	f.locked(func() { f.post("theirs") })
	a.holdsTheLog(t)
	resets, _ := a.count()
	require.Equal(t, 6, resets)
}

// The application hears the Reset first, and then the log from its start, its
// own messages among it.
func TestResetComesFirst(t *testing.T) {
	f := start(t)
	c, events := dial(t, f, client.Options{})
	_, err := c.SendText(t.Context(), session, "mine")
	require.NoError(t, err)
	f.locked(func() { f.post("2", "3") })
	f.locked(func() { f.fallBack(2); f.reset() })
	require.Eventually(t, func() bool { return len(seqs(events())) == 4 }, 5*time.Second, time.Millisecond)
	all := events()
	for i, e := range all {
		if _, ok := e.(*client.Reset); ok {
			require.Equal(t, []int64{2, 3}, seqs(all[:i]))
			require.Equal(t, []int64{1, 2}, seqs(all[i:]))
			return
		}
	}
	t.Fatal("no Reset")
}

// A log may fall back while it is read: at its first page, and further on.
func TestResetWhileReading(t *testing.T) {
	for page := 1; page <= 4; page++ {
		for _, told := range []bool{true, false} {
			t.Run(fmt.Sprint(page, told), func(t *testing.T) {
				f, a := hold(t, 2)
				a.back(t, f, func() {
					f.post("3", "4", "5", "6", "7", "8", "9")
					began := f.histories
					f.asked = func(n, _ int) string {
						if n == began+page {
							f.fallBack(1)
							if told {
								f.reset()
							}
							f.post("x", "y", "z")
						}
						return ""
					}
				})
				a.holdsTheLog(t)
			})
		}
	}
}

// What comes live while history is read comes after it, once.
func TestLiveWhileReading(t *testing.T) {
	f, a := hold(t, 1)
	a.back(t, f, func() {
		f.post("2", "3", "4")
		f.asked = func(n, _ int) string {
			if n < 6 {
				f.post("live")
			}
			return ""
		}
	})
	a.holdsTheLog(t)
	resets, _ := a.count()
	require.Zero(t, resets)
}

// Refusals are answered by asking again, slower and slower, for as long as it takes.
func TestHistoryRefused(t *testing.T) {
	for _, code := range []string{"bad_request", "internal", "overloaded", "unavailable"} {
		t.Run(code, func(t *testing.T) {
			f, a := hold(t, 1)
			began := time.Now()
			f.locked(func() { f.histories = 0 })
			a.back(t, f, func() {
				f.post("2", "3", "4")
				f.asked = func(n, _ int) string {
					if n <= 12 {
						f.post("live")
						return fmt.Sprintf(`"error":{"code":%q,"message":"no","retry":%t}`, code, code != "bad_request")
					}
					return ""
				}
			})
			require.Greater(t, time.Since(began), 60*time.Millisecond, "12 refusals at once")
			a.holdsTheLog(t)
		})
	}
}

// A session whose log is refused keeps no other one from being read.
func TestHistoryRefusedForGood(t *testing.T) {
	f := start(t)
	var stuck []string
	for i := range 6 {
		stuck = append(stuck, fmt.Sprintf(`{"id":"00-stuck%d","state":"serving","user":{"id":"uma"},"seq":1}`, i))
	}
	f.locked(func() {
		f.post("1", "2", "3")
		f.unnamed, f.listed = true, append(stuck, f.session())
		f.refused = "00-stuck"
	})
	a := newApp(t, f, client.Options{})
	t.Cleanup(a.c.Close)
	a.holdsTheLog(t)
}

// Who took no part for a while, and was refused the log, is told nothing twice
// when it takes part again, and of a log that fell back meanwhile a Reset.
func TestTakingPartAgain(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(f *fake)
		resets    int
	}{
		"nothing new":       {func(*fake) {}, 0},
		"ahead":             {func(f *fake) { f.append("", "a"); f.append("", "b") }, 0},
		"behind":            {func(f *fake) { f.fallBack(3) }, 1},
		"behind, and wrote": {func(f *fake) { f.fallBack(3); f.append("", "x") }, 1},
		"ahead of another":  {func(f *fake) { f.fallBack(3); f.append("", "x"); f.append("", "y"); f.append("", "z") }, 1},
	} {
		for _, refused := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, refused: %t", name, refused), func(t *testing.T) {
				f, a := hold(t, 4)
				a.back(t, f, func() { f.unnamed, f.private = true, refused })
				f.locked(func() { f.private = false; c.meanwhile(f) })
				_, err := a.c.Open(t.Context(), client.OpenRequest{})
				require.NoError(t, err)
				a.holdsTheLog(t)
				resets, _ := a.count()
				require.Equal(t, c.resets, resets)
			})
		}
	}
}

// Live messages may overtake the answer by which the client learns that it takes part.
func TestMessagesBeforeTheAnswer(t *testing.T) {
	for _, role := range []string{"user", "agent"} {
		for _, before := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d", role, before), func(t *testing.T) {
				f := start(t)
				f.locked(func() {
					f.role, f.unnamed = role, true
					f.joining = func() {
						for i := range before {
							f.append("", fmt.Sprint(i))
						}
						f.post("b", "c")
					}
				})
				a := newApp(t, f, client.Options{})
				t.Cleanup(a.c.Close)
				_, err := a.c.Open(t.Context(), client.OpenRequest{})
				require.NoError(t, err)
				a.holdsTheLog(t)
				f.locked(func() { f.post("d") })
				a.holdsTheLog(t)
				if role == "user" {
					return // whom nobody can tell a hole from a note
				}
				f.locked(func() { f.append("", "e"); f.append("", "f"); f.post("g") })
				a.holdsTheLog(t)
			})
		}
	}
}

// A connection that is lost again and again, though it gets a hello, is tried
// more and more seldom.
func TestLostWhileReading(t *testing.T) {
	f := start(t)
	f.locked(func() {
		f.post("1", "2", "3")
		f.asked = func(n, _ int) string {
			if n <= 12 {
				for ws := range f.conns {
					_ = ws.WriteClose(4003, nil)
				}
			}
			return ""
		}
	})
	began := time.Now()
	a := newApp(t, f, client.Options{MaxBackoff: 200 * time.Millisecond})
	t.Cleanup(a.c.Close)
	a.holdsTheLog(t)
	require.Greater(t, time.Since(began), 100*time.Millisecond)
}

// Pages of hundreds of kilobytes are read like any.
func TestBigPages(t *testing.T) {
	f, a := hold(t, 1)
	a.back(t, f, func() {
		for range 40 {
			f.append("", strings.Repeat("\n", 130_000)) // two bytes each on the wire, two a page
		}
	})
	a.holdsTheLog(t)
	f.locked(func() { require.Len(t, f.dials, 2) })
}

// Where hello has no room for a session, it is not gone: it is listed, and one
// that is held is asked for in any case.
func TestMoreThanHelloHolds(t *testing.T) {
	t.Run("never seen", func(t *testing.T) {
		f := start(t)
		f.locked(func() {
			f.post("1", "2", "3")
			other := strings.NewReplacer("uma", "eva", session, "00-other").Replace(f.session())
			f.unnamed, f.listed = true, []string{other, other, f.session()}
			f.asked = func(int, int) string { return "" }
		})
		a := newApp(t, f, client.Options{})
		t.Cleanup(a.c.Close)
		a.holdsTheLog(t)
	})
	t.Run("ended lately, by the server's clock", func(t *testing.T) {
		for _, off := range []time.Duration{-48 * time.Hour, 48 * time.Hour} {
			f := start(t)
			f.locked(func() {
				f.post("1", "2", "3")
				f.now = time.Now().Add(off)
				ended := fmt.Sprintf(`"state":"ended","ended":%q`, f.now.Add(-time.Minute).Format(time.RFC3339))
				f.unnamed, f.listed, f.ended = true, []string{}, []string{strings.Replace(f.session(), `"state":"serving"`, ended, 1)}
			})
			a := newApp(t, f, client.Options{})
			a.holdsTheLog(t)
			a.c.Close()
		}
	})
	t.Run("held", func(t *testing.T) {
		f, a := hold(t, 3)
		a.back(t, f, func() {
			f.unnamed, f.listed = true, []string{}
			f.post("4", "5")
		})
		a.holdsTheLog(t)
		a.back(t, f, func() { f.fallBack(2); f.post("x") })
		a.holdsTheLog(t)
	})
}

// An older server's hello names no mids: it is asked only where seqs differ.
func TestOlderServer(t *testing.T) {
	f, a := hold(t, 3)
	a.back(t, f, func() { f.old = true })
	asked := f.histories
	a.back(t, f, func() {})
	f.locked(func() { require.Equal(t, asked, f.histories) })
	a.back(t, f, func() { f.post("4") })
	a.holdsTheLog(t)
}
