package deploy_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"go/ast"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"

	"bellhop/deploy"
	"bellhop/internal/testenv"
)

// granted are the commands of the ACL file, in upper case; a subcommand after "|".
func granted(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	// Nobody can be the first user, who may everything: as it, Redis reads its AOF.
	rest, ok := strings.CutPrefix(deploy.RedisUsers("x"), "user default off resetpass ~* &* +@all\n")
	require.True(t, ok)
	require.Equal(t, 1, strings.Count(rest, "user "))
	for _, rule := range strings.Fields(rest) {
		if name, ok := strings.CutPrefix(rule, "+"); ok {
			require.False(t, strings.HasPrefix(name, "@"), "%s grants what nobody listed", rule)
			require.False(t, out[strings.ToUpper(name)], "%s twice", rule)
			out[strings.ToUpper(name)] = true
		}
	}
	return out
}

// overhead is what the client library sends by itself, and what scripts are
// loaded with.
var overhead = []string{
	"ASKING", "CLUSTER|NODES", "CLUSTER|SLOTS", "COMMAND", // in a cluster
	"SELECT",          // where the URL names a database
	"WAIT",            // Do: a pipeline has no method for it
	"EVALSHA", "EVAL", // Script.Run
	"SCRIPT|LOAD", // Script.Load
	"SPUBLISH",    // what PUBLISH becomes in the scripts for a cluster
	"SUBSCRIBE", "UNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE",
}

// The ACL grants what the scripts and the program use, and nothing else.
func TestTheACLGrantsWhatIsUsed(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, c := range overhead {
		used[c] = true
	}
	maps.Copy(used, scriptCommands(t))
	maps.Copy(used, programCommands(t))
	list := granted(t)
	for c := range used {
		assert.True(t, list[c], "%s is used and not granted", c)
	}
	for c := range list {
		assert.True(t, used[c], "%s is granted and not used", c)
	}
}

// scriptCommands are those that stand in the scripts.
func scriptCommands(t *testing.T) map[string]bool {
	t.Helper()
	var files []string
	for _, pattern := range []string{"../scripts/*.lua", "../scripts/*/*.lua"} {
		more, err := filepath.Glob(pattern)
		require.NoError(t, err)
		files = append(files, more...)
	}
	require.Greater(t, len(files), 50)
	call, name := regexp.MustCompile(`redis\.p?call\(`), regexp.MustCompile(`redis\.p?call\('([A-Z]+)'`)
	used := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		found := name.FindAllSubmatch(text, -1)
		require.Len(t, call.FindAll(text, -1), len(found), "%s: a command that is not plain to see", file)
		for _, m := range found {
			used[string(m[1])] = true
		}
	}
	return used
}

// programCommands are those whose methods the program calls.
func programCommands(t *testing.T) map[string]bool {
	t.Helper()
	const client = "github.com/redis/go-redis/v9"
	pkgs, err := packages.Load(&packages.Config{Dir: "..", Context: t.Context(),
		Mode: packages.NeedName | packages.NeedSyntax | packages.NeedFiles | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports},
		"./broker/...", "./app/...", "./handlers/...", "./files/...")
	require.NoError(t, err)
	used := map[string]bool{}
	for _, p := range pkgs {
		require.Empty(t, p.Errors)
		for _, file := range p.Syntax {
			ast.Inspect(file, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				method, ok := p.TypesInfo.Uses[sel.Sel].(*types.Func)
				if ok && method.Pkg() != nil && method.Pkg().Path() == client && method.Signature().Recv() != nil {
					if name := commandOf(method.Name()); name != "" {
						used[name] = true
					}
				}
				return true
			})
		}
	}
	require.Greater(t, len(used), 30)
	return used
}

// commandOf is what a method of the client library sends; "" where that is no
// command, or not one of its own.
func commandOf(method string) (name string) {
	if slices.Contains([]string{"Process", "Do", "Pipeline", "Pipelined", "Close", "Exec", "Eval", "EvalSha", "Len",
		"ClusterSlots", "ClusterNodes"}, method) {
		return ""
	}
	rdb := redis.NewClient(&redis.Options{})
	defer rdb.Close()
	pipe := rdb.Pipeline()
	m := reflect.ValueOf(pipe).MethodByName(method)
	if !m.IsValid() || m.Type().NumIn() == 0 || m.Type().In(0) != reflect.TypeFor[context.Context]() {
		return ""
	}
	in := []reflect.Value{reflect.ValueOf(context.Background())}
	for i := 1; i < m.Type().NumIn(); i++ {
		arg := m.Type().In(i)
		switch {
		case m.Type().IsVariadic() && i == m.Type().NumIn()-1:
			continue
		case arg.Kind() == reflect.Pointer:
			in = append(in, reflect.New(arg.Elem()))
		default:
			in = append(in, reflect.Zero(arg))
		}
	}
	m.Call(in)
	sent := pipe.(*redis.Pipeline).Cmds()
	if len(sent) == 0 {
		return ""
	}
	return strings.ToUpper(sent[0].Name())
}

// Bellhop's user may do nothing else, in scripts neither, and nobody comes in without a password.
func TestTheACLRefusesTheRest(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t)
	ctx := t.Context()
	o, err := redis.ParseURL(server.URL())
	require.NoError(t, err)
	rdb := redis.NewClient(o)
	defer rdb.Close()

	foreign := []string{"somebody:else", "bellhop", "{abcd}:x", "{A}:x", "{}:x", "x{a}:y", "{a}x", "a:x", "{a*}:x", "{a.}:x", "{a.bcd}:x", "{abcd.1}:x", "{abcd}~x"}
	for _, key := range foreign {
		require.NoError(t, server.Client().Set(ctx, key, "1", 0).Err())
	}
	refused := [][]any{
		{"flushall"}, {"flushdb"}, {"keys", "*"}, {"randomkey"}, {"config", "set", "maxmemory", "0"}, {"config", "get", "*"},
		{"config", "rewrite"}, {"debug", "sleep", "0"}, {"shutdown", "nosave"}, {"replicaof", "127.0.0.1", "1"},
		{"slaveof", "no", "one"}, {"acl", "list"}, {"acl", "whoami"}, {"acl", "setuser", "bellhop", "+@all"}, {"module", "list"},
		{"monitor"}, {"save"}, {"bgsave"}, {"client", "list"}, {"client", "kill", "type", "normal"}, {"script", "flush"},
		{"script", "kill"}, {"function", "flush"}, {"migrate", "127.0.0.1", "1", "k", "0", "1"}, {"dump", "somebody:else"},
		{"restore", "somebody:else", "0", ""}, {"rename", "{a}:x", "{a}:y"}, {"cluster", "reset"}, {"cluster", "failover"},
		{"psubscribe", "*"}, {"subscribe", "somebody:else"}, {"ssubscribe", "somebody:else"}, {"publish", "somebody:else", "x"},
		{"spublish", "{abcd}:x", "x"}, {"latency", "reset"}, {"slowlog", "get"}, {"swapdb", "0", "1"}, {"sort", "{a}:x"},
		{"eval", "return redis.call('FLUSHALL')", 0}, {"eval", "return redis.call('CONFIG', 'GET', '*')", 0},
		{"eval", "return redis.call('GET', 'somebody:else')", 0}, {"eval", "return redis.call('PUBLISH', 'somebody:else', 'x')", 0},
		{"eval", "return redis.call('KEYS', '*')", 0},
	}
	for _, key := range foreign {
		refused = append(refused, []any{"get", key}, []any{"set", key, "2"}, []any{"del", key}, []any{"eval", "return 1", 1, key})
	}
	for _, command := range refused {
		err := rdb.Do(ctx, command...).Err()
		require.Error(t, err, "%v", command)
		assert.Regexp(t, `^NOPERM|can't (run|access|publish)|not allowed`, err.Error(), "%v", command)
	}
	for _, key := range foreign {
		require.Equal(t, "1", server.Client().Get(ctx, key).Val(), key)
	}

	for _, key := range []string{"{a}:x", "{1c}:s:any:thing", "{zz9}:load:a}b{c", "{zz9.1f}:s:x", "{0.1}~s:x", "bellhop:partitions"} {
		require.NoError(t, rdb.Set(ctx, key, "1", 0).Err())
		require.NoError(t, rdb.Eval(ctx, "return redis.call('GET', KEYS[1])", []string{key}).Err())
	}
	denied, err := server.Refused()
	require.NoError(t, err)
	require.NotEmpty(t, denied, "what a test's end looks at, so that no refusal goes unseen")

	for _, login := range [][2]string{{"", ""}, {deploy.RedisUser, "wrong"}, {"default", ""}, {"default", "x"}} {
		stranger := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: login[0], Password: login[1]})
		assert.Error(t, stranger.Ping(ctx).Err(), "%v", login)
		_ = stranger.Close()
	}
}

// The file as it stands is refused by Redis, so that nobody runs with the password of an example.
func TestTheACLWantsAPassword(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("redis-users.acl")
	require.NoError(t, err)
	server := testenv.Redis(t)
	for line := range strings.Lines(string(text)) {
		rules := strings.Fields(line)[1:]
		args := []any{"acl", "setuser"}
		for _, r := range rules {
			args = append(args, r)
		}
		if rules[0] == deploy.RedisUser {
			require.ErrorContains(t, server.Client().Do(t.Context(), args...).Err(), "password hash")
		}
	}
	require.Equal(t, string(text), strings.Replace(deploy.RedisUsers("p"), sha("p"), "PUT-THE-SHA-256-OF-ITS-PASSWORD-HERE", 1))
}

func sha(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

// A Redis that was killed reads back what scripts wrote, all of it: while it loads the AOF, Redis 7.0 holds
// transactions, which scripts that write twice become there, to the rights of the default user.
func TestTheACLLetsTheAOFBeRead(t *testing.T) {
	t.Parallel()
	server := testenv.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
	ctx := t.Context()
	o, err := redis.ParseURL(server.URL())
	require.NoError(t, err)
	rdb := redis.NewClient(o)
	defer rdb.Close()
	const twice = `redis.call('HSET', KEYS[1], 'a', '1') redis.call('ZADD', KEYS[2], 1, 'a') return 1`
	require.NoError(t, rdb.Eval(ctx, twice, []string{"{00}:s:x", "{00}:sessions"}).Err())
	server.Kill()
	server.Restart()
	require.Equal(t, "1", server.Client().HGet(ctx, "{00}:s:x", "a").Val())
	require.Equal(t, []string{"a"}, server.Client().ZRange(ctx, "{00}:sessions", 0, -1).Val())

	stranger := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer stranger.Close()
	require.Error(t, stranger.Ping(ctx).Err(), "and nobody comes in as that user")
}
