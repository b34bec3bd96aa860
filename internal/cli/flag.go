package cli

import (
	"encoding"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/pflag"
)

// Flag is a field that the command line sets. Its tags: name, unless it is the field's own
// in lower case with dashes; help; default; placeholder; enum, all that it may be,
// comma-separated; negatable, for a bool that --no-name makes false; arg, for an argument.
//
// A field is a string, bool, int, int64, uint64, float64, time.Duration or
// encoding.TextUnmarshaler, or a slice of these: comma-separated, a comma of a value's own
// after a \, and several times on a command line.
type Flag struct {
	Name, Env string
	Field     reflect.Value

	help, text, placeholder, short string // text is the default
	standard, negatable, given     bool   // standard: there is a default
	enum                           []string
}

func (p *Program) newFlag(field reflect.StructField, v reflect.Value) *Flag {
	tag := field.Tag
	f := &Flag{Name: tag.Get("name"), Field: v, help: tag.Get("help"), placeholder: tag.Get("placeholder")}
	if f.Name == "" {
		f.Name = kebab(field.Name)
	}
	if p.opts.Env != "" {
		f.Env = p.opts.Env + "_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
	}
	f.text, f.standard = tag.Lookup("default")
	_, f.negatable = tag.Lookup("negatable")
	if enum, is := tag.Lookup("enum"); is {
		f.enum = strings.Split(enum, ",")
	}
	_ = setOne(reflect.New(element(v.Type())).Elem(), "") // panics here, not when it is used
	return f
}

// kebab is a field's name as a flag's: MaxConns is max-conns, ID id.
func kebab(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		begins := i > 0 && unicode.IsUpper(r) && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if begins {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// add makes it a flag of a set, with its negation.
func (f *Flag) add(set *pflag.FlagSet) {
	set.SortFlags = false
	flag := set.VarPF(f, f.Name, f.short, f.usage())
	if f.IsBool() {
		flag.NoOptDefVal = "true"
	}
	if f.negatable {
		not := set.VarPF((*negation)(f), "no-"+f.Name, "", "")
		not.Hidden, not.NoOptDefVal = true, "true"
	}
}

// usage is the help with what else is to be known of a flag.
func (f *Flag) usage() string {
	var more []string
	if f.negatable {
		more = append(more, "--no-"+f.Name+": not")
	}
	if f.text != "" {
		more = append(more, "default "+f.text)
	}
	if f.Env != "" {
		more = append(more, "$"+f.Env)
	}
	if len(more) == 0 {
		return f.help
	}
	return strings.TrimSpace(f.help + " (" + strings.Join(more, "; ") + ")")
}

// IsBool tells whether it needs no value.
func (f *Flag) IsBool() bool { return f.Field.Kind() == reflect.Bool }

// Type implements pflag.Value: it is the placeholder of the value.
func (f *Flag) Type() string {
	if f.IsBool() {
		return "bool" // for which pflag shows none
	}
	name := f.placeholder
	if name == "" {
		switch reflect.New(element(f.Field.Type())).Interface().(type) {
		case *int, *int64, *uint64, *float64:
			name = "N"
		case *time.Duration:
			name = "DURATION"
		default:
			name = "TEXT"
		}
	}
	if f.Field.Kind() == reflect.Slice {
		name += ",..."
	}
	return name
}

// String implements pflag.Value, for defaults: usage tells those, 0 too.
func (f *Flag) String() string { return "" }

// Set implements pflag.Value. Its errors do not quote the text.
func (f *Flag) Set(text string) error {
	f.given = true
	if f.enum != nil && !slices.Contains(f.enum, text) {
		return fmt.Errorf("must be one of \"%s\"", strings.Join(f.enum, `", "`))
	}
	if f.Field.Kind() != reflect.Slice {
		return setOne(f.Field, text)
	}
	for _, word := range split(text) {
		item := reflect.New(f.Field.Type().Elem()).Elem()
		if err := setOne(item, word); err != nil {
			return err
		}
		f.Field.Set(reflect.Append(f.Field, item))
	}
	return nil
}

// fill sets what the command line did not.
func (f *Flag) fill(file map[string]string) error {
	if f.given {
		return nil
	}
	text, standard, from := f.text, f.standard, ""
	if t, is := file[f.Name]; is {
		text, standard, from = t, true, " (in the file of --config)"
	}
	if t, is := os.LookupEnv(f.Env); is && f.Env != "" {
		text, standard, from = t, true, " ("+f.Env+")"
	}
	if !standard {
		return nil
	}
	if err := f.Set(text); err != nil {
		return fmt.Errorf("--%s: %w%s", f.Name, err, from)
	}
	return nil
}

// negation is a flag that --no-name sets.
type negation Flag

// Type implements pflag.Value.
func (n *negation) Type() string { return "bool" }

// String implements pflag.Value.
func (n *negation) String() string { return "" }

// Set implements pflag.Value.
func (n *negation) Set(text string) error {
	var b bool
	err := setOne(reflect.ValueOf(&b).Elem(), text)
	n.given = true
	n.Field.SetBool(!b)
	return err
}

// element is the type of one value.
func element(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Slice {
		return t.Elem()
	}
	return t
}

// split splits a list. \, is a comma.
func split(text string) (words []string) {
	for begun := 0; text != ""; {
		i := strings.IndexByte(text[begun:], ',') + begun
		switch {
		case i < begun:
			return append(words, text)
		case i > 0 && text[i-1] == '\\':
			text, begun = text[:i-1]+text[i:], i
		default:
			words, text, begun = append(words, text[:i]), text[i+1:], 0
		}
	}
	return words
}

// setOne sets a value that is no slice.
func setOne(v reflect.Value, text string) (err error) {
	switch p := v.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	case *string:
		*p = text
	case *bool:
		switch strings.ToLower(text) {
		case "true", "1", "yes":
			*p = true
		case "false", "0", "no":
			*p = false
		default:
			return errors.New("must be true, 1, yes, false, 0 or no")
		}
	case *time.Duration:
		if *p, err = time.ParseDuration(text); err != nil {
			return errors.New("must be a duration with its unit, such as 1m30s")
		}
	case *int, *int64:
		n, err := strconv.ParseInt(text, 0, v.Type().Bits())
		if err != nil {
			return errors.New("must be a whole number")
		}
		v.SetInt(n)
	case *uint64:
		if *p, err = strconv.ParseUint(text, 0, 64); err != nil {
			return errors.New("must be a whole number, 0 or more")
		}
	case *float64:
		if *p, err = strconv.ParseFloat(text, 64); err != nil {
			return errors.New("must be a number")
		}
	default:
		panic(fmt.Sprintf("cli: no flag can be a %T", p))
	}
	return nil
}
