package handlers

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
)

// nested is an object with so many others and arrays in one another, itself included.
func nested(depth int) string {
	var open, end strings.Builder
	for i := range depth {
		if i%2 == 0 {
			open.WriteString(`{"a":`)
			end.WriteString("}")
		} else {
			open.WriteString("[")
			end.WriteString("]")
		}
	}
	closing := []byte(end.String())
	for i, j := 0, len(closing)-1; i < j; i, j = i+1, j-1 {
		closing[i], closing[j] = closing[j], closing[i]
	}
	return open.String() + `"]}\"[{"` + string(closing)
}

// What is nested deeper than whoever reads it later may bear is refused, in frames
// and in bodies, in whatever field; what is less deep is stored and comes back.
func TestDeepJSON(t *testing.T) {
	require.True(t, json.Valid([]byte(nested(9))))
	e := newEdge(t, Options{})
	w := e.connect(t, e.token)
	w.line(t, `{"event":"hello"`)
	id := 0
	ask := func(line string) string {
		id++
		w.send(t, frame(0x81, []byte(fmt.Sprintf(line, id))))
		return w.line(t, `{"id":`)
	}
	post := func(path, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+e.addr+"/api/v1"+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+e.token)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		data, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(data)
	}
	for _, depth := range []int{2, 40, maxDepth - 1} { // the line itself is one more
		answer := ask(`{"id":%d,"cmd":"open","queue":"q` + fmt.Sprint(depth) + `","meta":` + nested(depth) + `}`)
		require.Contains(t, answer, `"ok"`)
		var opened struct {
			OK struct{ Session chat.Session }
		}
		require.NoError(t, json.Unmarshal([]byte(answer), &opened))
		session := opened.OK.Session.ID
		require.JSONEq(t, nested(depth), string(opened.OK.Session.Meta))
		require.Contains(t, ask(`{"id":%d,"cmd":"send","session":"`+session+`","type":"card","body":`+nested(depth)+`}`), `"ok"`)
		require.Contains(t, ask(`{"id":%d,"cmd":"history","session":"`+session+`"}`), nested(depth))
		require.Contains(t, ask(`{"id":%d,"cmd":"end","session":"`+session+`"}`), `"ok"`)
	}
	for _, depth := range []int{maxDepth, 101, 1001, 9000} {
		deep := nested(depth)
		for _, field := range []string{"meta", "body", "unknown", "to", "session"} {
			began := time.Now()
			require.Contains(t, ask(`{"cmd":"open","`+field+`":`+deep+`,"id":%d}`), `nested at most`)
			require.Less(t, time.Since(began), 2*time.Second)
			status, answer := post("/sessions", `{"`+field+`":`+deep+`}`)
			require.Equal(t, http.StatusBadRequest, status)
			require.Contains(t, answer, `nested at most`)
		}
	}
	status, _ := post("/sessions", `{"meta":`+strings.Repeat("[", 1<<20-20))
	require.Equal(t, http.StatusBadRequest, status)
	_ = w.Close()
	e.othersAreServed(t)
}

func BenchmarkDeepJSON(b *testing.B) {
	line := []byte(`{"id":1,"cmd":"open","meta":` + strings.Repeat("[", 60<<10))
	b.SetBytes(int64(len(line)))
	for range b.N {
		_, _, _ = parse(line)
	}
}
