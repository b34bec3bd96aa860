package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"

	"bellhop/archive"
	"bellhop/archive/archivetest"
	"bellhop/archive/mongo"
	"bellhop/archive/sqlite"
	"bellhop/broker"
	"bellhop/broker/chat"
)

const batchSize = 1000 // messages of one write, as the archiver's

// stores makes empty archives of one kind.
type stores struct {
	dir   string
	mongo *proc // nil for SQLite
	made  []archive.Archive
}

// newStores starts what the kind needs: for mongo a FerretDB, which it builds.
func newStores(ctx context.Context, kind, dir string) (*stores, error) {
	s := &stores{dir: dir}
	if kind == "sqlite" {
		return s, nil
	}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "bellhop").Output()
	if err != nil {
		return nil, err
	}
	bin := filepath.Join(dir, "ferretdb")
	source := filepath.Join(string(root[:len(root)-1]), "internal", "testenv", "ferretdb")
	build := exec.CommandContext(ctx, "go", "build", "-C", source, "-o", bin, ".")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	files := filepath.Join(dir, "ferretdb-files")
	if err := os.Mkdir(files, 0o700); err != nil {
		return nil, err
	}
	s.mongo, err = start(addr, bin, "-addr", addr, "-dir", files)
	return s, err
}

// open gives an empty archive, which stop closes.
func (s *stores) open(ctx context.Context) (store archive.Archive, err error) {
	name := fmt.Sprintf("archive%d", len(s.made))
	if s.mongo == nil {
		store, err = sqlite.Open(ctx, filepath.Join(s.dir, name+".db"))
	} else {
		err = until(ctx, func() (err error) {
			store, err = mongo.Open(ctx, "mongodb://"+s.mongo.addr+"/"+name)
			return err
		})
	}
	if err == nil {
		s.made = append(s.made, store)
	}
	return store, err
}

func (s *stores) stop() {
	for _, store := range s.made {
		_ = store.Close()
	}
	if s.mongo != nil {
		s.mongo.stop()
	}
}

// text is the i-th message's body.
func text(i int) json.RawMessage {
	data, err := json.Marshal(archivetest.Text(i))
	if err != nil {
		return json.RawMessage(`""`) // strings have no such error
	}
	return data
}

// archived is a message as the archiver writes it.
func archived(session, user, agent string, seq int64, i int, at int64) archive.Message {
	return archive.Message{Mid: ulid.Make().String(), Session: session, Seq: seq, At: at, By: "u:" + user, Sender: user,
		Role: "user", Name: "User", Type: "text", Command: "send", Body: string(text(i)), User: user, Queue: "default",
		Agents: []string{agent}}
}

// put writes messages in batches and gives the time it took.
func put(ctx context.Context, store archive.Archive, n int, message func(i int) archive.Message) (time.Duration, error) {
	var took time.Duration
	batch := make([]archive.Message, 0, batchSize)
	for i := range n {
		if batch = append(batch, message(i)); len(batch) < batchSize && i+1 < n {
			continue
		}
		began := time.Now()
		rejected, err := store.PutMessages(ctx, batch)
		took += time.Since(began)
		if err != nil || len(rejected) > 0 {
			return took, fmt.Errorf("%d messages rejected: %w", len(rejected), err)
		}
		batch = batch[:0]
	}
	return took, nil
}

// flushed gives an emptied Redis.
func flushed(ctx context.Context, rdb *redis.Client) (*redis.Client, error) {
	return rdb, rdb.FlushAll(ctx).Err()
}

// quietBroker is a node in this process that archives only if it is told to.
func quietBroker(ctx context.Context, rdb *redis.Client, store archive.Archive, archiver bool) (*broker.Broker, error) {
	return broker.New(ctx, broker.Options{Redis: rdb, SendRate: -1, Archive: store, NoArchiver: !archiver,
		ArchiveDelay: time.Millisecond})
}

var host = chat.Actor{Host: true}

// talk opens sessions of a user each and sends messages in each of them.
func talk(ctx context.Context, b *broker.Broker, sessions, each int) error {
	return parallel(ctx, 64, sessions, func(ctx context.Context, i int) error {
		user := chat.Person{ID: id("user-", i), Name: "User"}
		s, err := b.Open(ctx, host, chat.OpenRequest{User: user})
		if err != nil {
			return err
		}
		a := chat.Actor{Identity: chat.Identity{Role: chat.RoleUser, ID: user.ID, Name: user.Name}}
		for n := range each {
			if _, err := b.Send(ctx, a, chat.SendRequest{Session: s.ID, Body: text(i*each + n), Key: id("k", n)}); err != nil {
				return err
			}
		}
		return nil
	})
}
