package main

import (
	"context"
	"errors"
	"path/filepath"

	"bellhop/broker/chat"
	"bellhop/handlers"
)

// demo tells whether there are people to log in as: only where nobody else can reach it, and
// nobody has made it a place of his own by a key.
func (a *App) demo() bool { return a.settings.openToAll() && a.settings.DemoPeople }

// demoPeople are the people of the embedded mode. Where there are bots, agents
// work in the bots' queues, too.
func demoPeople(bots bool) *handlers.Demo {
	var queues []string
	if bots {
		queues = botQueues
	}
	return &handlers.Demo{Bots: bots, People: []handlers.DemoPerson{
		{Role: chat.RoleUser, ID: "lin", Name: "Lin 林"},
		{Role: chat.RoleUser, ID: "sam", Name: "Sam"},
		{Role: chat.RoleUser, ID: "mei", Name: "Mei 梅"},
		{Role: chat.RoleAgent, ID: "ann", Name: "Ann 安", Queues: queues},
		{Role: chat.RoleAgent, ID: "bob", Name: "Bob", Queues: queues},
		{Role: chat.RoleSupervisor, ID: "sue", Name: "Sue 苏", Queues: queues},
	}}
}

// validateDemo keeps bots away from what is not a demo.
func (s *Settings) validateDemo() error {
	switch {
	case !s.Demo:
		return nil
	case !s.Embedded():
		return errors.New("--demo: its bots chat in memory only; not with --redis-url")
	case s.MongoURL.IsSet():
		return errors.New("--demo: its bots must not write into a real archive; not with --mongo-url")
	case !loopback(s.Addr):
		return errors.New("--demo: only on a loopback address, since anybody may be anyone there")
	}
	return nil
}

// keepDemoApart gives bots a folder of their own: what they say is not to be
// found among what people said.
func (s *Settings) keepDemoApart() {
	if s.Demo {
		s.DataDir = filepath.Join(s.DataDir, "demo")
	}
}

// startDemo starts what only a demo has, which needs the node to serve.
func (a *App) startDemo(ctx context.Context) {
	a.shop.start()
	if a.settings.Demo {
		a.bots = startBots(ctx, botOptions{url: "http://" + a.Addr(), key: a.settings.apiKeys()[0], pace: 1, log: a.log})
	}
}
