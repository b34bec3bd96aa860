package places

import (
	"testing"

	"bellhop/broker/chat"
	"bellhop/internal/testenv"
)

func TestScriptsReadWhatTheyAreTold(t *testing.T) {
	testenv.ReadsAll(t, "reserve", reserveArgs{})
	testenv.ReadsAll(t, "rectify", rectifyArgs{})
	testenv.ReadsAll(t, "settle", Effect{}, "kind") // which it adds
}

// Whatever Redis holds of a session, an agent is something to it.
func FuzzRole(f *testing.F) {
	for _, seed := range []string{"", "null", "{}", `{"s":["state","serving","agent","ann","agent_res","1.a"],"u":["a:ann","0"],"r":[]}`,
		`{"s":["state","waiting","target","ann","target_res","1.a"],"u":[],"r":[]}`, `{"s":["state","ended","as:ann","{}","m:a:ann","1"],"u":[],"r":[]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		st, fields, err := chat.ParseSnapshot("0a-01M8D0KQA1NFZQ495B4XP58KQR", text)
		if err != nil || st == nil {
			return
		}
		if role, _ := roleOf(st, fields, "ann"); role == "" {
			t.Error("no role")
		}
	})
}
