package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// columns is how wide help is.
const columns = 80

// writeHelp writes the program's help, or a command's if the command line names it.
func (p *Program) writeHelp(c *Command, args []string, out io.Writer) error {
	var b strings.Builder
	if found, _, _ := p.root.Find(args); found == p.root {
		p.describe(&b)
	} else {
		p.describeCommand(&b, c)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (p *Program) describe(b *strings.Builder) {
	fmt.Fprintf(b, "Usage: %s <command>\n\n%s\n\nFlags:\n%s\nCommands:\n", p.opts.Name, ansi.Wordwrap(p.opts.Help, columns, ""), p.root.PersistentFlags().FlagUsagesWrapped(columns))
	for _, c := range p.Commands {
		if !c.Hidden {
			text := ansi.Wordwrap(c.Help, columns-4, "")
			fmt.Fprintf(b, "  %s\n    %s\n\n", c.form(), strings.ReplaceAll(text, "\n", "\n    "))
		}
	}
	fmt.Fprintf(b, "Run \"%s <command> --help\" for more information on a command.\n", p.opts.Name)
}

func (p *Program) describeCommand(b *strings.Builder, c *Command) {
	fmt.Fprintf(b, "Usage: %s %s\n\n%s\n", p.opts.Name, c.form(), ansi.Wordwrap(c.Help, columns, ""))
	for i, f := range c.Args {
		if i == 0 {
			b.WriteString("\nArguments:\n")
		}
		fmt.Fprintf(b, "  <%s>    %s\n", f.Name, f.help)
	}
	fmt.Fprintf(b, "\nFlags:\n%s", c.cobra.Flags().FlagUsagesWrapped(columns))
}

// form is how a command is given.
func (c *Command) form() string {
	form := c.Name
	for _, f := range c.Args {
		form += " <" + f.Name + ">"
	}
	if len(c.Flags) > 0 {
		form += " [flags]"
	}
	return form
}
