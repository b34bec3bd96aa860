package mongo

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"bellhop/archive"
)

// PutSessions stores sessions; see archive.Archive.
func (s *Store) PutSessions(ctx context.Context, sessions []archive.Session) ([]archive.Rejected, error) {
	var o outcome
	var list []versioned[string]
	for i := range sessions {
		if err := sessions[i].Valid(); err != nil {
			o.reject(i, err)
			continue
		}
		d := newSessionDoc(&sessions[i])
		list = append(list, versioned[string]{index: i, id: d.ID, version: d.Version, doc: d})
	}
	if err := putNewest(ctx, s.sessions, list, &o); err != nil {
		return nil, fmt.Errorf("mongo: put sessions: %w", err)
	}
	if err := o.write(ctx, s.messages, joined(sessions, &o), update); err != nil {
		return nil, fmt.Errorf("mongo: put agents: %w", err)
	}
	return o.refusals(), nil
}

// joined tells the messages of sessions which agents have joined. An agent is
// never taken away, so it does not matter which session is the latest.
func joined(sessions []archive.Session, o *outcome) []item {
	var items []item
	for i := range sessions {
		if ses := &sessions[i]; ses.NewAgents && len(ses.Agents) > 0 && !o.refused(i) {
			items = append(items, item{index: i, model: driver.NewUpdateManyModel().
				SetFilter(bson.D{{Key: "sessionId", Value: ses.ID}}).
				SetUpdate(bson.D{{Key: "$addToSet", Value: bson.D{{Key: "agents", Value: bson.D{{Key: "$each", Value: ses.Agents}}}}}})})
		}
	}
	return items
}

// Session gives one session, or archive.ErrNotFound.
func (s *Store) Session(ctx context.Context, id string) (archive.Session, error) {
	var d sessionDoc
	err := s.sessions.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&d)
	if errors.Is(err, driver.ErrNoDocuments) {
		return archive.Session{}, archive.ErrNotFound
	}
	if err != nil {
		return archive.Session{}, fmt.Errorf("mongo: session: %w", err)
	}
	return d.session(), nil
}

// Sessions gives the next sessions of a query.
func (s *Store) Sessions(ctx context.Context, q archive.SessionQuery) ([]archive.Session, error) {
	f := sessionFilter(q)
	if q.Before != nil {
		f = append(f, bson.E{Key: "$and", Value: before(q.Before.Created, q.Before.ID)})
	}
	cursor, err := s.sessions.Find(ctx, f, options.Find().SetSort(byNewest).SetLimit(int64(max(q.Limit, 1))))
	if err != nil {
		return nil, fmt.Errorf("mongo: sessions: %w", err)
	}
	var docs []sessionDoc
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, fmt.Errorf("mongo: sessions: %w", err)
	}
	out := make([]archive.Session, len(docs))
	for i := range docs {
		out[i] = docs[i].session()
	}
	return out, nil
}

// CountSessions is how many sessions a query has.
func (s *Store) CountSessions(ctx context.Context, q archive.SessionQuery) (int64, error) {
	n, err := s.sessions.CountDocuments(ctx, sessionFilter(q))
	if err != nil {
		return 0, fmt.Errorf("mongo: count sessions: %w", err)
	}
	return n, nil
}

func sessionFilter(q archive.SessionQuery) bson.D {
	f := between(q.Since, q.Until)
	if len(q.States) > 0 {
		f = append(f, bson.E{Key: "state", Value: bson.D{{Key: "$in", Value: q.States}}})
	}
	if q.Queue != "" {
		f = append(f, bson.E{Key: "queue", Value: q.Queue})
	}
	if q.User != "" {
		f = append(f, bson.E{Key: "userId", Value: q.User})
	}
	if q.Agent != "" {
		f = append(f, bson.E{Key: "agents", Value: q.Agent})
	}
	if q.Label != "" {
		f = append(f, bson.E{Key: "labels", Value: q.Label})
	}
	return f
}
