// Package mongo is the archive in MongoDB, 6 or later.
//
// A message, a session and a record are a document each, in the collections
// messages, sessions and records. Writes are acknowledged by a majority. What
// must not undo what is newer is guarded by a filter, or only ever inserted,
// so that any number of nodes may write the same thing at the same time.
//
// MongoDB's own text index takes a Chinese sentence for one word. A message
// carries its text's pieces of two and three letters instead (see grams), and
// what they find is looked at again.
package mongo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"bellhop/archive"
)

// patience is how long to look for a server, and how long to wait for a
// connection. A URL may say otherwise.
const patience = 5 * time.Second

// Store is an archive.Archive.
type Store struct {
	client   *driver.Client
	messages *driver.Collection
	sessions *driver.Collection
	records  *driver.Collection

	versioned atomic.Bool // the index that Reindex needs is there
}

var _ archive.Archive = (*Store)(nil)

// Open connects to a server, mongodb://host/database, and makes the indexes
// that are not there. Nothing is kept but in that database.
func Open(ctx context.Context, url string) (*Store, error) {
	return openHeard(ctx, url, nil)
}

// openHeard is Open with somebody who hears the commands that are sent, or nil.
func openHeard(ctx context.Context, url string, heard *event.CommandMonitor) (*Store, error) {
	name, err := Database(url)
	if err != nil {
		return nil, err
	}
	client, err := driver.Connect(options.Client().SetAppName("bellhop").SetMonitor(heard).
		SetServerSelectionTimeout(patience).SetConnectTimeout(patience).ApplyURI(url))
	if err != nil {
		var lookup *net.DNSError // of mongodb+srv
		if errors.As(err, &lookup) {
			return nil, fmt.Errorf("mongo: %w", lookup)
		}
		return nil, errURL
	}
	// The archive's promises need these, whatever the URL says.
	db := client.Database(name, options.Database().
		SetWriteConcern(writeconcern.Majority()).SetReadPreference(readpref.Primary()))
	s := &Store{
		client:   client,
		messages: db.Collection("messages"),
		sessions: db.Collection("sessions"),
		records:  db.Collection("records"),
	}
	if err := s.index(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// Database is the name of the database in a URL. It is cut out by hand: a list
// of hosts, each with its port, is none of net/url's.
func Database(address string) (string, error) {
	scheme, rest, _ := strings.Cut(address, "://")
	if scheme != "mongodb" && scheme != "mongodb+srv" {
		return "", errors.New("mongo: the URL is none of MongoDB's: mongodb://host/DATABASE")
	}
	rest, _, _ = strings.Cut(rest, "?")
	_, escaped, _ := strings.Cut(rest, "/")
	name, err := url.PathUnescape(escaped)
	if err != nil {
		return "", errURL
	}
	if name == "" {
		return "", errors.New("mongo: the URL names no database: mongodb://host/DATABASE")
	}
	return name, nil
}

// errURL takes the place of the driver's own errors, which quote the URL in part or whole.
var errURL = errors.New("mongo: the URL cannot be used: user and password must be percent-encoded, hosts, options and files it names must exist")

// CheckURL tells what is wrong with a URL; it asks nobody. The error does not quote the URL,
// which may hold a password.
func CheckURL(address string) error {
	if _, err := Database(address); err != nil {
		return err
	}
	if strings.HasPrefix(address, "mongodb+srv://") { // its hosts and options are looked up when it is opened
		if _, err := url.Parse(address); err != nil {
			return errURL
		}
		return nil
	}
	if options.Client().ApplyURI(address).Validate() != nil {
		return errURL
	}
	return nil
}

// index makes the indexes. Lists go from the newest to the oldest, with _id
// between those of the same time.
func (s *Store) index(ctx context.Context) error {
	wanted := []struct {
		coll    *driver.Collection
		indexes []driver.IndexModel
	}{
		{s.messages, []driver.IndexModel{
			{Keys: bson.D{{Key: "sessionId", Value: 1}, {Key: "seq", Value: 1}}},
			newest("userId"), newest("agents"), newest("grams"),
		}},
		{s.sessions, []driver.IndexModel{
			newest(), newest("userId"), newest("agents"), newest("queue"), newest("state"), newest("labels"),
		}},
	}
	for _, w := range wanted {
		for _, index := range w.indexes { // of several that are there FerretDB dies
			if _, err := w.coll.Indexes().CreateOne(ctx, index); err != nil {
				return fmt.Errorf("mongo: an index of %s: %w", w.coll.Name(), err)
			}
		}
	}
	_, err := s.records.Indexes().CreateOne(ctx, driver.IndexModel{
		Keys: bson.D{{Key: "expiresAt", Value: 1}}, Options: options.Index().SetExpireAfterSeconds(0),
	})
	// Where documents cannot expire by themselves, Purge does all of it.
	if err != nil && !unknown(err) {
		return fmt.Errorf("mongo: the index of records: %w", err)
	}
	return nil
}

// newest is an index on fields, and of those with the same by newest.
func newest(fields ...string) driver.IndexModel {
	var keys bson.D
	for _, f := range fields {
		keys = append(keys, bson.E{Key: f, Value: 1})
	}
	return driver.IndexModel{Keys: append(keys, byNewest...)}
}

// byNewest is the order of lists.
var byNewest = bson.D{{Key: "createdAt", Value: -1}, {Key: "_id", Value: -1}}

// Ping tells whether a server that takes writes answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.client.Ping(ctx, readpref.Primary()); err != nil {
		return fmt.Errorf("mongo: ping: %w", err)
	}
	return nil
}

// Close ends the connections.
func (s *Store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience) //nolint:forbidigo // the interface gives none
	defer cancel()
	if err := s.client.Disconnect(ctx); err != nil && !errors.Is(err, driver.ErrClientDisconnected) {
		return fmt.Errorf("mongo: close: %w", err)
	}
	return nil
}
