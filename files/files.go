// Package files keeps what participants upload, in a bucket: a folder or S3. It
// knows neither HTTP nor Redis; who may read a session is asked of its caller.
//
// In the bucket, for each file:
//
//	<id>/meta             what it is, JSON; written last: without it there is no file
//	<id>/content          without its metadata, where it is a picture
//	<id>/thumbnail        a JPEG, for pictures
//	<id>/sent/<session>.<message>       for each message that sends it, written before the message is
//	<id>/recalled/<session>.<message>   for each that was recalled: sent no more
//	pending/<hour>/<id>   written first; what is a day old and was never sent is removed by it
package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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

// The reasons why a file is not taken, besides ErrBusy, given or sent.
var (
	ErrNotFound = errors.New("files: no such file")
	ErrTooLarge = errors.New("files: too large")
	ErrEmpty    = errors.New("files: empty")
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
	Animated bool      `json:"animated,omitempty"` // a picture of several frames
	By       string    `json:"by"`                 // who uploaded it
	At       time.Time `json:"at"`
}

// Store keeps files. All its methods may be called concurrently, on any number of nodes.
type Store struct {
	bucket   *blob.Bucket
	now      func() time.Time
	tempDir  string
	decoders *workers
}

// Options are what a store may be told. The zero value is for tests: pictures are
// decoded in this process, whose memory and time nothing bounds but their pixels.
type Options struct {
	// TempDir is where uploads are while they come in; "": the system's. It is made.
	TempDir string
	// Worker is a program that calls Worker first of all: ThisProgram, mostly.
	Worker string
}

// Open opens the bucket of a URL: file:///folder or s3://bucket?region=….
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	if o.TempDir != "" {
		if err := os.MkdirAll(o.TempDir, 0o700); err != nil {
			return nil, err
		}
		if err := sweepTemp(o.TempDir, time.Now()); err != nil {
			return nil, err
		}
	}
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
	return &Store{bucket: b, now: time.Now, tempDir: o.TempDir, decoders: newWorkers(o.Worker)}, nil
}

// Close lets go of the bucket.
func (s *Store) Close() error { return s.bucket.Close() }

// Put stores an upload of somebody's, reading it once, from a stream of any
// length: it never is in memory whole. A picture that would take too much memory
// or time, or is broken, is kept as a plain file. ErrTooLarge, ErrEmpty, ErrBusy.
func (s *Store) Put(ctx context.Context, by, name string, r io.Reader) (*File, error) {
	tmp, done, err := s.temp()
	if err != nil {
		return nil, err
	}
	defer done()
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
	l, err := inspect(f, tmp, n)
	if err != nil {
		return nil, err
	}
	thumbnail, err := s.preview(ctx, f, l, tmp)
	if err != nil {
		return nil, err
	}
	f.Size = l.kept.size()
	if err := s.bucket.WriteAll(ctx, pendingKey(f.At, f.ID), nil, nil); err != nil {
		return nil, err
	}
	if err := s.write(ctx, f, l, tmp); err != nil {
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

// preview makes a picture's thumbnail; a picture that takes too much, or that cannot be read, becomes a plain file.
func (s *Store) preview(ctx context.Context, f *File, l *layout, upload io.ReaderAt) ([]byte, error) {
	if f.Width == 0 {
		return nil, nil
	}
	in, done, err := s.temp()
	if err != nil {
		return nil, err
	}
	defer done()
	frame := l.first
	if frame == nil {
		frame = l.kept
	}
	if err := frame.writeTo(in, upload); err != nil {
		return nil, err
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	b, err := s.decoders.thumbnail(ctx, f.By, in, l.turned)
	if errors.Is(err, errCostly) || errors.Is(err, errMalformed) {
		f.Mime, f.Width, f.Height = plain, 0, 0
		return nil, nil
	}
	return b, err
}

// write stores what is kept of an upload.
func (s *Store) write(ctx context.Context, f *File, l *layout, upload io.ReaderAt) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a writer whose context has ended writes nothing
	w, err := s.bucket.NewWriter(ctx, f.ID+"/content", &blob.WriterOptions{ContentType: f.Mime})
	if err != nil {
		return err
	}
	if err := l.kept.writeTo(w, upload); err != nil {
		cancel()
		_ = w.Close()
		return err
	}
	return w.Close()
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

// windowsPath is how a path begins where backslashes part folders. Elsewhere they are letters of a name.
var windowsPath = regexp.MustCompile(`^([A-Za-z]:|\\|\.\.?)\\`)

// cleanName makes a name of one line that is only a name: no folders, nothing that
// cannot be seen, no direction that makes one extension look like another.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch r {
		case '\r', '\n':
			return ' '
		case zwnj, zwj:
			return r
		}
		if r == utf8.RuneError || unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point) {
			return -1
		}
		if unicode.Is(unicode.Zs, r) {
			return ' '
		}
		return r
	}, strings.ReplaceAll(name, "\r\n", "\n"))
	name = joined(name)
	name = strings.TrimSpace(name[strings.LastIndexByte(name, '/')+1:])
	if windowsPath.MatchString(name) {
		name = strings.TrimSpace(name[strings.LastIndexByte(name, '\\')+1:])
	}
	if runes := []rune(name); len(runes) > 128 {
		ext := ""
		if i := strings.LastIndexByte(name, '.'); i >= 0 && len(name)-i <= 16 {
			ext = name[i:]
		}
		name = strings.TrimSpace(joined(string(runes[:128-len([]rune(ext))]) + ext))
	}
	if name == "" || name == "." || name == ".." {
		return "file"
	}
	return name
}

// Joiners cannot be seen themselves: of several emoji they make one, and they shape the letters of some scripts.
const zwnj, zwj = '\u200c', '\u200d'

// joined leaves joiners only where they join something. Nothing joins ASCII, in which extensions are written.
func joined(name string) string {
	in := []rune(name)
	out := in[:0:0]
	joins := func(r rune) bool { return r > unicode.MaxASCII && r != zwnj && r != zwj && !unicode.IsSpace(r) }
	for i, r := range in {
		if (r == zwnj || r == zwj) && (len(out) == 0 || !joins(out[len(out)-1]) || i+1 == len(in) || !joins(in[i+1])) {
			continue
		}
		out = append(out, r)
	}
	return string(out)
}
