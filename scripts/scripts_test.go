package scripts

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	lua "github.com/yuin/gopher-lua"
	luaparse "github.com/yuin/gopher-lua/parse"
)

var allOptions = []Options{{}, {Hooks: true}, {Sharded: true, Flags: true}, {Sharded: true, Flags: true, Hooks: true}}

// Every script compiles, and in what Redis would run no name is left that nothing makes: the loader looks
// at words, this at what the compiler makes of them.
func TestNoNameIsLeftOpen(t *testing.T) {
	for _, o := range allOptions {
		h, err := own()
		require.NoError(t, err)
		require.Greater(t, len(h.scripts), 50)
		for name, f := range h.scripts {
			src := h.source(f, o)
			if o.Flags {
				require.True(t, strings.HasPrefix(src, "#!lua flags="), name)
				_, src, _ = strings.Cut(src, "\n")
			}
			chunk, err := luaparse.Parse(strings.NewReader(src), name)
			require.NoError(t, err, name)
			proto, err := lua.Compile(chunk, name)
			require.NoError(t, err, name)
			read, written := globalsOf(proto)
			for _, g := range read {
				require.Contains(t, append([]string{"KEYS", "ARGV"}, globals...), g, "script %s", name)
			}
			require.Empty(t, written, "script %s makes globals", name)
		}
	}
}

// globalsOf are the globals that compiled code reads and writes.
func globalsOf(p *lua.FunctionProto) (read, written []string) {
	for _, inst := range p.Code {
		switch op := int(inst >> 26); op {
		case lua.OP_GETGLOBAL:
			read = append(read, p.Constants[int(inst&0x3ffff)].String())
		case lua.OP_SETGLOBAL:
			written = append(written, p.Constants[int(inst&0x3ffff)].String())
		}
	}
	for _, inner := range p.FunctionPrototypes {
		r, w := globalsOf(inner)
		read, written = append(read, r...), append(written, w...)
	}
	return read, written
}

// What a header says of the keys is what the code gets, however many there are.
func TestNamesOfKeys(t *testing.T) {
	set, err := Load(Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"session", "log", "unread", "read", "authors", "timers", "dirty", "outbox", "waits...", "states",
		"rules", "stats", "hooks"}, set["claim"].KeyNames())
	require.True(t, set["claim"].Hooks)
	require.NoError(t, set["claim"].Takes(11))
	require.NoError(t, set["claim"].Takes(30))
	require.EqualError(t, set["claim"].Takes(10), "script claim: 10 keys are given, and it takes session, log, unread, read, authors, "+
		"timers, dirty, outbox, waits..., states, rules, stats, hooks")
	require.False(t, set["settle"].Hooks)
	require.NoError(t, set["settle"].Takes(7))
	require.Error(t, set["settle"].Takes(6))
	require.Error(t, set["settle"].Takes(8))
	require.NoError(t, set["returned"].Takes(1))
	require.NoError(t, set["returned"].Takes(2))
	require.Error(t, set["returned"].Takes(3))
	require.Error(t, set["hooked"].Takes(8), "its own `hooks` is one of its keys always")
	require.False(t, set["hooked"].Hooks)
}

const good = `-- greet: says hello.
--#flags allow-oom
-- KEYS: session, waits... = waiting (of a.queues, in their order), dirty,
--   hooks?
-- ARGV: a = JSON (name, queues (as waits), bot?), ttl = number (ms),
--   members...
-- reply: {'ok'}
-- holds: nothing changes.
--#include lines
--#hooks redis.call('ZADD', hooks, 1, a.name)
if a.bot then return {'bot', ttl + 1} end
for i, q in ipairs(a.queues) do line(waits[i], q) end
return {session, dirty, members[1], {name = 'a.x KEYS[1]'}} -- KEYS[2]
`

const lines = `-- line(list, queue): the next one.
-- KEYS: dirty
-- ARGV: a = JSON (name, bot?)
--#include later
local line = function(list, queue) return redis.call('ZADD', list, soon(), queue .. a.name, dirty) end
`

const later = `-- soon(): in a while.
local function soon() return 1 end
`

func folders(change ...string) fs.FS {
	all := fstest.MapFS{}
	texts := map[string]string{"people/greet.lua": good, "lib/lines.lua": lines, "lib/later.lua": later}
	for i := 0; i < len(change); i += 2 {
		texts[change[i]] = change[i+1]
	}
	for path, text := range texts {
		if text != "" {
			all[path] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return all
}

func TestWhatIsMade(t *testing.T) {
	for _, o := range allOptions {
		h, err := open(folders())
		require.NoError(t, err)
		src := h.source(h.scripts["greet"], o)
		_, names, _ := strings.Cut(src, "local session")
		last := "1"
		if o.Hooks {
			last = "2"
			require.Contains(t, src, "hooks = KEYS[1], KEYS[#KEYS - 1], KEYS[#KEYS - 0]")
			require.Contains(t, src, "\nredis.call('ZADD', hooks, 1, a.name)")
		} else {
			require.Contains(t, src, "local session, dirty = KEYS[1], KEYS[#KEYS - 0]")
			require.Contains(t, src, "\n--#hooks redis.call")
		}
		require.Contains(t, names, "local waits = {} for i = 2, #KEYS - "+last+" do waits[i - 1] = KEYS[i] end")
		require.Contains(t, names, "local a, ttl = cjson.decode(ARGV[1]), tonumber(ARGV[2])")
		require.Contains(t, names, "local members = {} for i = 3, #ARGV - 0 do members[i - 2] = ARGV[i] end")
		require.Less(t, strings.Index(src, "local function soon"), strings.Index(src, "local line"))
		require.Equal(t, 1, strings.Count(src, "local function soon"))
	}
}

// What is included within a block is there in that block only: outside it comes once more.
func TestIncludedWithinABlock(t *testing.T) {
	text := strings.Replace(good, "--#include lines\n", "if ttl then\n  --#include later\n  soon()\nend\n--#include lines\n", 1)
	h, err := open(folders("people/greet.lua", text))
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(h.source(h.scripts["greet"], Options{}), "local function soon"))
}

// Each way in which a header, or an include, may not fit is refused, and the error says where.
func TestRefused(t *testing.T) {
	script := func(old, with string) []string {
		require.Contains(t, good, old)
		return []string{"people/greet.lua", strings.Replace(good, old, with, 1)}
	}
	lib := func(old, with string) []string {
		require.Contains(t, lines, old)
		return []string{"lib/lines.lua", strings.Replace(lines, old, with, 1)}
	}
	for _, c := range []struct {
		what   string
		change []string
		want   string
	}{
		{"no header", []string{"people/greet.lua", "return 1\n"}, "people/greet.lua:1: the first line must be `-- greet: what it does`"},
		{"an empty file", []string{"people/empty.lua", "\n"}, "people/empty.lua:1: the first line must be `-- empty: what it does`"},
		{"another's name", script("-- greet:", "-- gret:"), "people/greet.lua:1: the first line must be `-- greet: what it does`"},
		{"no KEYS", script("-- KEYS: session, waits... = waiting (of a.queues, in their order), dirty,\n--   hooks?\n", ""),
			"people/greet.lua: the header has no `-- KEYS:`"},
		{"no ARGV", script("-- ARGV: a = JSON (name, queues (as waits), bot?), ttl = number (ms),\n--   members...\n", ""),
			"people/greet.lua: the header has no `-- ARGV:`"},
		{"no reply", script("-- reply: {'ok'}\n", ""), "people/greet.lua: the header has no `-- reply:`"},
		{"nothing holds", script("-- holds: nothing changes.\n", ""), "people/greet.lua: the header has no `-- holds:`"},
		{"KEYS twice", script("-- reply:", "-- KEYS: log\n-- reply:"), "people/greet.lua:7: KEYS is there already"},
		{"not of the form", script("session, waits", "session key, waits"), "people/greet.lua:3: KEYS: \"session key\" is not of the form"},
		{"arguments not of the form", script("= number", "= digits"), "people/greet.lua:5: ARGV: \"ttl = digits (ms)\" is not of the form"},
		{"a field not of the form", script("(name, queues", "(the name, queues"), "people/greet.lua:5: ARGV: a: \"the name\" is no field"},
		{"parentheses", script("in their order)", "in their order"), "people/greet.lua:3: KEYS: parentheses that do not fit"},
		{"a key that nobody makes", script("= waiting", "= waitings"), "people/greet.lua:3: KEYS: waits: there are no keys of the kind \"waitings\""},
		{"a key of a part that nobody makes", lib("KEYS: dirty", "KEYS: dusty"), "lib/lines.lua:2: KEYS: dusty: there are no keys of the kind \"dusty\""},
		{"one name for two", script("session, waits", "session, a = log, waits"), "people/greet.lua: the header has the name a twice"},
		{"two of any number", script("session, waits", "session..., waits"), "people/greet.lua:3: KEYS: waits: it is not clear where it begins"},
		{"one that may be lacking before one that may not", script("session, waits", "session, log?, keys, waits"),
			"people/greet.lua:3: KEYS: keys: it comes after one that may be lacking"},
		{"a name that nothing uses", script("session, waits", "session, log, waits"), "people/greet.lua: the header names log, and nothing uses it"},
		{"an argument that nothing uses", script("ttl = number (ms)", "ttl = number (ms), by"), "people/greet.lua: the header names by, and nothing uses it"},
		{"a field that nothing uses", script("bot?", "bot?, boss?"), "people/greet.lua: the header names a.boss, and nothing uses it"},
		{"a key that the header lacks", script("session, waits", "waits"), "people/greet.lua:13: nothing makes session"},
		{"a key of webhooks' lines that the header lacks", script(",\n--   hooks?", ""), "people/greet.lua:9: nothing makes hooks"},
		{"a field that the header lacks", script("(as waits), bot?", "(as waits)"), "people/greet.lua:11: the header does not name a.bot"},
		{"a key that a part needs", []string{"people/greet.lua", strings.NewReplacer(" dirty,", "", "session, dirty,", "session,").Replace(good)},
			"people/greet.lua: the header does not name dirty, which lib/lines.lua uses"},
		{"a field that a part needs", []string{"people/greet.lua", strings.NewReplacer("(name, ", "(", "1, a.name", "1, ''").Replace(good)},
			"people/greet.lua: the header does not name a.name, which lib/lines.lua uses"},
		{"a part's field that its header lacks", lib("(name, bot?)", "(bot?)"), "lib/lines.lua:5: the header does not name a.name"},
		{"a key by number", script("return {session", "return {KEYS[1], session"), "people/greet.lua:13: KEYS by number: the header names them"},
		{"an argument by number", lib("soon()", "soon() + ARGV[1]"), "lib/lines.lua:5: ARGV by number: the header names them"},
		{"a name that is wrong", lib("soon()", "son()"), "lib/lines.lua:4: it includes later and uses nothing of it"},
		{"a name that nothing makes", lib("soon()", "soon(x)"), "lib/lines.lua:5: nothing makes x"},
		{"what another part includes", script("return {session", "return {soon(), session"), "people/greet.lua:13: nothing makes soon"},
		{"an include that is not there", script("--#include lines", "--#include lines liness"),
			"people/greet.lua:9: it includes liness, and there is no lib/liness.lua"},
		{"a part's include that is not there", lib("--#include later", "--#include latter"),
			"lib/lines.lua:4: it includes latter, and there is no lib/latter.lua"},
		{"an include that is not used", script("--#include lines", "--#include lines later"), "people/greet.lua:9: it includes later and uses nothing of it"},
		{"an include whose name is used for something else", []string{"people/greet.lua",
			strings.NewReplacer("--#include lines", "--#include lines later", "if a.bot", "local soon = 1\nif soon and a.bot").Replace(good)},
			"people/greet.lua:9: it includes later and uses nothing of it"},
		{"a part that nobody includes", []string{"lib/alone.lua", "-- alone.\nlocal alone = 1\n"}, "lib/alone.lua: no script includes it"},
		{"two scripts of one name", []string{"stats/greet.lua", good}, "stats/greet.lua: people/greet.lua has that name, too"},
		{"a name that hides one of the header", script("return {session", "local dirty = 1\nreturn {session"),
			"people/greet.lua: the code has a dirty of its own, which hides that of the header"},
		{"all that fits", script("nothing changes", "no more"), ""},
		{"a text that is open", script("'bot'", "'bot"), "people/greet.lua:11: a text that does not end"},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, err := open(folders(c.change...))
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

const many = "-- part: of a test.\n-- KEYS: dirty, hooks?\n-- EACH KEYS: session, log\n-- ARGV: most = number\n-- EACH ARGV: id, n = number\n" +
	"-- reply: for each what it got\n-- holds: nothing\nlocal sum = 0\n--#each\nif n > most then return {log} end\nsum = sum + n\n" +
	"--#hooks redis.call('ZADD', hooks, 1, id)\nreturn {session}\n--#end\nredis.call('ZADD', dirty, sum, 'all')\n"

// A script for many calls shares its first keys and arguments; each call brings its own.
func TestForManyCalls(t *testing.T) {
	for _, o := range allOptions {
		s, err := Compile("part", many, o)
		require.NoError(t, err)
		require.Equal(t, struct{ Keys, Args int }{2, 2}, s.Each)
		require.NoError(t, s.Takes(1+2))
		require.NoError(t, s.Takes(1+2*32))
		require.Error(t, s.Takes(1))
		require.Error(t, s.Takes(1+3))
	}
	for _, c := range []struct{ what, old, with, want string }{
		{"no name", "-- EACH KEYS: session, log\n", "", "the header has no `-- EACH KEYS:`"},
		{"no code", "--#each\n", "", "there is no --#each with an --#end after it"},
		{"no end", "--#end\n", "", "there is no --#each with an --#end after it"},
		{"any number for each", "session, log", "session, log...", "log: each call brings the same number"},
		{"lacking for some", "id, n = number", "n = number, id?", "id: each call brings the same number"},
		{"any number for all", "dirty, hooks?", "dirty..., hooks?", "dirty: all calls share the same keys"},
		{"one name for both", "session, log", "dirty, log", "the name dirty twice"},
		{"what nothing uses", "return {session}", "return {}", "the header names session, and nothing uses it"},
	} {
		require.Contains(t, many, c.old, c.what)
		_, err := Compile("part", strings.Replace(many, c.old, c.with, 1), Options{})
		require.ErrorContains(t, err, c.want, c.what)
	}
}

// A text of a test is held to the same.
func TestCompile(t *testing.T) {
	s, err := Compile("part", "-- part: of a test.\n-- KEYS: dirty\n-- ARGV: none\n-- reply: 1\n-- holds: nothing\n--#include time\nreturn {dirty, now()}\n", Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"dirty"}, s.KeyNames())
	for text, want := range map[string]string{
		"return 1":     "part:1: the first line",
		"-- part: x\n": "part: the header has no `-- KEYS:`",
		"-- part: x\n-- KEYS: none\n-- ARGV: none\n-- reply: 1\n-- holds: nothing\nreturn dirty\n": "part:6: nothing makes dirty",
	} {
		_, err := Compile("part", text, Options{})
		require.ErrorContains(t, err, want)
	}
}

// No kind of keys is there that no script takes, but those that only the program uses.
func TestKindsAreInOrder(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds {
		require.False(t, seen[k], k)
		seen[k] = true
	}
	set, err := Load(Options{})
	require.NoError(t, err)
	taken := map[string]bool{}
	for s := range maps.Values(set) {
		for _, k := range s.Keys {
			for _, kind := range k.Kinds {
				taken[kind] = true
			}
		}
	}
	for _, k := range Kinds {
		if !slices.Contains([]string{"flusher", "fence", "reindex"}, k) {
			require.True(t, taken[k], "no script takes %s", k)
		}
	}
}
