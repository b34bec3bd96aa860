// Package uploads knows how much participants may upload, what links to files are
// signed with, and tells whoever keeps the files which messages send them.
//
// # What it promises
//
// A participant's bytes of a day, and those of all that nobody has sent, are counted over
// all nodes, from before the first byte comes; what is lost between a count and what it stands for is
// made up for in a day. A message that sends a file is stored after its readers may read the file, and
// recalled after nobody may for its sake.
//
// # What is its own
//
// The keys `uploads` (of each participant), `bellhop:unsent` and `bellhop:files`, and the script
// upload.lua. It runs no loop and has no lock.
package uploads

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/oklog/ulid/v2"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

const (
	ownBudget    = 512 << 20       // bytes a day of one participant
	unsentBudget = 20 << 30        // bytes that were not sent, of all
	givingBack   = 5 * time.Second // room that was not needed
)

// Options of Uploads.
type Options struct {
	Files  Files // nil: nobody keeps any
	Own    int64 // bytes one participant may upload in a day; 512 MiB when 0, no limit when negative
	Unsent int64 // bytes that were not sent, of all participants; 20 GiB when 0, no limit when negative
}

// Sessions are where files are sent.
type Sessions interface {
	// Participant is nil for who takes part in a session; CodeEnded where it has ended.
	Participant(ctx context.Context, session, who string) error
	// ReadLog gives a session's entries from one seq to another, also those that have left Redis.
	ReadLog(ctx context.Context, session string, from, to int64) ([]chat.Entry, error)
}

// Uploads are one node's way to what is known of files.
type Uploads struct {
	store       *store.Store
	sessions    Sessions
	files       Files
	own, unsent int64 // budgets
}

// New makes Uploads of a store.
func New(s *store.Store, sessions Sessions, o Options) *Uploads {
	return &Uploads{store: s, sessions: sessions, files: o.Files, own: cmp.Or(o.Own, ownBudget), unsent: cmp.Or(o.Unsent, unsentBudget)}
}

// Upload is the room that was set aside for one upload. The zero one counts for nothing.
type Upload struct {
	of       *Uploads
	who      string
	hour     int64 // since 1970
	size     int64
	own, all bool // what it is counted in
}

// Reserve sets room aside for an upload of a participant: from its bytes of a day, and from
// those of all that was not sent. It is to be asked with the most there may be; Keep tells how
// many there were. CodeRateLimited, with the time to wait, beyond what one participant may;
// CodeOverloaded beyond what all may.
func (u *Uploads) Reserve(ctx context.Context, who string, size int64) (*Upload, error) {
	room := &Upload{of: u, who: who, hour: time.Now().Unix() / 3600, size: size}
	if err := room.reserve(ctx); err != nil {
		return nil, errors.Join(err, room.Keep(ctx, 0))
	}
	return room, nil
}

func (u *Upload) reserve(ctx context.Context) error {
	if most := u.of.own; most > 0 {
		wait, err := u.of.count(ctx, u.key(), u.size, most, u.hour)
		if err != nil {
			return err
		}
		if wait > 0 {
			return &chat.Error{Code: chat.CodeRateLimited, Message: "too many bytes uploaded within a day", RetryMS: wait}
		}
		u.own = true
	}
	if most := u.of.unsent; most > 0 {
		wait, err := u.of.count(ctx, store.UnsentKey, u.size, most, u.hour)
		if err != nil {
			return err
		}
		if wait > 0 {
			return chat.Errorf(chat.CodeOverloaded, "no room for more uploads right now")
		}
		u.all = true
	}
	return nil
}

func (u *Upload) key() string { return u.of.store.Home(chat.IDOf(u.who)).Uploads(u.who) }

// Keep gives back the room that an upload of so many bytes does not need; of 0,
// all of it. To be called once.
func (u *Upload) Keep(ctx context.Context, size int64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), givingBack)
	defer cancel()
	var err error
	if u.own {
		_, err = u.of.count(ctx, u.key(), size-u.size, 0, u.hour)
	}
	if u.all {
		_, failed := u.of.count(ctx, store.UnsentKey, size-u.size, 0, u.hour)
		err = errors.Join(err, failed)
	}
	return err
}

// Sent takes an upload, of its size and time, out of those that were not sent.
func (u *Uploads) Sent(ctx context.Context, size int64, at time.Time) error {
	if u.unsent < 0 {
		return nil
	}
	_, err := u.count(ctx, store.UnsentKey, -size, 0, at.Unix()/3600)
	return err
}

// count counts bytes, and gives the ms until they fit, where they do not now.
func (u *Uploads) count(ctx context.Context, key string, size, most, hour int64) (int64, error) {
	if size == 0 {
		return 0, nil
	}
	now := time.Now()
	r, err := u.store.Run(ctx, "upload", []string{key}, size, most, hour, ulid.Make().String(), now.UnixMilli())
	if err != nil {
		return 0, err
	}
	return r.Num(1), nil
}
