package main

import (
	"context"
	"errors"
	"path/filepath"

	"bellhop/broker/chat"
	"bellhop/client"
	"bellhop/demo"
	"bellhop/handlers"
)

// demo tells whether there are people to log in as: only where nobody else can reach it, and
// nobody has made it a place of his own by a key.
func (a *App) demo() bool { return a.settings.openToAll() && a.settings.DemoPeople }

// openShop lets the shop listen, which the edge lets in.
func (a *App) openShop(ctx context.Context) (err error) {
	a.shop, err = demo.OpenShop(ctx, demo.ShopOptions{Node: a.listener.Addr(), Base: a.base, Tokens: a.demoAPI(), Log: a.log})
	return err
}

// demoAPI is the node as the demo reaches it: like anybody else, over HTTP.
func (a *App) demoAPI() client.API {
	return client.API{BaseURL: "http://" + a.Addr(), Key: a.settings.apiKeys()[0]}
}

// demoEdge is what the edge tells of the demo.
func (a *App) demoEdge() *handlers.Demo {
	d := &handlers.Demo{Bots: a.settings.Demo, Shop: a.shop.Origin() + "/"}
	for _, p := range demo.People(a.settings.Demo) {
		d.People = append(d.People, handlers.DemoPerson{Role: chat.Role(p.Role), ID: p.ID, Name: p.Name, Queues: p.Queues})
	}
	return d
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
	a.shop.Start()
	if a.settings.Demo {
		a.bots = demo.Start(ctx, demo.Options{API: a.demoAPI(), Pace: 1, Log: a.log})
	}
}
