package main

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bellhop/deploy"
)

// Who has not the password gets nothing out of the embedded Redis, by whatever command.
func TestEmbeddedRedisWantsItsPassword(t *testing.T) {
	t.Parallel()
	n := startNode(t, "")
	addr := n.embedded.Addr()
	require.True(t, strings.HasPrefix(addr, "127.0.0.1:"))

	commands := append([]string{"FLUSHALL", "KEYS", "DUMP", "MULTI", "PSUBSCRIBE", "CONFIG|GET", "SWAPDB"},
		regexp.MustCompile(`\+[a-z|]+`).FindAllString(deploy.RedisUsers("x"), -1)...)
	require.Greater(t, len(commands), 60)
	for _, command := range commands {
		command = strings.TrimPrefix(command, "+")
		if command == "command" {
			continue // which commands there are is no secret
		}
		kept := false
		for args := range 6 { // a wrong number of arguments is refused before the password is asked for
			answer := say(t, addr, append(strings.Split(command, "|"), strings.Fields("1 1 1 1 1")[:args]...)...)
			require.Equal(t, "-", answer[:1], "%s with %d arguments: %s", command, args, answer)
			kept = kept || strings.HasPrefix(answer, "-NOAUTH") || strings.HasPrefix(answer, "-ERR unknown command")
		}
		require.True(t, kept, "%s never asked for a password", command)
	}
	require.True(t, strings.HasPrefix(say(t, addr, "AUTH", "wrong"), "-WRONGPASS"))

	other := startNode(t, "")
	password := func(n *node) string {
		u, err := url.Parse(n.embedded.URL())
		require.NoError(t, err)
		p, _ := u.User.Password()
		return p
	}
	require.NotEqual(t, password(n), password(other))
	require.GreaterOrEqual(t, len(password(n)), 26) // of 32 letters: 128 bits
}

// say sends a command over a connection of its own and gives the first line of the answer.
func say(t *testing.T, addr string, command ...string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	line := fmt.Sprintf("*%d\r\n", len(command))
	for _, word := range command {
		line += fmt.Sprintf("$%d\r\n%s\r\n", len(word), word)
	}
	_, err = c.Write([]byte(line))
	require.NoError(t, err)
	answer, err := bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	return answer
}
