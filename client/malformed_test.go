package client_test

import (
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"github.com/stretchr/testify/require"

	"bellhop/client"
)

// What the client cannot read it tells, skips, and reads on.
func TestMalformedLines(t *testing.T) {
	f := start(t)
	var mu sync.Mutex
	var skipped []string
	texts := make(chan string, 10)
	c, err := client.Dial(t.Context(), client.Options{URL: f.URL, Token: "good", OnEvent: func(e client.Event) {
		switch e := e.(type) {
		case *client.Malformed:
			mu.Lock()
			defer mu.Unlock()
			require.Error(t, e.Err)
			skipped = append(skipped, string(e.Line))
		case *client.MessageEvent:
			texts <- string(e.Body)
		}
	}})
	require.NoError(t, err)
	defer c.Close()
	bad := []string{`{`, `7`, `[]`, `"x"`, `{"event":7}`, `{"event":"message","seq":"x"}`, `{"event":"message","seq":1,"at":"never"}`, `{"event":"session","session":"x"}`,
		`{"event":"queue","queue":1}`, `{"event":"offer","session":[]}`, `{"id":"x"}`, "\x00"}
	harmless := []string{`{}`, `null`, `{"event":"of a newer server"}`, `{"event":null}`, `{"event":"session","session":null}`, `{"event":"message"}`, `{"id":99,"ok":7}`, `{"event":"__proto__"}`}
	f.locked(func() {
		for ws := range f.conns {
			for _, line := range append(bad, harmless...) {
				require.NoError(t, ws.WriteMessage(gws.OpcodeText, []byte(line)))
			}
		}
		f.post("after")
	})
	for deadline := time.After(10 * time.Second); ; {
		select {
		case text := <-texts:
			if text != `"after"` {
				continue
			}
		case <-deadline:
			t.Fatal("nothing came after what was malformed")
		}
		break
	}
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, bad, skipped)
}
