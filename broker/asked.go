package broker

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

// sessionsOf are a broker's sessions, as packages below ask for them.
type sessionsOf struct{ b *Broker }

// Look gives a session as it is now.
func (s sessionsOf) Look(ctx context.Context, session string) (*chat.Snapshot, error) {
	return s.b.sessions.Look(ctx, session)
}

// ReadLog gives a session's entries from one seq to another.
func (s sessionsOf) ReadLog(ctx context.Context, session string, from, to int64) ([]chat.Entry, error) {
	return s.b.sessions.ReadLog(ctx, session, from, to)
}

// Participant is nil for those who take part in an open session.
func (s sessionsOf) Participant(ctx context.Context, session, who string) error {
	return s.b.participant(ctx, session, who)
}

// Heard tells whether a user has a connection, or has read an entry of its session.
func (s sessionsOf) Heard(ctx context.Context, session, user string, seq int64) (bool, error) {
	p, _ := s.b.store.Of(session)
	pipe, w := s.b.store.Pipe, chat.Who(chat.RoleUser, user)
	conns, mark := pipe.HLen(ctx, p.Conns(w)), pipe.HGet(ctx, p.Read(session), w)
	if err := conns.Err(); err != nil {
		return false, store.RedisError("connections", err)
	}
	if err := mark.Err(); err != nil && !errors.Is(err, redis.Nil) {
		return false, store.RedisError("read", err)
	}
	read, _ := mark.Int64()
	return conns.Val() > 0 || read >= seq, nil
}
