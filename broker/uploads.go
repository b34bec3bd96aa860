package broker

import (
	"context"
	"errors"
	"time"

	"github.com/oklog/ulid/v2"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

const (
	uploadBudget = 512 << 20 // bytes a day of one participant
	unsentBudget = 20 << 30  // bytes that were not sent, of all

	givingBack = 5 * time.Second // room that was not needed
)

// Upload is the room that was set aside for one upload.
type Upload struct {
	b        *Broker
	who      string
	hour     int64 // since 1970
	size     int64
	own, all bool // what it is counted in
}

// AllowUpload counts one upload of a participant, over all nodes: 30 a minute, and
// its bytes, of which a day has Options.UploadBudget and all that was not sent
// Options.UnsentBudget. It is to be asked before the first byte is taken, with
// the most there may be; Keep tells how many there were. It answers
// CodeRateLimited, with the time to wait, beyond what one participant may,
// CodeOverloaded beyond what all may, CodeBlocked to the blocked. Host
// applications have no limit.
func (b *Broker) AllowUpload(ctx context.Context, a chat.Actor, size int64) (*Upload, error) {
	u := &Upload{b: b, who: chat.Who(a.Role, a.ID), hour: time.Now().Unix() / 3600, size: size}
	if a.Host {
		return u, nil
	}
	if u.who[0] == 'u' {
		blocked, err := b.people.Blocked(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		if blocked {
			return nil, chat.Errorf(chat.CodeBlocked, "blocked by an administrator")
		}
	}
	if err := b.limits.AllowUpload(ctx, u.who); err != nil {
		return nil, err
	}
	if err := u.reserve(ctx); err != nil {
		return nil, errors.Join(err, u.Keep(ctx, 0))
	}
	return u, nil
}

func (u *Upload) reserve(ctx context.Context) error {
	if most := u.b.opt.UploadBudget; most > 0 {
		wait, err := u.b.countUpload(ctx, u.key(), u.size, most, u.hour)
		if err != nil {
			return err
		}
		if wait > 0 {
			return &chat.Error{Code: chat.CodeRateLimited, Message: "too many bytes uploaded within a day", RetryMS: wait}
		}
		u.own = true
	}
	if most := u.b.opt.UnsentBudget; most > 0 {
		wait, err := u.b.countUpload(ctx, store.UnsentKey, u.size, most, u.hour)
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

func (u *Upload) key() string { return u.b.Home(chat.IDOf(u.who)).Uploads(u.who) }

// Keep gives back the room that an upload of so many bytes does not need; of 0,
// all of it. To be called once.
func (u *Upload) Keep(ctx context.Context, size int64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), givingBack)
	defer cancel()
	var err error
	if u.own {
		_, err = u.b.countUpload(ctx, u.key(), size-u.size, 0, u.hour)
	}
	if u.all {
		_, failed := u.b.countUpload(ctx, store.UnsentKey, size-u.size, 0, u.hour)
		err = errors.Join(err, failed)
	}
	return err
}

// UploadSent takes an upload, of its size and time, out of those that were not sent.
func (b *Broker) UploadSent(ctx context.Context, size int64, at time.Time) error {
	if b.opt.UnsentBudget < 0 {
		return nil
	}
	_, err := b.countUpload(ctx, store.UnsentKey, -size, 0, at.Unix()/3600)
	return err
}

// countUpload counts bytes, and gives the ms until they fit, where they do not now.
func (b *Broker) countUpload(ctx context.Context, key string, size, most, hour int64) (int64, error) {
	if size == 0 {
		return 0, nil
	}
	now := time.Now()
	r, err := b.Run(ctx, "upload", []string{key}, size, most, hour, ulid.Make().String(), now.UnixMilli())
	if err != nil {
		return 0, err
	}
	return r.Num(1), nil
}
