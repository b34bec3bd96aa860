package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"bellhop/archive"
	"bellhop/archive/archivetest"
	"bellhop/broker"
	"bellhop/broker/chat"
)

type historyCommand struct {
	Messages int `default:"1000000" help:"Messages of the one session, all in the archive (SQLite)."`
	Pages    int `default:"500" help:"Pages read at each depth."`
}

type historyReport struct {
	Messages int
	Rows     []historyRow
	Wrote    time.Duration
}

type historyRow struct {
	Depth int
	P50   float64
	P99   float64
}

// measure reads pages at several depths below the newest message of one session.
func (c *historyCommand) measure(ctx context.Context) (report, error) {
	b, err := newBare(ctx, "sqlite")
	if err != nil {
		return nil, err
	}
	defer b.stop()
	store, err := b.stores.open(ctx)
	if err != nil {
		return nil, err
	}
	session, err := longSession(ctx, b, store, c.Messages)
	if err != nil {
		return nil, err
	}
	r := &historyReport{Messages: c.Messages}
	if r.Wrote, err = put(ctx, store, c.Messages-2, func(i int) archive.Message {
		return archived(session, "user", "agent", int64(i+3), i, archivetest.Start+int64(i))
	}); err != nil {
		return nil, err
	}
	rdb, err := flushed(ctx, b.rdb)
	if err != nil {
		return nil, err
	}
	node, err := quietBroker(ctx, rdb, store, false)
	if err != nil {
		return nil, err
	}
	defer func() { _ = node.Close(ctx) }()
	for _, depth := range []int{100, 10_000, 1_000_000} {
		if depth > c.Messages && depth > 100 {
			break
		}
		row, err := c.at(ctx, node, session, min(depth, c.Messages))
		if err != nil {
			return nil, err
		}
		r.Rows = append(r.Rows, row)
	}
	return r, nil
}

// at reads pages that end a little above a depth, each another one.
func (c *historyCommand) at(ctx context.Context, node *broker.Broker, session string, depth int) (historyRow, error) {
	t := newTimings()
	for i := range c.Pages {
		before := max(52, c.Messages-depth+52+i%40)
		began := time.Now()
		h, err := node.History(ctx, host, chat.HistoryRequest{Session: session, After: -1, Before: int64(before), Limit: 50})
		t.record(time.Since(began))
		if err != nil {
			return historyRow{}, err
		}
		if len(h.Messages) != 50 || h.Messages[49].Seq != int64(before-1) {
			return historyRow{}, fmt.Errorf("depth %d: not the page before %d", depth, before)
		}
	}
	return historyRow{depth, t.at(50), t.at(99)}, nil
}

// longSession archives a session that has ended, and makes its document tell of so many messages.
func longSession(ctx context.Context, b *bare, store archive.Archive, messages int) (string, error) {
	node, err := quietBroker(ctx, b.rdb, store, true)
	if err != nil {
		return "", err
	}
	s, err := node.Open(ctx, host, chat.OpenRequest{User: chat.Person{ID: "user"}})
	if err == nil {
		_, err = node.End(ctx, host, chat.EndRequest{Session: s.ID})
	}
	if err != nil {
		return "", err
	}
	if err := node.Close(ctx); err != nil { // archives what is left
		return "", err
	}
	doc, err := store.Session(ctx, s.ID)
	if err != nil {
		return "", err
	}
	var snap map[string]json.RawMessage
	if err := json.Unmarshal([]byte(doc.Snapshot), &snap); err != nil {
		return "", err
	}
	snap["s"] = json.RawMessage(strings.Replace(string(snap["s"]), `"seq","2"`, `"seq","`+strconv.Itoa(messages)+`"`, 1))
	data, err := json.Marshal(snap)
	doc.Snapshot, doc.Seq = string(data), int64(messages)
	if err == nil {
		_, err = store.PutSessions(ctx, []archive.Session{doc})
	}
	return s.ID, err
}

type searchCommand struct {
	Messages int `default:"1000000" help:"Archived messages (SQLite), 50 in each session."`
	Queries  int `default:"200" help:"Searches of each kind."`
}

type searchReport struct {
	Messages int
	Put      float64
	Rows     []searchRow
}

type searchRow struct {
	Query string
	Found int // on the first page
	P50   float64
	P99   float64
}

// measure searches for frequent and rare words, in Chinese and English, with and without filters.
func (c *searchCommand) measure(ctx context.Context) (report, error) {
	b, err := newBare(ctx, "sqlite")
	if err != nil {
		return nil, err
	}
	defer b.stop()
	store, err := b.stores.open(ctx)
	if err != nil {
		return nil, err
	}
	took, err := put(ctx, store, c.Messages, func(i int) archive.Message {
		s := i / 50
		return archived(id("session-", s), id("user-", s%5000), id("agent-", s%200), int64(i%50+1), i, archivetest.Start+int64(i))
	})
	if err != nil {
		return nil, err
	}
	node, err := quietBroker(ctx, b.rdb, store, false)
	if err != nil {
		return nil, err
	}
	defer func() { _ = node.Close(ctx) }()
	r := &searchReport{Messages: c.Messages, Put: float64(c.Messages) / took.Seconds()}
	for _, q := range []chat.SearchRequest{
		{Query: "退款"}, {Query: "refund"}, {Query: "物流信息显示已签收"}, {Query: "refund 快递丢失 invoice"}, {Query: "订单", Agent: "agent-7"},
		{Query: "order", User: "user-42"}, {Query: "发票", Until: archivetest.Start + int64(c.Messages/100)}, {Query: "31415"}, {Query: "nowhere"},
	} {
		row, err := c.search(ctx, node, q)
		if err != nil {
			return nil, err
		}
		r.Rows = append(r.Rows, row)
	}
	return r, nil
}

func (c *searchCommand) search(ctx context.Context, node *broker.Broker, q chat.SearchRequest) (searchRow, error) {
	t, row := newTimings(), searchRow{Query: q.Query}
	for _, f := range []struct{ name, value string }{{"agent", q.Agent}, {"user", q.User}} {
		if f.value != "" {
			row.Query += " " + f.name + ":" + f.value
		}
	}
	if q.Until > 0 {
		row.Query += " in the first hundredth"
	}
	until := q.Until
	for range c.Queries {
		if until == 0 { // another place each time: nothing that was kept helps
			q.Until = archivetest.Start + int64(c.Messages/2+rand.IntN(c.Messages/2))
		}
		began := time.Now()
		found, err := node.Search(ctx, host, q)
		t.record(time.Since(began))
		if err != nil {
			return row, err
		}
		row.Found = len(found.Messages)
	}
	row.P50, row.P99 = t.at(50), t.at(99)
	return row, nil
}
