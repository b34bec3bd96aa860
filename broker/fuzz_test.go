package broker

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
	"bellhop/broker/internal/archiving"
	"bellhop/broker/internal/canned"
	"bellhop/broker/internal/routing"
	"bellhop/broker/internal/store"
)

// bounded fails what takes longer than anything that is asked of these may.
func bounded(t *testing.T, f func()) {
	t.Helper()
	begun := time.Now()
	f()
	require.Less(t, time.Since(begun), 5*time.Second)
}

// refusable is nil, or an error that a client may be told of.
func refusable(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		require.NotEqual(t, chat.CodeInternal, chat.AsError(err).Code, "%v", err)
	}
}

// Whatever is put as a queue's, an agent's or a user's settings is refused, or is kept as it was taken, and can be gone by.
func FuzzSettings(f *testing.F) {
	for _, seed := range []string{`{}`, `{"name":"客服","routing":"auto","offerTimeout":1,"hours":{"timeZone":"Europe/Berlin","weekly":{"mon":["09:00-17:00"]}}}`,
		`{"hours":{"timeZone":"../../etc/passwd","weekly":{}}}`, `{"hours":{"timeZone":"UTC","weekly":{},"exceptions":{"2026-12-24":[]}}}`, `{"priority":10}`, `{"greeting":"\u0000"}`,
		`{"queues":["a","a"],"capacity":-1}`, `{"blocked":true,"reason":"x"}`, `{"sticky":31536001}`, `{"hours":null}`, `{"queues":null}`} {
		f.Add(seed, int64(1795738372802))
	}
	f.Fuzz(func(t *testing.T, body string, at int64) {
		q := chat.DefaultQueue("q")
		if json.Unmarshal([]byte(body), &q) == nil {
			q.ID = "q"
			bounded(t, func() {
				err := q.Validate()
				refusable(t, err)
				if err == nil {
					var kept chat.QueueSettings
					require.NoError(t, json.Unmarshal([]byte(chat.Encode(q)), &kept))
					require.NoError(t, kept.Validate())
					require.Equal(t, chat.Encode(q), chat.Encode(kept))
					routing.Begin(q, time.UnixMilli(at%(1<<42)))
				}
			})
		}
		var a chat.AgentSettings
		if json.Unmarshal([]byte(body), &a) == nil {
			refusable(t, chat.NormalizeStaff(&a.Queues, &a.Capacity))
		}
		var u struct{ Reason string }
		if json.Unmarshal([]byte(body), &u) == nil {
			refusable(t, chat.ValidProse("reason", u.Reason, chat.MaxNote))
		}
	})
}

// lua makes what a script may answer of JSON: strings, whole numbers and arrays of them.
func lua(v any) any {
	switch v := v.(type) {
	case float64:
		return int64(v)
	case []any:
		for i := range v {
			v[i] = lua(v[i])
		}
		return v
	case string:
		return v
	}
	return nil
}

// Whatever a script answers or publishes is understood or refused; what is understood can be shown.
func FuzzLuaReplies(f *testing.F) {
	snap := `{"s":["state","serving","queue","q","user","uma","user_info","{\"id\":\"uma\"}","rev","3","seq","2","meta","{}","as:bea","{}","c:a:ann","16","m:a:ann","1","l:vip","1","rating","{\"score\":5}"],"u":["u:uma","0","a:bea","1"],"r":{},"m":"x"}`
	for _, seed := range []string{`["ok"]`, `["taken","ann"]`, `["full",1,2]`, `["wrong_state","ended"]`, `[]`, `[[]]`, `["ok",` + chat.Quote(snap) + `]`,
		`[` + chat.Quote(snap) + `,[["1-0",["at","1","by","u:uma","key","","h","\"mid\":\"x\"","b","1"]]],"1,",["1","{}"]]`, snap,
		`{"said":[[1,2,"a:ann","n","\"mid\":\"x\",\"from\":{\"id\":\"\"},\"type\":\"note\"","\"b\""]],"snap":"{}"}`, `{"said":{}}`, "1\x1f2\x1fu:uma\x1fm\x1f\x1f\x1fa\x1e1\x1fh\x1fb",
		`{"s":["state","x","meta","{","u:","1"],"u":["","1","a","2"],"r":[""]}`,
		`{"s":["state","x","user","uma","as:","{}","l:","1","m:","1","c:a:","1"]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		bounded(t, func() {
			var list []any
			if json.Unmarshal([]byte(text), &list) == nil {
				r := store.Reply(lua(list).([]any)) //nolint:forcetypeassert // lua keeps arrays
				_ = store.Refused(r)
				for i := range len(r) + 2 {
					r.Str(i)
					r.Num(i)
					r.Strs(i)
				}
				for _, e := range archiving.UnsavedEntries(r) {
					_, _ = e.Message("s", true)
				}
				shows(t, r.Str(0))
				shows(t, r.Str(1))
			}
			shows(t, text)
			if e, _, _, _, ok := chat.ParseMessage(text); ok {
				_ = e.Size("s", true)
				_ = e.Line("s", true)
				_, _ = e.Message("s", false)
			}
			said, inner, _, err := chat.ParseSaid(text)
			if err == nil {
				for i := range said {
					_ = said[i].Line("s", false)
					_ = said[i].CameOrWent("ann")
				}
				shows(t, inner)
			}
			if e, ok := chat.ParseRecalled("7", text); ok {
				_, _ = e.Message("s", true)
			}
			_, _ = canned.Parse(text)
			var f chat.Flat
			if json.Unmarshal([]byte(text), &f) == nil {
				p := chat.ParseProfile("ann", f)
				_ = chat.Encode(p.Info(1))
			}
			var ev chat.Personal
			_ = json.Unmarshal([]byte(text), &ev)
		})
	})
}

// shows makes of a snapshot whatever is made of one.
func shows(t *testing.T, snapshot string) {
	t.Helper()
	st, fields, err := chat.ParseSnapshot("0a-01M8D0KQA1NFZQ495B4XP58KQR", snapshot)
	if err != nil || st == nil {
		return
	}
	for _, a := range []chat.Actor{host, {Identity: chat.Identity{Role: chat.RoleUser, ID: "uma"}}, {Identity: chat.Identity{Role: chat.RoleAgent, ID: "ann", Queues: []string{"q"}}}} {
		require.True(t, json.Valid([]byte(chat.Encode(st.As(chat.Who(a.Role, a.ID))))))
		st.Relations(a)
	}
	d := archiving.Document(st, fields, snapshot)
	_ = d.Version()
}
