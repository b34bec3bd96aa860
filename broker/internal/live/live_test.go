package live

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/broker/chat"
)

// What needs no Redis. The others are with the broker's, which they need whole.

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
		c.Deliver(line)
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
