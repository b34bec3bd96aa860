// Package files keeps what participants upload, in a bucket: a folder or S3. It
// knows neither HTTP nor Redis; who may read a session is asked of its caller.
//
// In the bucket, for each file:
//
//	<id>/meta             what it is, JSON; written last: without it there is no file
//	<id>/content          without its metadata, where it is a picture
//	<id>/thumbnail        a JPEG, for pictures
//	<id>/sent/<session>   for each session it was sent in, written before the message is
//	pending/<hour>/<id>   written first; what is a day old and was never sent is removed by it
package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file://
	_ "gocloud.dev/blob/s3blob"   // s3://
	"gocloud.dev/gcerrors"
)

// MaxSize of an upload, in bytes.
const MaxSize = 20 << 20

const (
	keptUnsent = 24 * time.Hour
	sendWithin = 23 * time.Hour // of the upload; an hour before it may be removed
	hourLayout = "20060102T15"
	maxShared  = 1000 // sessions one file may be sent in
)

// The reasons why a file is not taken, given or sent.
var (
	ErrNotFound = errors.New("files: no such file")
	ErrTooLarge = errors.New("files: too large")
	ErrEmpty    = errors.New("files: empty")
	ErrPicture  = errors.New("files: not a readable picture, or one of too many pixels")
)

// File is what is known of a file.
type File struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Size     int64     `json:"size"` // bytes
	Mime     string    `json:"mime"` // by its content
	Width    int       `json:"width,omitempty"`
	Height   int       `json:"height,omitempty"`
	Duration float64   `json:"duration,omitempty"` // seconds
	By       string    `json:"by"`                 // who uploaded it
	At       time.Time `json:"at"`
}

// Store keeps files. All its methods may be called concurrently, on any number of nodes.
type Store struct {
	bucket *blob.Bucket
	now    func() time.Time
	decode chan struct{} // one for each picture that may be decoded at a time
}

// Open opens the bucket of a URL: file:///folder or s3://bucket?region=….
func Open(ctx context.Context, url string) (*Store, error) {
	if strings.HasPrefix(url, "file://") {
		sep := "?"
		if strings.Contains(url, "?") {
			sep = "&"
		}
		url += sep + "create_dir=1&no_tmp_dir=1&metadata=skip&dir_file_mode=0700"
	}
	b, err := blob.OpenBucket(ctx, url)
	if err != nil {
		return nil, err
	}
	return &Store{bucket: b, now: time.Now, decode: make(chan struct{}, 2)}, nil
}

// Close lets go of the bucket.
func (s *Store) Close() error { return s.bucket.Close() }

// Put stores an upload of somebody's, reading it once, from a stream of any
// length: it never is in memory whole. ErrTooLarge, ErrEmpty, ErrPicture.
func (s *Store) Put(ctx context.Context, by, name string, r io.Reader) (*File, error) {
	tmp, err := os.CreateTemp("", "bellhop-upload-")
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = tmp.Close()
		_ = os.Remove(tmp.Name())
	}()
	n, err := io.Copy(tmp, io.LimitReader(r, MaxSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("upload: %w", err)
	case n > MaxSize:
		return nil, ErrTooLarge
	case n == 0:
		return nil, ErrEmpty
	}
	f := &File{ID: ulid.Make().String(), Name: cleanName(name), By: by, At: s.now().UTC()}
	thumbnail, err := s.inspect(ctx, f, tmp, n)
	if err != nil {
		return nil, err
	}
	if err := s.bucket.WriteAll(ctx, pendingKey(f.At, f.ID), nil, nil); err != nil {
		return nil, err
	}
	if f.Size, err = s.write(ctx, f, tmp); err != nil {
		return nil, err
	}
	if thumbnail != nil {
		if err := s.bucket.WriteAll(ctx, f.ID+"/thumbnail", thumbnail, &blob.WriterOptions{ContentType: "image/jpeg"}); err != nil {
			return nil, err
		}
	}
	data, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	return f, s.bucket.WriteAll(ctx, f.ID+"/meta", data, nil)
}

func pendingKey(at time.Time, id string) string {
	return "pending/" + at.UTC().Format(hourLayout) + "/" + id
}

// write stores the content, a picture without its metadata, and gives its size.
func (s *Store) write(ctx context.Context, f *File, r io.ReadSeeker) (int64, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a writer whose context has ended writes nothing
	w, err := s.bucket.NewWriter(ctx, f.ID+"/content", &blob.WriterOptions{ContentType: f.Mime})
	if err != nil {
		return 0, err
	}
	n, err := strip(f.Mime, w, r)
	if err != nil {
		cancel()
		_ = w.Close()
		return 0, err
	}
	return n, w.Close()
}

// validID tells whether it is one of our ids: nothing else becomes part of a key.
func validID(id string) bool {
	_, err := ulid.ParseStrict(id)
	return err == nil && strings.ToUpper(id) == id
}

// Stat tells what a file is; ErrNotFound.
func (s *Store) Stat(ctx context.Context, id string) (*File, error) {
	if !validID(id) {
		return nil, ErrNotFound
	}
	data, err := s.bucket.ReadAll(ctx, id+"/meta")
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	f := &File{}
	return f, json.Unmarshal(data, f)
}

// Content opens a file's content; the caller closes it.
func (s *Store) Content(ctx context.Context, id string) (*blob.Reader, error) {
	return s.open(ctx, id, "content")
}

// Thumbnail opens a picture's thumbnail, a JPEG; ErrNotFound where it has none.
func (s *Store) Thumbnail(ctx context.Context, id string) (*blob.Reader, error) {
	return s.open(ctx, id, "thumbnail")
}

func (s *Store) open(ctx context.Context, id, part string) (*blob.Reader, error) {
	if !validID(id) {
		return nil, ErrNotFound
	}
	r, err := s.bucket.NewReader(ctx, id+"/"+part, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, ErrNotFound
	}
	return r, err
}

// Ping tells whether the bucket can be reached.
func (s *Store) Ping(ctx context.Context) error {
	ok, err := s.bucket.IsAccessible(ctx)
	if err == nil && !ok {
		err = errors.New("files: the bucket is not there")
	}
	return err
}

// cleanName makes a name that is only a name: no folders, nothing that cannot
// be seen, no direction that makes one extension look like another.
func cleanName(name string) string {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\ufffd' || r >= 0x80 && r < 0xa0 || r >= '\u200b' && r <= '\u200f' ||
			r >= '\u2028' && r <= '\u202e' || r >= '\u2060' && r <= '\u2069' || r == '\ufeff' {
			return -1
		}
		return r
	}, name)
	name = strings.TrimSpace(name)
	if runes := []rune(name); len(runes) > 128 {
		ext := ""
		if i := strings.LastIndexByte(name, '.'); i >= 0 && len(name)-i <= 16 {
			ext = name[i:]
		}
		name = string(runes[:128-len([]rune(ext))]) + ext
	}
	if name == "" || name == "." || name == ".." {
		return "file"
	}
	return name
}
