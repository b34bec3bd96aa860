package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"bellhop/internal/top"
)

// topCommand shows how a deployment does, live.
type topCommand struct {
	URL    []Secret      `default:"http://127.0.0.1:8080" help:"The nodes' addresses, each node's own."`
	APIKey Secret        `name:"api-key" default:"dev" help:"The host application's key. Empty: no queues and agents."`
	Every  time.Duration `default:"2s" help:"How often the nodes are looked at."`
	Once   bool          `help:"Print one view as plain text, as it is done where the output is no terminal, too."`
}

// Validate refuses what cannot work, with a sentence that names the setting.
func (c *topCommand) Validate() error {
	if len(c.URL) == 0 {
		return errors.New("--url: a node's address, one at least")
	}
	for _, u := range c.URL {
		if err := top.CheckURL(u.Reveal()); err != nil {
			return fmt.Errorf("--url: %w", err)
		}
	}
	if c.Every < 500*time.Millisecond || c.Every > time.Minute {
		return errors.New("--every: 500ms to 1m")
	}
	return nil
}

// plainWidth is how wide the text is where there is no terminal.
const plainWidth = 140

// Run fails where the key is refused, and with --once where no node answers.
func (c *topCommand) Run(ctx context.Context, out io.Writer) error {
	opt := top.Options{URLs: revealAll(c.URL), Key: c.APIKey.Reveal(), Every: c.Every}
	screen, is := out.(*os.File)
	if !is || !term.IsTerminal(int(screen.Fd())) {
		return top.Once(ctx, opt, plainWidth, out)
	}
	if !c.Once {
		return top.Run(ctx, opt, screen)
	}
	width, _, err := term.GetSize(int(screen.Fd()))
	if err != nil {
		width = plainWidth
	}
	return top.Once(ctx, opt, width, out)
}
