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

// Allowed is nil if somebody may read a file: its uploader, a host application,
// and who may read a session that it was sent in. Else it is ErrNotFound, as for
// a file that is not there.
func (s *Store) Allowed(ctx context.Context, f *File, r Reader) error {
	if r.Host || r.Who == f.By {
		return nil
	}
	shared, err := s.sessions(ctx, f.ID)
	if err != nil {
		return err
	}
	for _, session := range shared {
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

// Sent notes that a file is about to be sent in a session, so that the session's
// readers may read it. It may be repeated. ErrNotFound if the sender may not
// read it, or it is so old, and was never sent, that it may be removed.
func (s *Store) Sent(ctx context.Context, id, session string, r Reader) error {
	f, err := s.Stat(ctx, id)
	if err != nil {
		return err
	}
	key := id + "/sent/" + session
	if there, err := s.bucket.Exists(ctx, key); err != nil || there {
		return err
	}
	if err := s.Allowed(ctx, f, r); err != nil {
		return err
	}
	shared, err := s.sessions(ctx, id)
	if err != nil {
		return err
	}
	if len(shared) == 0 && s.now().Sub(f.At) > sendWithin || len(shared) >= maxShared {
		return ErrNotFound
	}
	return s.bucket.WriteAll(ctx, key, nil, nil)
}

// sessions are those a file was sent in.
func (s *Store) sessions(ctx context.Context, id string) ([]string, error) {
	var out []string
	prefix := id + "/sent/"
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
		shared, err := s.sessions(ctx, id)
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
