package files

import (
	"context"
	"errors"
	"io"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Reader is somebody who asks for a file.
type Reader struct {
	Who  string // as in File.By
	Host bool   // a host application may read everything
	// Readable tells whether a session may be read.
	Readable func(ctx context.Context, session string) (bool, error)
}

// Sending is one message that sends a file. Ref is the message's own name, the
// same each time the message is tried again: letters and digits.
type Sending struct {
	File, Session, Ref string
}

func (m Sending) sent() string     { return m.File + "/sent/" + m.Session + "." + m.Ref }
func (m Sending) recalled() string { return m.File + "/recalled/" + m.Session + "." + m.Ref }

// Available is nil for a file that is there: ErrNotFound once every message that
// sent it was recalled.
func (s *Store) Available(ctx context.Context, id string) error {
	_, err := s.available(ctx, id)
	return err
}

// available gives the sessions a file stands in; none, if it was never sent.
func (s *Store) available(ctx context.Context, id string) ([]string, error) {
	shared, err := s.list(ctx, id+"/sent/")
	if err != nil || len(shared) > 0 {
		return shared, err
	}
	recalled, err := s.list(ctx, id+"/recalled/")
	if err == nil && len(recalled) > 0 {
		err = ErrNotFound
	}
	return nil, err
}

// Allowed is nil if somebody may read a file: its uploader, a host application,
// and who may read a session that it was sent in. Else, and for all once it was
// recalled, it is ErrNotFound, as for a file that is not there.
func (s *Store) Allowed(ctx context.Context, f *File, r Reader) error {
	shared, err := s.available(ctx, f.ID)
	if err != nil || r.Host || r.Who == f.By {
		return err
	}
	asked := map[string]bool{}
	for _, one := range shared {
		session, _, _ := strings.Cut(one, ".")
		if asked[session] {
			continue
		}
		asked[session] = true
		ok, err := r.Readable(ctx, session)
		if err != nil {
			return err
		}
		if ok {
			return nil
		}
	}
	return ErrNotFound
}

// Sent notes that a message is about to send a file, so that the session's
// readers may read it. It may be repeated, and does nothing for a message that
// was recalled. It gives the file if it is the first that sends it. ErrNotFound
// if the sender may not read it, or it is so old, and was never sent, that it may
// be removed.
func (s *Store) Sent(ctx context.Context, m Sending, r Reader) (first *File, err error) {
	f, err := s.Stat(ctx, m.File)
	if err != nil {
		return nil, err
	}
	for _, key := range []string{m.sent(), m.recalled()} {
		if there, err := s.bucket.Exists(ctx, key); err != nil || there {
			return nil, err
		}
	}
	if err := s.Allowed(ctx, f, r); err != nil {
		return nil, err
	}
	shared, err := s.list(ctx, m.File+"/sent/")
	if err != nil {
		return nil, err
	}
	if len(shared) == 0 && s.now().Sub(f.At) > sendWithin || len(shared) >= maxShared {
		return nil, ErrNotFound
	}
	if len(shared) == 0 {
		first = f
	}
	return first, s.bucket.WriteAll(ctx, m.sent(), nil, nil)
}

// Unsent takes back what Sent noted of a message that was refused.
func (s *Store) Unsent(ctx context.Context, m Sending) error {
	if !validID(m.File) {
		return nil
	}
	return gone(s.bucket.Delete(ctx, m.sent()))
}

// Recalled notes that a message is being recalled: from now on nobody reads the
// file for its sake, and a day after the last one it is removed. It does nothing
// where the message has sent no file of ours. With back the message stays after all.
func (s *Store) Recalled(ctx context.Context, m Sending, back bool) error {
	if !validID(m.File) {
		return nil
	}
	from, to := m.sent(), m.recalled()
	if back {
		from, to = to, from
	}
	there, err := s.bucket.Exists(ctx, from)
	if err != nil || !there {
		return err
	}
	if err := s.bucket.WriteAll(ctx, to, nil, nil); err != nil {
		return err
	}
	if err := gone(s.bucket.Delete(ctx, from)); err != nil || back {
		return err
	}
	if left, err := s.list(ctx, m.File+"/sent/"); err != nil || len(left) > 0 {
		return err
	}
	return s.bucket.WriteAll(ctx, pendingKey(s.now(), m.File), nil, nil)
}

// list gives what stands behind a prefix, as far as anybody counts it.
func (s *Store) list(ctx context.Context, prefix string) ([]string, error) {
	var out []string
	err := s.each(ctx, prefix, func(o *blob.ListObject) (bool, error) {
		out = append(out, strings.TrimPrefix(o.Key, prefix))
		return len(out) < maxShared, nil
	})
	return out, err
}

// each calls f with the objects of a prefix, by key, until it says no.
func (s *Store) each(ctx context.Context, prefix string, f func(o *blob.ListObject) (bool, error)) error {
	list := s.bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := list.Next(ctx)
		if errors.Is(err, io.EOF) || err != nil && gone(err) == nil {
			return nil // at its end, or another node is removing what it lists
		}
		if err != nil {
			return err
		}
		if more, err := f(o); err != nil || !more {
			return err
		}
	}
}

// Sweep removes what was uploaded more than a day ago and never sent, and what
// an upload that was cut off left behind. Any number of nodes may do it at once.
func (s *Store) Sweep(ctx context.Context) (removed int, err error) {
	// A marker's hour has begun before its file came: the whole hour must be old.
	limit := "pending/" + s.now().UTC().Add(-keptUnsent).Format(hourLayout)
	err = s.each(ctx, "pending/", func(o *blob.ListObject) (bool, error) {
		if o.Key[:min(len(o.Key), len(limit))] >= limit {
			return false, nil
		}
		id := o.Key[strings.LastIndexByte(o.Key, '/')+1:]
		shared, err := s.list(ctx, id+"/sent/")
		if err != nil {
			return false, err
		}
		if len(shared) == 0 && validID(id) {
			if err := s.remove(ctx, id); err != nil {
				return false, err
			}
			removed++
		}
		return true, gone(s.bucket.Delete(ctx, o.Key))
	})
	return removed, err
}

// remove deletes a file, what makes it one first.
func (s *Store) remove(ctx context.Context, id string) error {
	if err := gone(s.bucket.Delete(ctx, id+"/meta")); err != nil {
		return err
	}
	return s.each(ctx, id+"/", func(o *blob.ListObject) (bool, error) {
		return true, gone(s.bucket.Delete(ctx, o.Key))
	})
}

// gone takes out the error of what is gone already.
func gone(err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil
	}
	return err
}
