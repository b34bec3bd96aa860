package handlers

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"bellhop/broker"
	"bellhop/broker/chat"
)

// run carries out one command; a nil answer means that there is no reply.
type run func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error)

// commands are those of PROTOCOL.md that this version has.
var commands = map[string]run{
	"ping": func(context.Context, *broker.Broker, chat.Actor, *command) (any, error) {
		return struct {
			At chat.Time `json:"at"`
		}{chat.Time{Time: time.Now()}}, nil
	},
	"open": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		return session(b.Open(ctx, a, chat.OpenRequest{Queue: c.Queue, Subject: c.Subject, Meta: c.Meta}))
	},
	"send": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		return b.Send(ctx, a, chat.SendRequest{Session: c.Session, Type: c.Type, Body: c.Body, Key: c.Key, ReplyTo: c.ReplyTo})
	},
	"read": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		if c.Seq == nil {
			return nil, chat.Errorf(chat.CodeBadRequest, "seq: missing")
		}
		return b.Read(ctx, a, c.Session, *c.Seq)
	},
	"typing": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		return nil, b.Typing(ctx, a, c.Session, c.Text)
	},
	"recall": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		if c.Seq == nil {
			return nil, chat.Errorf(chat.CodeBadRequest, "seq: missing")
		}
		return struct{}{}, b.Recall(ctx, a, c.Session, *c.Seq)
	},
	"history": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		after, err := optionalSeq("after", c.After)
		if err != nil {
			return nil, err
		}
		before, err := optionalSeq("before", c.Before)
		if err != nil {
			return nil, err
		}
		return b.History(ctx, a, chat.HistoryRequest{Session: c.Session, After: after, Before: before, Limit: c.Limit, Mid: c.Mid})
	},
	"sessions": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		if err := b.AllowList(a); err != nil {
			return nil, err
		}
		return b.Sessions(ctx, a, chat.SessionsRequest{States: states(c.State), Queue: c.Queue, Label: c.Label,
			Limit: c.Limit, Cursor: c.Cursor})
	},
	"grab": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		if c.Session != "" {
			return session(b.Grab(ctx, a, c.Session))
		}
		return session(b.GrabQueue(ctx, a, c.Queue))
	},
	"transfer": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		if c.To == nil {
			return nil, chat.Errorf(chat.CodeBadRequest, "to: an agent or a queue")
		}
		return session(b.Transfer(ctx, a, chat.TransferRequest{Session: c.Session, Agent: c.To.Agent, Queue: c.To.Queue, Note: c.Note}))
	},
	"accept": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		return session(b.Accept(ctx, a, c.Session))
	},
	"decline": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		return session(b.Decline(ctx, a, c.Session, c.Reason))
	},
	"cancel": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		return session(b.Cancel(ctx, a, c.Session))
	},
	"join": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		return session(b.Join(ctx, a, c.Session, c.Silent))
	},
	"leave": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		return session(b.Leave(ctx, a, c.Session))
	},
	"end": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		return session(b.End(ctx, a, chat.EndRequest{Session: c.Session, Reason: c.Reason, Force: c.Force}))
	},
	"reopen": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		return session(b.Reopen(ctx, a, c.Session))
	},
	"rate": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		return session(b.Rate(ctx, a, broker.RateRequest{Session: c.Session, Score: c.Score, Comment: c.Comment}))
	},
	"label": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		return session(b.Label(ctx, a, broker.LabelRequest{Session: c.Session, Add: c.Add, Remove: c.Remove}))
	},
	"whisper": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		return b.Whisper(ctx, a, broker.WhisperRequest{Session: c.Session, Text: c.Text, Key: c.Key})
	},
	"takeover": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		return session(b.TakeOver(ctx, a, c.Session))
	},
	"canned": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		text, err := b.RenderCanned(ctx, a, c.Session, c.Canned)
		return rendered{text}, err
	},
	"status": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		return b.SetStatus(ctx, a, chat.Status(c.Status))
	},
	"watch": func(ctx context.Context, b *broker.Broker, a chat.Actor, c *command) (any, error) {
		if err := b.AllowList(a); err != nil {
			return nil, err
		}
		queues, err := b.Watch(ctx, a, c.Queues)
		return struct {
			Queues []chat.QueueView `json:"queues"`
		}{queues}, err
	},
}

// Commands are the names of all commands.
func Commands() []string { return slices.Sorted(maps.Keys(commands)) }

// sessionReply is what most transitions answer.
type sessionReply struct {
	Session chat.Session `json:"session"`
}

func session(s chat.Session, err error) (any, error) { return sessionReply{s}, err }

func optionalSeq(name string, seq *int64) (int64, error) {
	switch {
	case seq == nil:
		return -1, nil
	case *seq < 0 || *seq >= 1<<53:
		return 0, chat.Errorf(chat.CodeBadRequest, "%s: a seq, from 0 to 2^53-1", name)
	}
	return *seq, nil
}

// states splits a comma-separated list.
func states(list string) []chat.State {
	var out []chat.State
	for s := range strings.SplitSeq(list, ",") {
		if s != "" {
			out = append(out, chat.State(s))
		}
	}
	return out
}
