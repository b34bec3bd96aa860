package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// word is a text that is told nowhere.
type word string

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *word) UnmarshalText(text []byte) error {
	*w = word(text)
	return nil
}

type Common struct {
	Config string `help:"A file."`
	Secret word   `help:"A secret." placeholder:"SECRET"`
	Level  string `default:"low" enum:"low,high" help:"How much."`
}

// Validate implements validator.
func (c *Common) Validate() error {
	if c.Secret == "refused" {
		return errors.New("--secret: it is refused")
	}
	return nil
}

type workCommand struct {
	Common
	MaxConns int           `default:"0" help:"Connections; 0: no limit."`
	Big      uint64        `name:"large" default:"7"`
	Size     int64         `default:"1"`
	Ratio    float64       `default:"0.5"`
	Wait     time.Duration `default:"2s" help:"How long."`
	On       bool          `default:"true" negatable:"" help:"Whether."`
	All      bool
	Words    []word   `default:"x,y"`
	Lists    []string `help:"Several."`
	Sizes    []int

	inner int
}

type tellCommand struct {
	ID    string `arg:"" help:"Whom."`
	Level string `default:"1" help:"Another than work's."`
	Loud  bool
}

// hiddenCommand finds nothing wrong by itself.
type hiddenCommand struct{ Common }

// Validate implements validator.
func (*hiddenCommand) Validate() error { return nil }

type everything struct {
	JSON string `help:"Of all." placeholder:"FILE"`

	Work   workCommand   `cmd:"" default:"withargs" help:"Work."`
	Tell   tellCommand   `cmd:"" help:"Tell somebody."`
	Hidden hiddenCommand `cmd:"" hidden:"" help:"Told nobody."`
}

// read parses a line, with a file where a path is named.
func read(t *testing.T, file map[string]string, args ...string) (e everything, command string, err error) {
	t.Helper()
	p := New(&e, Options{Name: "prog", Help: "A program.", Env: "PROG", File: func(path string) (map[string]string, error) {
		if path != "there" {
			return nil, errors.New("not there")
		}
		return file, nil
	}})
	c, err := p.Parse(args, &bytes.Buffer{})
	if err != nil {
		return e, "", err
	}
	return e, c.Name, nil
}

func TestValues(t *testing.T) {
	e, name, err := read(t, nil)
	require.NoError(t, err)
	require.Equal(t, "work", name)
	standard := workCommand{Common: Common{Level: "low"}, Big: 7, Size: 1, Ratio: 0.5, Wait: 2 * time.Second, On: true, Words: []word{"x", "y"}}
	require.Equal(t, standard, e.Work)
	require.Zero(t, e.Work.inner)

	e, _, err = read(t, nil, "--max-conns=-3", "--large", "0x10", "--size=1_000", "--ratio", "1e3", "--wait=90s", "--no-on", "--all", "--words=a,b", "--words", `c\,d`,
		"--lists", "", "--sizes=1,2,", "--sizes=3", "--secret=-x", "--level", "high", "--json", "out")
	require.NoError(t, err)
	require.Equal(t, everything{JSON: "out", Work: workCommand{Common: Common{Secret: "-x", Level: "high"}, MaxConns: -3, Big: 16, Size: 1000, Ratio: 1000, Wait: 90 * time.Second,
		All: true, Words: []word{"a", "b", "c,d"}, Sizes: []int{1, 2, 3}}}, e)
	for text, want := range map[string]bool{"true": true, "Yes": true, "1": true, "no": false, "0": false, "FALSE": false} {
		e, _, err = read(t, nil, "--on="+text)
		require.NoError(t, err)
		require.Equal(t, want, e.Work.On)
		e, _, err = read(t, nil, "--no-on="+text)
		require.NoError(t, err)
		require.Equal(t, !want, e.Work.On)
	}
	for text, words := range map[string][]string{"": nil, ",a": {"", "a"}, "a,": {"a"}, ",": {""}, `a\b\,,\,c`: {`a\b,`, ",c"}, `a\`: {`a\`}} {
		require.Equal(t, words, split(text), text)
	}
}

func TestWhereValuesComeFrom(t *testing.T) {
	file := map[string]string{"max-conns": "1", "lists": "a,b", "on": "no"}
	t.Setenv("PROG_CONFIG", "there")
	level := func(args ...string) int {
		e, _, err := read(t, file, args...)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, e.Work.Lists)
		require.False(t, e.Work.On)
		return e.Work.MaxConns
	}
	require.Equal(t, 1, level())
	t.Setenv("PROG_MAX_CONNS", "2")
	require.Equal(t, 2, level())
	require.Equal(t, 3, level("--max-conns", "3"))
	t.Setenv("PROG_MAX_CONNS", "")
	_, _, err := read(t, file)
	require.EqualError(t, err, "--max-conns: must be a whole number (PROG_MAX_CONNS)", "set, to nothing")
	t.Setenv("PROG_LEVEL", "loud")
	_, _, err = read(t, nil, "--max-conns=1")
	require.EqualError(t, err, `--level: must be one of "low", "high" (PROG_LEVEL)`)
	e, name, err := read(t, map[string]string{"level": "high"}, "tell", "Uma")
	require.NoError(t, err, "another command's flag of this name may be all")
	require.Equal(t, "tell", name)
	require.Equal(t, tellCommand{ID: "Uma", Level: "loud"}, e.Tell)
	t.Setenv("PROG_LEVEL", "low")
	_, _, err = read(t, map[string]string{"large": "x"}, "--max-conns=1")
	require.EqualError(t, err, "--large: must be a whole number, 0 or more (in the file of --config)")
	for _, name := range []string{"larg", "no-on", "config", "help", "json", "loud"} {
		_, _, err = read(t, map[string]string{name: "1"}, "--max-conns=1")
		require.EqualError(t, err, `--config: no setting is called "`+name+`"`)
	}
	_, _, err = read(t, map[string]string{"A secret": "1"}, "--max-conns=1")
	require.EqualError(t, err, "--config: a line does not begin with the name of a setting")
	_, _, err = read(t, nil, "--config=elsewhere")
	require.EqualError(t, err, "--config: not there")
}

// What cannot be meant is refused by one sentence that names the flag, and quotes no value.
func TestRefused(t *testing.T) {
	for line, want := range map[string]string{
		"--fly": "unknown flag --fly", "--fly=SECRET": "unknown flag --fly", "--fly SECRET": "unknown flag --fly", "-SECRET": `unknown flag "-S": all but -h begin with two dashes`, "-test.v": `unknown flag "-t": all but -h begin with two dashes`, "--=SECRET": "a flag is --name, --name=VALUE or --name VALUE",
		"--max-conns": "--max-conns: its value is missing; one that begins with a - is given as --name=VALUE", "--secret --all": "--secret: its value is missing; one that begins with a - is given as --name=VALUE",
		"--secret -SECRET":   "--secret: its value is missing; one that begins with a - is given as --name=VALUE",
		"--max-conns=SECRET": "--max-conns: must be a whole number", "--max-conns=": "--max-conns: must be a whole number", "--size 99999999999999999999": "--size: must be a whole number", "--large=-1": "--large: must be a whole number, 0 or more",
		"--ratio SECRET": "--ratio: must be a number", "--ratio 1e309": "--ratio: must be a number", "--wait 5": "--wait: must be a duration with its unit, such as 1m30s", "--sizes 1,SECRET": "--sizes: must be a whole number",
		"--on=SECRET": "--on: must be true, 1, yes, false, 0 or no", "--no-on=SECRET": "--no-on: must be true, 1, yes, false, 0 or no", "--no-all": "unknown flag --no-all", "--all=": "--all: must be true, 1, yes, false, 0 or no",
		"--level SECRET": `--level: must be one of "low", "high"`, "--help=SECRET": "--help: must be true, 1, yes, false, 0 or no",
		"stray": "unexpected argument stray", "work work": "unexpected argument work", "-- --all": "unexpected argument --all", "help": "unexpected argument help", "completion bash": "unexpected argument completion", "__complete work": "unexpected argument __complete",
		"tell": "<id> is missing", "tell a b": "unexpected argument b", "tell --all a": "unknown flag --all", "wor": "unexpected argument wor", "WORK": "unexpected argument WORK",
		"--level low tell a": `flag --level applies to the default command "work", not "tell"`, "--no-on tell a": `flag --no-on applies to the default command "work", not "tell"`, "--level=low tell a": `flag --level applies to the default command "work", not "tell"`,
		"--secret=refused": "work: --secret: it is refused", "work --secret refused": "work: --secret: it is refused", "hidden --secret=refused": "hidden: --secret: it is refused", "--help --fly": "unknown flag --fly", "tell a b --help": "unexpected argument b",
	} {
		_, _, err := read(t, nil, strings.Fields(line)...)
		require.EqualError(t, err, want, line)
	}
	for line, want := range map[string]string{"--all work --large 3": "work", "--json tell tell a": "tell", "tell --json x a": "tell", "tell -- -a": "tell", "tell -": "tell", "--level low work": "work", "hidden": "hidden"} {
		_, name, err := read(t, nil, strings.Fields(line)...)
		require.NoError(t, err, line)
		require.Equal(t, want, name, line)
	}
}

func TestHelp(t *testing.T) {
	help := func(args ...string) string {
		var out bytes.Buffer
		t.Setenv("PROG_LARGE", "x") // is not looked at
		_, err := New(&everything{}, Options{Name: "prog", Help: "A program.", Env: "PROG"}).Parse(args, &out)
		require.ErrorIs(t, err, ErrHelp)
		return out.String()
	}
	whole := help("--help")
	require.Equal(t, `Usage: prog <command>

A program.

Flags:
      --json FILE   Of all. ($PROG_JSON)
  -h, --help        Show context-sensitive help.

Commands:
  work [flags]
    Work.

  tell <id> [flags]
    Tell somebody.

Run "prog <command> --help" for more information on a command.
`, whole)
	require.Equal(t, whole, help("-h"))
	require.Equal(t, whole, help("--all", "--help"))
	require.Equal(t, `Usage: prog tell <id> [flags]

Tell somebody.

Arguments:
  <id>    Whom.

Flags:
      --level TEXT   Another than work's. (default 1; $PROG_LEVEL)
      --loud         ($PROG_LOUD)
      --json FILE    Of all. ($PROG_JSON)
  -h, --help         Show context-sensitive help.
`, help("tell", "--help"))
	for _, line := range []string{"--secret SECRET ", "--max-conns N ", "(default 0; $PROG_MAX_CONNS)", "(--no-on: not; default true; $PROG_ON)", "--words TEXT,... ", "--wait DURATION "} {
		require.Contains(t, strings.Join(strings.Fields(help("work", "-h")), " ")+" ", line)
	}
	for l := range strings.Lines(help("work", "-h")) {
		require.LessOrEqual(t, len(strings.TrimSpace(l)), 80)
	}
}

// A struct that describes no command line is a mistake of who writes the program.
func TestNoProgram(t *testing.T) {
	require.Panics(t, func() {
		New(&struct {
			Work struct{} `cmd:""`
		}{}, Options{})
	})
	require.Panics(t, func() {
		New(&struct {
			Work struct{ Map map[string]string } `cmd:"" default:""`
		}{}, Options{})
	})
	for field, flag := range map[string]string{"MaxConns": "max-conns", "ID": "id", "JSON": "json", "APIKey": "api-key", "IdleFor": "idle-for", "A": "a"} {
		require.Equal(t, flag, kebab(field))
	}
}
