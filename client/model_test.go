package client_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"bellhop/client"
)

// Whatever happens between a client and a server that loses answers,
// connections and the end of its log: in the end the application holds the log,
// by mid, and was never told of one message twice.
func TestHoldsTheLogWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFake()
		defer f.stop()
		a := newApp(t, f, client.Options{})
		defer a.c.Close()
		var sends sync.WaitGroup
		cut := func() { f.drop([]uint16{0, 1001, 4003}[rapid.IntRange(0, 2).Draw(t, "code")]) }
		act := map[string]func(){
			"post": func() { f.locked(func() { f.post("theirs", "theirs") }) },
			"send": func() {
				sends.Go(func() {
					if err := a.send("mine"); err != nil {
						panic(err)
					}
				})
			},
			"cut": cut,
			"fall": func() {
				f.locked(func() {
					f.fallBack(rapid.IntRange(0, len(f.log)).Draw(t, "to"))
					f.reset()
				})
			},
			"fall cut": func() {
				f.locked(func() {
					f.cut(0)
					f.fallBack(rapid.IntRange(0, len(f.log)).Draw(t, "to"))
				})
			},
			"lose":    func() { f.locked(func() { f.lose = 1 }) },
			"unnamed": func() { f.locked(func() { f.unnamed = !f.unnamed }) },
			"refuse": func() {
				f.locked(func() {
					left := rapid.IntRange(1, 3).Draw(t, "refusals")
					f.asked = func(int, int) string {
						if left--; left < 0 {
							return ""
						}
						return `"error":{"code":"internal","message":"no","retry":false}`
					}
				})
			},
			"fall while reading": func() {
				f.locked(func() {
					left, to, told := rapid.IntRange(1, 4).Draw(t, "pages"), rapid.IntRange(0, 3).Draw(t, "to"), rapid.Bool().Draw(t, "told")
					f.asked = func(int, int) string {
						if left--; left == 0 {
							f.fallBack(min(to, len(f.log)))
							f.reset()
							if told {
								f.post("after it")
							}
						}
						return ""
					}
				})
			},
		}
		for _, what := range rapid.SliceOfN(rapid.SampledFrom([]string{"post", "post", "send", "send", "cut", "fall", "fall cut", "lose", "unnamed", "refuse", "fall while reading"}), 1, 30).Draw(t, "what") {
			act[what]()
		}
		f.locked(func() { f.lose = 0 })
		sends.Wait()
		f.locked(func() { f.post("the last") })
		a.holdsTheLog(t)
		resets, _ := a.count()
		require.LessOrEqual(t, resets, 200)
	})
}
