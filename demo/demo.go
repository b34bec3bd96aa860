// Package demo is what there is to look at where nobody has set anything up: people to be with
// one click, bots on both sides that chat with each other and with people, and a shop that
// has the widget.
//
// It is a client like any other: it knows the protocol by package client, asks for tokens with the
// API key as a host application does, and has neither keys in Redis nor a right of its own. Whether
// there is a demo at all, package app decides. Start runs one goroutine for each bot, bounded by the
// script; Shop runs a server. Both end with Stop and Close, which wait.
package demo

// Person is one of those anybody at this machine may be. Queues are an agent's, `default`
// if none is named.
type Person struct {
	Role, ID, Name string
	Queues         []string
}

// People are all of them. Where there are bots, agents work in the bots' queues, too.
func People(bots bool) []Person {
	var queues []string
	if bots {
		queues = Queues
	}
	return []Person{
		{Role: "user", ID: "lin", Name: "Lin 林"},
		{Role: "user", ID: "sam", Name: "Sam"},
		{Role: "user", ID: "mei", Name: "Mei 梅"},
		{Role: "agent", ID: "ann", Name: "Ann 安", Queues: queues},
		{Role: "agent", ID: "bob", Name: "Bob", Queues: queues},
		{Role: "supervisor", ID: "sue", Name: "Sue 苏", Queues: queues},
	}
}
