package store

import (
	"context"
	"time"
)

// TakeLease is how long borrowed work is its borrower's: a crash gives it back after this.
const TakeLease = 30 * time.Second

// Collected is a session or record that one partition handed to this node.
type Collected struct {
	Part  Partition
	ID    string
	Since string // when the first change was made that waits
	Lease string // its score now
	Now   int64  // Redis's clock, ms
	Until time.Time
}

// Collect borrows sessions of a partition for whoever archives or tells them; until bounds what it does with them.
func (s *Store) Collect(ctx context.Context, l *Borrower, p Partition, borrower, due, late string, limit int,
	delay, until time.Duration) ([]Collected, error) {
	call, ack := l.Begin()
	ends := time.Now().Add(until)
	r, err := s.RunJSON(ctx, "collect", []string{due, late, p.Leases()}, struct {
		Borrower string `json:"borrower"`
		Call     int64  `json:"call"`
		Ack      int64  `json:"ack"`
		Limit    int    `json:"limit"`
		Lease    int64  `json:"lease"` // ms
		Delay    int64  `json:"delay"` // ms
	}{borrower + s.Node, call, ack, limit, TakeLease.Milliseconds(), delay.Milliseconds()})
	if err != nil {
		return nil, err
	}
	l.Heard(call)
	members := r.Strs(2)
	out := make([]Collected, 0, len(members)/2)
	for i := 0; i+1 < len(members); i += 2 {
		out = append(out, Collected{Part: p, ID: members[i], Since: members[i+1], Lease: r.Str(1), Now: r.Num(0), Until: ends})
	}
	return out, nil
}
