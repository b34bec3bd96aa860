// Package cli makes a command line of a struct: each field with the tag cmd is a
// command, a struct with fields for its flags (see Flag). Fields of the struct itself
// are flags of every command. Of the commands one has the tag default: it is meant
// where none is named.
//
// A flag's value is looked for on the command line, in the environment, in the file
// that --config names, and in the tag default, in this order. No error quotes a value:
// it may be a secret.
//
// Nothing here looks methods up by name (package reflect's Method and MethodByName, as
// text/template does): the linker would have to keep every method in the binary.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// configFlag is the flag that names the file.
const configFlag = "config"

// ErrHelp is what Parse returns where help was asked for, and written.
var ErrHelp = errors.New("help was asked for")

// Options of a program.
type Options struct {
	Name, Help string
	// Env begins the name of each flag's environment variable: BELLHOP, of --redis-url,
	// gives BELLHOP_REDIS_URL. "": the environment is not read.
	Env string
	// File reads the file that --config or its environment variable names: texts by the
	// names of flags. nil: none is read.
	File func(path string) (map[string]string, error)
}

// Program is a command line, for one call of Parse or Trace: they set the struct's fields.
type Program struct {
	Commands []*Command // in the struct's order
	Flags    []*Flag    // of every command

	opts     Options
	root     *cobra.Command
	standard *Command
	help     bool
}

// Command is what a program can be told to do.
type Command struct {
	Name, Help string
	Hidden     bool
	Target     any // the pointer to its struct
	Flags      []*Flag
	Args       []*Flag // those without a name of their own, by their place; all are required

	cobra *cobra.Command
}

// validator is what a command's struct, or one that is embedded there, may be.
type validator interface{ Validate() error }

// New makes a program of a pointer to a struct. It panics where the struct describes none.
func New(target any, opts Options) *Program {
	p := &Program{opts: opts, root: &cobra.Command{Use: opts.Name, Args: cobra.ArbitraryArgs}}
	v := reflect.ValueOf(target).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if _, is := field.Tag.Lookup("cmd"); !is {
			f := p.newFlag(field, v.Field(i))
			p.Flags = append(p.Flags, f)
			f.add(p.root.PersistentFlags())
			continue
		}
		_, hidden := field.Tag.Lookup("hidden")
		c := &Command{Name: kebab(field.Name), Help: field.Tag.Get("help"), Hidden: hidden, Target: v.Field(i).Addr().Interface()}
		c.cobra = &cobra.Command{Use: c.Name, Args: cobra.ArbitraryArgs}
		p.collect(c, v.Field(i))
		p.root.AddCommand(c.cobra)
		p.Commands = append(p.Commands, c)
		if _, is := field.Tag.Lookup("default"); is {
			p.standard = c
		}
	}
	if p.standard == nil {
		panic("cli: no command has the tag default")
	}
	for _, c := range p.Commands {
		for _, f := range c.Flags {
			f.add(c.cobra.Flags())
			if c == p.standard {
				f.add(p.root.Flags())
			}
		}
	}
	help := &Flag{Name: "help", short: "h", help: "Show context-sensitive help.", Field: reflect.ValueOf(&p.help).Elem()}
	help.add(p.root.PersistentFlags())
	return p
}

// collect finds a command's flags and arguments.
func (p *Program) collect(c *Command, v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		_, arg := field.Tag.Lookup("arg")
		switch {
		case field.Anonymous:
			p.collect(c, v.Field(i))
		case !field.IsExported():
		case arg:
			f := p.newFlag(field, v.Field(i))
			f.Env = ""
			c.Args = append(c.Args, f)
		default:
			c.Flags = append(c.Flags, p.newFlag(field, v.Field(i)))
		}
	}
}

// Parse finds the command that a command line means, gives its flags their values, and
// has it, and what is embedded there, validate them. Help goes to out: see ErrHelp.
func (p *Program) Parse(args []string, out io.Writer) (*Command, error) {
	c, err := p.Trace(args)
	if err != nil {
		return nil, err
	}
	if p.help {
		return nil, errors.Join(ErrHelp, p.writeHelp(c, args, out))
	}
	for _, f := range c.Args {
		if !f.given {
			return nil, fmt.Errorf("<%s> is missing", f.Name)
		}
	}
	file, err := p.file(c)
	if err != nil {
		return nil, err
	}
	for _, f := range slices.Concat(p.Flags, c.Flags) {
		if err := f.fill(file); err != nil {
			return nil, err
		}
	}
	if err := validate(reflect.ValueOf(c.Target).Elem()); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	return c, nil
}

// Trace does of Parse only what needs nothing but the command line.
func (p *Program) Trace(args []string) (*Command, error) {
	found, rest, err := p.root.Find(args)
	if err != nil {
		return nil, err
	}
	c := p.standard
	if i := slices.IndexFunc(p.Commands, func(c *Command) bool { return c.cobra == found }); i >= 0 {
		c = p.Commands[i]
	}
	if err := p.checkOrder(c, args, rest); err != nil {
		return nil, err
	}
	if err := found.ParseFlags(nil); err != nil { // which adds those of every command
		return nil, err
	}
	if err := checkDashes(found.Flags(), rest); err != nil {
		return nil, err
	}
	if err := found.ParseFlags(rest); err != nil {
		return nil, unquoted(err)
	}
	words := found.Flags().Args()
	if len(words) > len(c.Args) {
		return nil, fmt.Errorf("unexpected argument %s", words[len(c.Args)])
	}
	for i, word := range words {
		if err := c.Args[i].Set(word); err != nil {
			return nil, fmt.Errorf("<%s>: %w", c.Args[i].Name, err)
		}
	}
	return c, nil
}

// checkOrder refuses flags of the default command before the name of another one, whose
// flag of that name may mean something else. rest is args without the name.
func (p *Program) checkOrder(c *Command, args, rest []string) error {
	for i := 0; c != p.standard && i < len(rest) && args[i] == rest[i]; i++ {
		name, is := strings.CutPrefix(args[i], "--")
		name, _, _ = strings.Cut(name, "=")
		if is && p.root.PersistentFlags().Lookup(name) == nil && p.root.Flags().Lookup(name) != nil {
			return fmt.Errorf("flag --%s applies to the default command %q, not %q", name, p.standard.Name, c.Name)
		}
	}
	return nil
}

// checkDashes refuses what pflag would take for a value of the flag before it, though it
// looks like a flag itself, and single dashes.
func checkDashes(flags *pflag.FlagSet, args []string) error {
	for i := 0; i < len(args) && args[i] != "--"; i++ {
		name, long := strings.CutPrefix(args[i], "--")
		if !long {
			if len(args[i]) > 1 && args[i][0] == '-' && args[i] != "-h" {
				return fmt.Errorf("unknown flag %.2q: all but -h begin with two dashes", args[i])
			}
			continue
		}
		if f := flags.Lookup(name); f != nil && f.NoOptDefVal == "" {
			if i++; i == len(args) || len(args[i]) > 1 && args[i][0] == '-' {
				return fmt.Errorf("--%s: its value is missing; one that begins with a - is given as --name=VALUE", name)
			}
		}
	}
	return nil
}

// unquoted is an error of pflag's without the value that it quotes.
func unquoted(err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("unknown flag --%s", unknown.GetSpecifiedName())
	case errors.As(err, &invalid):
		return fmt.Errorf("--%s: %w", invalid.GetFlag().Name, errors.Unwrap(invalid))
	default:
		return errors.New("a flag is --name, --name=VALUE or --name VALUE")
	}
}

// settingName is what may be a name that was misspelt; anything else may be a secret.
var settingName = regexp.MustCompile(`^[a-z][a-z-]{0,30}$`)

// file is what the file of settings has, if one is named: by the command line where the
// command has --config, or by the environment for all. Names that no command which reads
// one has are refused: a setting that is misspelt would silently not hold.
func (p *Program) file(c *Command) (map[string]string, error) {
	if p.opts.File == nil {
		return nil, nil //nolint:nilnil // nothing is in it
	}
	path, named := os.LookupEnv(p.opts.Env + "_" + strings.ToUpper(configFlag))
	if f := c.flag(configFlag); f != nil && f.given {
		path, named = f.Field.String(), true
	}
	if !named {
		return nil, nil //nolint:nilnil // as above
	}
	if below, is := strings.CutPrefix(path, "~/"); is {
		if home, err := os.UserHomeDir(); err == nil {
			path = filepath.Join(home, below)
		}
	}
	texts, err := p.opts.File(path)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", configFlag, err)
	}
	for name := range texts {
		known := slices.ContainsFunc(p.Commands, func(c *Command) bool { return c.flag(configFlag) != nil && c.flag(name) != nil })
		switch {
		case known && name != configFlag:
		case settingName.MatchString(name):
			return nil, fmt.Errorf("--%s: no setting is called %q", configFlag, name)
		default:
			return nil, fmt.Errorf("--%s: a line does not begin with the name of a setting", configFlag)
		}
	}
	return texts, nil
}

// flag is the command's flag of that name; nil if it has none.
func (c *Command) flag(name string) *Flag {
	for _, f := range c.Flags {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// validate asks a struct, and those embedded there.
func validate(v reflect.Value) error {
	if s, ok := v.Addr().Interface().(validator); ok {
		if err := s.Validate(); err != nil {
			return err
		}
	}
	for i := range v.NumField() {
		if field := v.Type().Field(i); field.Anonymous && field.IsExported() {
			if err := validate(v.Field(i)); err != nil {
				return err
			}
		}
	}
	return nil
}
