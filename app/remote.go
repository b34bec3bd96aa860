package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"bellhop/client"
)

// tokenCommand asks a running node for a token, as a host application would.
type tokenCommand struct {
	URL      Secret        `default:"http://127.0.0.1:8080" help:"The node's address."`
	APIKey   Secret        `name:"api-key" default:"dev" help:"The host application's key."`
	Role     string        `default:"user" enum:"user,agent,supervisor,bot" help:"user, agent, supervisor or bot."`
	ID       string        `arg:"" help:"The participant's id."`
	Name     string        `help:"How it is shown to others."`
	Queues   []string      `help:"An agent's queues."`
	Capacity int           `help:"How many sessions an agent holds at most."`
	TTL      time.Duration `name:"ttl" default:"24h" help:"How long the token is good for."`
}

// Run prints the token alone, so that scripts can use it.
func (c *tokenCommand) Run(ctx context.Context, out io.Writer) error {
	if u, err := url.Parse(c.URL.Reveal()); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return settingsError{errors.New("--url: it is not http(s)://host:port, a base path after it or not")}
	}
	api := client.API{BaseURL: c.URL.Reveal(), Key: c.APIKey.Reveal()}
	t, err := api.IssueToken(ctx, client.TokenRequest{Role: c.Role, ID: c.ID, Name: c.Name, Queues: c.Queues,
		Capacity: c.Capacity, TTL: int(c.TTL.Seconds())})
	var outer *url.Error // quotes the URL, which may hold a password
	if errors.As(err, &outer) {
		err = outer.Err
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, t.Token)
	return err
}

// healthCommand is for containers, whose image has no other program.
type healthCommand struct {
	Addr string `default:"127.0.0.1:8080" help:"Where the node listens."`
}

// Run fails unless /healthz answers 200 within three seconds.
func (c *healthCommand) Run(ctx context.Context, _ io.Writer) error {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return settingsError{fmt.Errorf("--addr: %q is not host:port", c.Addr)}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}
