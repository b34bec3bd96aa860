package faults

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/client"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

// said is a system message.
func said(seq int64, what string) message {
	return message{Seq: seq, Mid: fmt.Sprint("m", seq), At: at(float64(seq)), Type: "system", Body: `{"what":` + what + `}`}
}

func text(seq int64, from, mark string) message {
	return message{Seq: seq, Mid: fmt.Sprint("m", seq), At: at(float64(seq)), From: from, Type: "text", Mark: mark}
}

// sound is a run in which all is well: a user and an agent had a session, and have another one.
func sound() *evidence {
	log := []message{said(1, `"opened"`), text(2, "user-00", "user-00.1"), said(3, `"grabbed","agent":{"id":"agent-00"}`), text(4, "agent-00", "agent-00.1"),
		{Seq: 5, Mid: "m5", At: at(5), From: "agent-00", Type: "note", Mark: "agent-00.2"}}
	view := held{events: map[int64]string{1: "m1", 3: "m3", 4: "m4"}, own: map[string]bool{"m2": true}}
	staff := held{events: map[int64]string{1: "m1", 2: "m2", 3: "m3", 5: "m5"}, own: map[string]bool{"m4": true}}
	return &evidence{
		sessions: map[string]facts{"s": {ID: "s", Queue: "sales", State: "serving", User: "user-00", Agent: "agent-00", Seq: 5, Score: 4}},
		log:      map[string][]message{"s": log}, archive: map[string][]message{"s": slices.Clone(log)},
		views:    []seen{{"user-00", "user", map[string]held{"s": view}}, {"agent-00", "agent", map[string]held{"s": staff}}},
		counts:   []count{{"s", "user-00", "user", 0, 4}, {"s", "agent-00", "agent", 1, 0}},
		capacity: map[string]int{"agent-00": 1},
		sends: map[string]sent{
			"user-00.1":  {Mark: "user-00.1", Session: "s", By: "user-00", Began: at(1), Acked: at(2), Seq: 2, Mid: "m2"},
			"agent-00.1": {Mark: "agent-00.1", Session: "s", By: "agent-00", Began: at(3), Acked: at(4), Seq: 4, Mid: "m4"},
			"agent-00.2": {Mark: "agent-00.2", Session: "s", By: "agent-00", Began: at(4)}, // nobody knows, and it is there
			"user-00.2":  {Mark: "user-00.2", Session: "s", By: "user-00", Began: at(4)},   // and not
		},
		ops:    []op{{"s", opGrab, "agent-00", "", at(2.9), at(3.1), outOK}},
		reads:  []readMark{{"s", "user-00", 3, at(4), 3}},
		rates:  []rated{{"s", 4, at(4)}},
		opened: map[string]string{"s": "sales"},
	}
}

func (e *evidence) all() (found []violation) {
	found, _ = e.safety()
	owners, _, _ := e.checkOwnership(10 * time.Second)
	return slices.Concat(found, e.converging(), owners)
}

func (e *evidence) session(change func(f *facts)) {
	f := e.sessions["s"]
	change(&f)
	e.sessions["s"] = f
}

// add puts a message at the log's end, and everywhere it belongs.
func (e *evidence) add(m message) {
	e.log["s"], e.archive["s"] = append(e.log["s"], m), append(e.archive["s"], m)
	e.session(func(f *facts) { f.Seq++ })
	for _, v := range e.views {
		v.Sessions["s"].events[m.Seq] = m.Mid
	}
}

func TestASoundRunIsSound(t *testing.T) {
	e := sound()
	require.Empty(t, e.all())
	_, checked, open := e.checkOwnership(10 * time.Second)
	require.Equal(t, []int{1, 0}, []int{checked, open})
}

// Each broken promise is found, and called by its name.
func TestWhatIsBrokenIsFound(t *testing.T) {
	agent := func(what, by, to string, from, until float64, out string) op {
		return op{"s", what, by, to, at(from), at(until), out}
	}
	for name, c := range map[string]struct {
		spoil func(e *evidence)
		says  string
	}{
		"a gap":                    {func(e *evidence) { e.log["s"][3].Seq = 5 }, "has seq 5 where 4 should be"},
		"a seq twice":              {func(e *evidence) { e.log["s"][3].Seq = 3 }, "has seq 3 where 4 should be"},
		"a mid twice":              {func(e *evidence) { e.log["s"][3].Mid = "m2" }, "message m2 is seq 2 and 4"},
		"a seq ahead of the log":   {func(e *evidence) { e.session(func(f *facts) { f.Seq = 6 }) }, "its seq is 6, its log has 5"},
		"lost":                     {func(e *evidence) { e.log["s"][3].Mark = "agent-00.2" }, "agent-00.1 was acknowledged as 4 (m4), and is gone"},
		"lost, with its session":   {func(e *evidence) { delete(e.sessions, "s"); delete(e.log, "s") }, "user-00.1 was acknowledged as 2 (m2), and is gone"},
		"doubled":                  {func(e *evidence) { e.add(text(6, "user-00", "user-00.1")) }, "user-00.1 is there 2 times, as 2 and 6"},
		"doubled, unacknowledged":  {func(e *evidence) { e.add(text(6, "agent-00", "agent-00.2")) }, "agent-00.2 is there 2 times"},
		"nobody's":                 {func(e *evidence) { e.add(text(6, "user-00", "x.1")) }, "nobody sent message 6"},
		"another's":                {func(e *evidence) { e.add(text(6, "agent-00", "user-00.2")) }, "nobody sent message 6"},
		"not as acknowledged":      {func(e *evidence) { s := e.sends["user-00.1"]; s.Mid = "m9"; e.sends["user-00.1"] = s }, "was acknowledged as 2 (m9), and is 2 (m2)"},
		"not in the archive":       {func(e *evidence) { e.archive["s"] = e.archive["s"][:4] }, "the archive has 4 messages, the log 5"},
		"another in the archive":   {func(e *evidence) { e.archive["s"][1].Mid = "m9" }, "the archive has 2 (m9, user-00.1) where the log has 2 (m2, user-00.1)"},
		"too much in the archive":  {func(e *evidence) { e.archive["s"] = append(e.archive["s"], text(6, "user-00", "user-00.2")) }, "the archive has 6 messages, the log 5"},
		"missing at a client":      {func(e *evidence) { delete(e.views[0].Sessions["s"].events, 4) }, "user-00 has not message 4 (m4, text)"},
		"another at a client":      {func(e *evidence) { e.views[1].Sessions["s"].events[2] = "m8" }, "agent-00 has not message 2"},
		"a client has all of none": {func(e *evidence) { delete(e.views[0].Sessions, "s") }, "user-00 has not message 1"},
		"shown and not in the log": {func(e *evidence) { e.views[0].Sessions["s"].events[9] = "m9" }, "user-00 was shown m9 as 9"},
		"unread too many":          {func(e *evidence) { e.counts[0].Unread = 1 }, "user-00 has 0 unread after 4, and is told 1"},
		"unread too few":           {func(e *evidence) { e.counts[1].Unread = 0 }, "agent-00 has 1 unread after 0, and is told 0"},
		"a note counts for a user": {func(e *evidence) { e.counts[0] = count{"s", "user-00", "user", 2, 3} }, "has 1 unread after 3, and is told 2"},
		"a mark that went back":    {func(e *evidence) { e.counts[0] = count{"s", "user-00", "user", 1, 2} }, "has read up to 3, and its mark is 2"},
		"a rating that is gone":    {func(e *evidence) { e.session(func(f *facts) { f.Score = 0 }) }, "it was rated 4, and has 0"},
		"over its capacity":        {func(e *evidence) { e.capacity["agent-00"] = 0 }, "agent-00 owns 1 sessions and has room for 0"},
		"stuck":                    {func(e *evidence) { e.session(func(f *facts) { f.State = "ending" }) }, "it is stuck: ending"},
		"another owner":            {func(e *evidence) { e.session(func(f *facts) { f.Agent = "agent-01" }) }, `serving of "agent-01", and its log says: owner "agent-00"`},
		"no owner":                 {func(e *evidence) { e.session(func(f *facts) { f.Agent = "" }) }, `its log says: owner "agent-00"`},
		"grabbed twice":            {func(e *evidence) { e.add(said(6, `"grabbed","agent":{"id":"agent-01"}`)) }, "message 6 tells of"},
		"transferred by another":   {func(e *evidence) { e.add(said(6, `"transferred","from":{"id":"agent-02"},"to":{"id":"agent-01"}`)) }, "which cannot follow"},
		"ended and grabbed": {func(e *evidence) {
			e.add(said(6, `"ended","by":"user-00"`))
			e.add(said(7, `"grabbed","agent":{"id":"agent-01"}`))
		}, "message 7 tells of"},
		"two grabs": {func(e *evidence) { e.ops = append(e.ops, agent(opGrab, "agent-01", "", 3.2, 3.3, outOK)) }, "not linearizable"},
		"refused though it waits": {func(e *evidence) {
			e.ops = []op{agent(opGrab, "agent-01", "", 1.5, 1.6, outNo), agent(opGrab, "agent-00", "", 2.9, 3.1, outOK)}
		}, "not linearizable"},
		"accepted without an offer": {func(e *evidence) { e.ops = append(e.ops, agent(opAccept, "agent-01", "", 4, 4.1, outOK)) }, "not linearizable"},
		"put back by who had it not": {func(e *evidence) {
			e.ops = append(e.ops, agent(opRequeue, "agent-02", "sales", 4, 4.1, outOK))
		}, "not linearizable"},
		"grabbed after its end": {func(e *evidence) {
			e.ops = append(e.ops, agent(opUserEnd, "user-00", "", 4, 4.1, outOK), agent(opGrab, "agent-00", "", 4.2, 4.3, outOK))
		}, "not linearizable"},
	} {
		t.Run(name, func(t *testing.T) {
			e := sound()
			c.spoil(e)
			var all []string
			for _, v := range e.all() {
				all = append(all, v.What)
			}
			require.Contains(t, strings.Join(all, "\n"), c.says)
		})
	}
}

// What Redis may lose is no violation, at that time only; and whoever takes part must agree with the log even then.
func TestWhatRedisMayLose(t *testing.T) {
	gone := func() *evidence { // the last two are lost, and another one has gone on under their seq
		e := sound()
		e.log["s"] = append(e.log["s"][:3:3], message{Seq: 4, Mid: "n4", At: at(9), From: "user-00", Type: "text", Mark: "user-00.2"})
		e.archive["s"] = slices.Clone(e.log["s"])
		e.session(func(f *facts) { f.Seq = 4 })
		e.counts = nil
		for _, v := range e.views {
			h := v.Sessions["s"]
			h.own, h.events = map[string]bool{}, map[int64]string{1: "m1", 2: "m2", 3: "m3", 4: "n4"}
			v.Sessions["s"] = h
		}
		return e
	}
	e := gone()
	e.lossy = []span{{at(3.5), at(5)}}
	found, lost := e.safety()
	require.Empty(t, append(found, e.converging()...))
	require.Equal(t, 1, lost)

	e = gone()
	e.lossy = []span{{at(4.5), at(5)}}
	found, lost = e.safety()
	require.Len(t, found, 1)
	require.Equal(t, 0, lost)
	require.Contains(t, found[0].What, "agent-00.1 was acknowledged as 4 (m4), and is gone")

	e = gone()
	e.lossy = []span{{at(3.5), at(5)}}
	e.views[0].Sessions["s"].events[4] = "m4" // it was not told
	found = e.converging()
	require.NotEmpty(t, found)
	require.Contains(t, found[0].What, `user-00 has not message 4 (n4, text) but "m4"`)
}

// A command of which nobody knows may have been carried out, or not, whenever.
func TestUnknownOutcomes(t *testing.T) {
	e := sound()
	unknown := op{"", opGrab, "agent-00", "sales", at(2.9), at(30), outUnknown}
	e.ops = []op{unknown, {"s", opGrab, "agent-01", "", at(4), at(4.1), outNo}}
	found, checked, _ := e.checkOwnership(10 * time.Second)
	require.Empty(t, found)
	require.Equal(t, 1, checked)
	e.ops = e.ops[1:] // nobody grabbed it, and it is refused
	found, _, _ = e.checkOwnership(10 * time.Second)
	require.Len(t, found, 1)
}

// What the broker does by itself is a step like others.
func TestTheBrokersOwnSteps(t *testing.T) {
	e := sound()
	e.add(said(6, `"requeued","reason":"agent-gone"`))
	e.add(said(7, `"grabbed","agent":{"id":"agent-01"}`))
	e.session(func(f *facts) { f.Agent = "agent-01" })
	e.capacity["agent-01"] = 1
	e.ops = append(e.ops, op{"s", opGrab, "agent-01", "", at(6.9), at(7.1), outOK})
	e.views, e.counts = e.views[:1], nil
	require.Empty(t, e.all())
	e.log["s"][5].Body, e.archive["s"][5].Body = `{"what":"left"}`, `{"what":"left"}`
	require.NotEmpty(t, e.all())
}

// An offer that is open may be made once more by whom it is from, and is declined for who has gone.
func TestOffersOverAgain(t *testing.T) {
	offer := func(by string, when float64) op {
		return op{"s", opOffer, by, "agent-02", at(when), at(when + 0.1), outOK}
	}
	e := sound()
	e.ops = append(e.ops, offer("agent-00", 6), offer("agent-00", 7))
	found, checked, _ := e.checkOwnership(10 * time.Second)
	require.Empty(t, found)
	require.Equal(t, 1, checked)
	e.ops = append(e.ops, op{"s", opOffer, "agent-00", "agent-03", at(9), at(9.1), outOK})
	found, _, _ = e.checkOwnership(10 * time.Second)
	require.Len(t, found, 1, "another's offer while one is open")
	e.log["s"] = append(e.log["s"], said(8, `"declined","by":"agent-02","outcome":"declined","reason":"agent-gone"`))
	found, _, _ = e.checkOwnership(10 * time.Second)
	require.Empty(t, found)
	e.log["s"][len(e.log["s"])-1].Body = `{"what":"declined","by":"agent-02","outcome":"declined","reason":""}`
	found, _, _ = e.checkOwnership(10 * time.Second)
	require.Len(t, found, 1, "nobody declined it")
}

// A client that comes is told of what ended within the hour, and need not have what ended before.
func TestWhatEndedLongAgo(t *testing.T) {
	e := sound()
	e.at = at(3700)
	e.views = []seen{{"user-00", "user", map[string]held{}}}
	e.session(func(f *facts) { f.Ended = at(1000) })
	require.Len(t, e.checkView(e.views[0]), 1)
	e.session(func(f *facts) { f.Ended = at(5) })
	require.Empty(t, e.checkView(e.views[0]))
}

func TestWhatHasNotEnded(t *testing.T) {
	e := sound()
	require.Len(t, e.checkEnded(), 1)
	e.session(func(f *facts) { f.State = "ended" })
	require.Empty(t, e.checkEnded())
}

func clientMessage(seq int64, kind string) client.Message {
	return client.Message{Session: "s", Seq: seq, Mid: fmt.Sprint("m", seq), Type: kind}
}

// The views look at order while messages come.
func TestAViewSeesDisorder(t *testing.T) {
	for name, c := range map[string]struct {
		seqs  []int64
		wrong int
	}{"in order, with a gap for a note": {[]int64{1, 2, 4}, 0}, "twice": {[]int64{1, 2, 2}, 1}, "back": {[]int64{1, 3, 2}, 1}} {
		rec := newRecord()
		v := newView(rec, "user-00", "user")
		for _, seq := range c.seqs {
			m := clientMessage(seq, "text")
			v.message(m)
		}
		require.Len(t, rec.violated, c.wrong, name)
	}
	rec := newRecord()
	v := newView(rec, "user-00", "user")
	v.message(clientMessage(2, "text"))
	v.reset("s")
	v.message(clientMessage(1, "text"))
	require.Empty(t, rec.violated, "after a reset the log begins anew")
	v.message(clientMessage(2, "note"))
	require.Len(t, rec.violated, 1, "a user sees no notes")
}

// The same seed gives the same faults, another one others; no two of a track overlap, and every kind comes.
func TestTheScheduleIsTheSeeds(t *testing.T) {
	for _, engine := range []string{engineRedis, engineSentinel, engineCluster} {
		o := Options{Seed: 7, For: time.Hour, Engine: engine, Nodes: 3, Intensity: 1}
		a := Schedule(o)
		require.Equal(t, a, Schedule(o))
		kinds, until := map[string]bool{}, map[string]time.Duration{}
		for _, f := range a {
			require.GreaterOrEqual(t, f.At, until[f.Track])
			until[f.Track] = f.At + f.Lasts
			kinds[f.Kind] = true
			require.Equal(t, jumps[f.Kind] != 0, f.By != 0)
		}
		for _, list := range tracks(engine) {
			for _, k := range list {
				require.True(t, kinds[k.name], "%s on %s", k.name, engine)
			}
		}
		few := len(a)
		o.Intensity = 3
		require.Greater(t, len(Schedule(o)), few)
		o.Seed++
		require.NotEqual(t, a[0], Schedule(o)[0])
	}
	o := Options{Seed: 1}
	require.NoError(t, o.complete())
	for _, bad := range []Options{{Nodes: 1}, {Intensity: -1}, {Engine: "x"}, {Fsync: "x"}, {Archive: "x"}} {
		require.Error(t, bad.complete())
	}
}

// A report tells each violation once, the seed, and what happened around it.
func TestTheReport(t *testing.T) {
	rec, r := newRecord(), &Report{Options: Options{Seed: 42}}
	rec.note("", "fault begins: node killed")
	rec.note("s", "agent-00: grab")
	rec.note("other", "agent-01: grab")
	v := violation{"it is broken", "s", time.Now()}
	r.add(rec, v, v)
	require.Len(t, r.Violations, 1)
	var b strings.Builder
	r.Counts = maps.Clone(rec.counts)
	r.Write(&b)
	require.Contains(t, b.String(), "VIOLATION (seed 42): session s: it is broken")
	require.Contains(t, b.String(), "fault begins: node killed")
	require.Contains(t, b.String(), "agent-00: grab")
	require.NotContains(t, b.String(), "agent-01: grab")
	require.Contains(t, b.String(), "--seed 42")
}
