package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"bellhop/archive"
)

// PutSessions implements archive.Archive.
func (s *Store) PutSessions(ctx context.Context, sessions []archive.Session) ([]archive.Rejected, error) {
	var rejected []archive.Rejected
	valid := make([]int, 0, len(sessions))
	for i := range sessions {
		if err := sessions[i].Valid(); err != nil {
			rejected = append(rejected, archive.Rejected{Index: i, Err: err})
			continue
		}
		valid = append(valid, i)
	}
	if len(valid) == 0 {
		return rejected, nil
	}
	err := s.write(ctx, func(t txn) error {
		for _, i := range valid {
			err := s.putSession(ctx, t, &sessions[i])
			if ofItem(err) {
				rejected = append(rejected, archive.Rejected{Index: i, Err: err})
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, wrap("put sessions", err)
	}
	return rejected, nil
}

// putSession stores a session unless a later one is there. Who took part is
// learned from an earlier one as well.
func (s *Store) putSession(ctx context.Context, t txn, x *archive.Session) error {
	agents, err := json.Marshal(x.Agents)
	if err != nil {
		return err
	}
	read, err := json.Marshal(x.Read)
	if err != nil {
		return err
	}
	labels, err := json.Marshal(append([]string{}, x.Labels...))
	if err != nil {
		return err
	}
	stored, err := t.changes(ctx, s.stmts.upsertSession, x.ID, x.Version(), x.Rev, x.Seq, x.Reads, x.State, x.Queue, x.User,
		x.UserInfo, x.UserKind, x.Agent, x.AgentInfo, x.Target, string(agents), x.Created, x.Grabbed, x.Ended, string(read), x.Snapshot, string(labels))
	if err != nil {
		return err
	}
	if stored {
		if _, err := t.exec(ctx, s.stmts.dateAgents, x.Created, x.ID); err != nil {
			return err
		}
	}
	for _, a := range x.Agents {
		if stored {
			_, err = t.exec(ctx, s.stmts.upsertAgent, x.Created, x.ID, a)
		} else {
			_, err = t.exec(ctx, s.stmts.learn, x.ID, a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Session implements archive.Archive.
func (s *Store) Session(ctx context.Context, id string) (archive.Session, error) {
	x, err := scanSession(s.stmts.session.QueryRowContext(ctx, id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return x, archive.ErrNotFound
	}
	return x, wrap("session", err)
}

// scanSession reads what sessionColumns names.
func scanSession(scan func(...any) error) (x archive.Session, err error) {
	var agents, read, labels []byte
	if err := scan(&x.ID, &x.Rev, &x.Seq, &x.Reads, &x.State, &x.Queue, &x.User, &x.UserInfo, &x.UserKind, &x.Agent,
		&x.AgentInfo, &x.Target, &agents, &x.Created, &x.Grabbed, &x.Ended, &read, &x.Snapshot, &labels); err != nil {
		return x, err
	}
	if err := json.Unmarshal(agents, &x.Agents); err != nil {
		return x, fmt.Errorf("session %s: agents: %w", x.ID, err)
	}
	if err := json.Unmarshal(read, &x.Read); err != nil {
		return x, fmt.Errorf("session %s: read: %w", x.ID, err)
	}
	if err := json.Unmarshal(labels, &x.Labels); err != nil {
		return x, fmt.Errorf("session %s: labels: %w", x.ID, err)
	}
	return x, nil
}
