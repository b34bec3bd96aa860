package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"mime"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"
)

// program is this one, which makes thumbnails, too.
var program string

func TestMain(m *testing.M) {
	if status, is := Worker(os.Args); is {
		os.Exit(status)
	}
	var err error
	if program, err = ThisProgram(); err != nil {
		panic(err)
	}
	if os.Getenv(parentWord) != "" {
		beParent()
		return
	}
	os.Exit(m.Run())
}

// each runs a test on both kinds of buckets: a folder, and an S3 server.
func each(t *testing.T, f func(t *testing.T, s *Store)) {
	t.Helper()
	t.Run("folder", func(t *testing.T) {
		f(t, opened(t, "file://"+filepath.ToSlash(filepath.Join(t.TempDir(), "files"))))
	})
	t.Run("s3", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "x")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
		backend := s3mem.New()
		require.NoError(t, backend.CreateBucket("uploads"))
		server := httptest.NewServer(gofakes3.New(backend).Server())
		t.Cleanup(server.Close)
		f(t, opened(t, "s3://uploads?region=eu-1&use_path_style=true&endpoint="+server.URL))
	})
}

func opened(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, Options{TempDir: t.TempDir(), Worker: program})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	require.NoError(t, s.Ping(t.Context()))
	return s
}

func (s *Store) put(t *testing.T, name string, data []byte) *File {
	t.Helper()
	f, err := s.Put(t.Context(), "u:uma", name, bytes.NewReader(data))
	require.NoError(t, err)
	return f
}

func (s *Store) content(t *testing.T, id string) []byte {
	t.Helper()
	r, err := s.Content(t.Context(), id)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	return data
}

// sent notes that a message of a session sends a file, the same each time.
func (s *Store) sent(t *testing.T, id, session string, r Reader) error {
	_, err := s.Sent(t.Context(), Sending{id, session, "message"}, r)
	return err
}

// objects is how many the bucket has.
func (s *Store) objects(t *testing.T) (keys []string) {
	t.Helper()
	list := s.bucket.List(nil)
	for {
		o, err := list.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return keys
		}
		require.NoError(t, err)
		keys = append(keys, o.Key)
	}
}

// readers may read the sessions named.
func readerOf(who string, sessions ...string) Reader {
	return Reader{Who: who, Readable: func(_ context.Context, s string) (bool, error) {
		return strings.Contains(strings.Join(sessions, " "), s), nil
	}}
}

// What is uploaded comes back as it is, and only to those who may read it.
func TestKeepAndShare(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		text := []byte("hello, 世界")
		f := s.put(t, "notes.txt", text)
		require.Equal(t, []any{"notes.txt", int64(len(text)), "text/plain"}, []any{f.Name, f.Size, f.Mime})
		require.Equal(t, text, s.content(t, f.ID))
		same, err := s.Stat(ctx, f.ID)
		require.NoError(t, err)
		require.True(t, same.At.Equal(f.At))
		_, err = s.Thumbnail(ctx, f.ID)
		require.ErrorIs(t, err, ErrNotFound)
		for _, id := range []string{"", "x", "../../etc/passwd", f.ID + "/meta", strings.ToLower(f.ID), "{" + f.ID[1:], ulid.Make().String(), strings.Repeat("0", 10000), "\x00"} {
			_, err := s.Stat(ctx, id)
			require.ErrorIs(t, err, ErrNotFound)
			_, err = s.Content(ctx, id)
			require.ErrorIs(t, err, ErrNotFound)
		}

		ann, eve := readerOf("a:ann", "s1"), readerOf("u:eve", "s9")
		require.NoError(t, s.Allowed(ctx, f, readerOf("u:uma")))
		require.NoError(t, s.Allowed(ctx, f, Reader{Host: true}))
		require.ErrorIs(t, s.Allowed(ctx, f, ann), ErrNotFound)
		require.ErrorIs(t, s.sent(t, f.ID, "s9", eve), ErrNotFound, "somebody else's, never sent")
		for range 2 {
			require.NoError(t, s.sent(t, f.ID, "s1", readerOf("u:uma")))
		}
		require.NoError(t, s.Allowed(ctx, f, ann))
		require.ErrorIs(t, s.Allowed(ctx, f, eve), ErrNotFound)
		require.ErrorIs(t, s.sent(t, f.ID, "s9", eve), ErrNotFound)
		require.NoError(t, s.sent(t, f.ID, "s2", ann), "who may read it may send it on")
		require.NoError(t, s.Allowed(ctx, f, readerOf("u:ben", "s2")))
		require.ErrorIs(t, s.sent(t, ulid.Make().String(), "s1", ann), ErrNotFound)
	})
}

// What was never sent goes after a day, and cannot be sent in the last hour
// before, so that nothing that was sent ever goes.
func TestWhatWasNeverSentGoes(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx, began := t.Context(), time.Date(2026, 11, 26, 10, 59, 59, 0, time.UTC)
		at := began
		s.now = func() time.Time { return at }
		sweep := func(want int) {
			t.Helper()
			n, err := s.Sweep(ctx)
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
		lost, sent := s.put(t, "a.png", picture(t, 40, 20)), s.put(t, "b", []byte("b"))
		require.NoError(t, s.bucket.WriteAll(ctx, pendingKey(began, "01ARZ3NDEKTSV4RRFFQ69G5FAV"), nil, nil))
		require.NoError(t, s.bucket.WriteAll(ctx, "01ARZ3NDEKTSV4RRFFQ69G5FAV/content", []byte("cut off"), nil))
		uma := readerOf("u:uma")
		at = began.Add(23 * time.Hour)
		require.NoError(t, s.sent(t, sent.ID, "s1", uma))
		at = began.Add(23*time.Hour + time.Second)
		require.ErrorIs(t, s.sent(t, lost.ID, "s1", uma), ErrNotFound)
		sweep(0)
		at = began.Add(24 * time.Hour) // 10:59:59, and the hour is not over
		sweep(0)
		at = began.Add(24*time.Hour + time.Second)
		sweep(2)
		sweep(0)
		_, err := s.Stat(ctx, lost.ID)
		require.ErrorIs(t, err, ErrNotFound)
		require.Equal(t, "b", string(s.content(t, sent.ID)))
		require.Len(t, s.objects(t), 3, "content, meta and the session of the one that was sent")
		require.NoError(t, s.sent(t, sent.ID, "s2", uma), "sent once, it can be sent on at any age")
	})
}

// Sends and sweeps at the same moments: a file that was sent stays.
func TestSweepAndSendAtOnce(t *testing.T) {
	s := opened(t, "file://"+filepath.ToSlash(t.TempDir()))
	began := time.Now()
	var sending sync.RWMutex // no send lasts an hour: the clock stands still meanwhile
	var at atomic.Int64      // hours
	s.now = func() time.Time { return began.Add(time.Duration(at.Load()) * time.Hour) }
	var list []*File
	for i := range 30 {
		list = append(list, s.put(t, fmt.Sprint(i), []byte("x")))
	}
	var wg sync.WaitGroup
	sent := make([]bool, len(list))
	for i, f := range list {
		wg.Go(func() {
			sending.RLock()
			defer sending.RUnlock()
			sent[i] = s.sent(t, f.ID, "s", readerOf("u:uma")) == nil
		})
	}
	for range 26 {
		wg.Go(func() {
			sending.Lock()
			at.Add(1)
			sending.Unlock()
			if _, err := s.Sweep(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	_, err := s.Sweep(t.Context())
	require.NoError(t, err)
	for i, f := range list {
		_, err := s.Stat(t.Context(), f.ID)
		require.Equal(t, sent[i], err == nil, "file %d, sent: %v, %v", i, sent[i], err)
	}
}

// Too large, empty, broken off: refused, and nothing is left.
func TestBadUploads(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		_, err := s.Put(ctx, "u:uma", "x", io.LimitReader(nothing{}, MaxSize+1))
		require.ErrorIs(t, err, ErrTooLarge)
		_, err = s.Put(ctx, "u:uma", "x", strings.NewReader(""))
		require.ErrorIs(t, err, ErrEmpty)
		_, err = s.Put(ctx, "u:uma", "x", io.MultiReader(strings.NewReader("begin"), iotest.ErrReader(errors.New("gone"))))
		require.ErrorContains(t, err, "gone")
		require.Empty(t, s.objects(t))
		left, err := os.ReadDir(s.tempDir)
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

// A picture that was cut off, or that no decoder reads, is a file like any other: nothing of it is lost.
func TestABrokenPictureIsAFile(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		good, photo := picture(t, 100, 100), jpegOf(t, 300, 300)
		for name, bad := range map[string][]byte{"half a PNG": good[:len(good)/2], "the head of a PNG": good[:20], "a JPEG without pixels": []byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00nothing"),
			"a JPEG cut within its scan": photo[:len(photo)*3/4], "a PNG with other bytes": join(good[:50], "\xff\xff\xff", good[53:])} {
			f := s.put(t, "x", bad)
			require.Equal(t, "application/octet-stream", f.Mime, name)
			require.Zero(t, f.Width+f.Height, name)
			r, err := s.Content(t.Context(), f.ID)
			require.NoError(t, err, name)
			kept, err := io.ReadAll(r)
			require.NoError(t, err, name)
			require.NoError(t, r.Close())
			require.Len(t, kept, len(bad), name)
			_, err = s.Thumbnail(t.Context(), f.ID)
			require.ErrorIs(t, err, ErrNotFound, name)
		}
	})
}

// A file of 20 MiB passes through in pieces.
func TestAnUploadIsNeverInMemoryWhole(t *testing.T) {
	s := opened(t, "file://"+filepath.ToSlash(t.TempDir()))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := s.Put(t.Context(), "u:uma", "big.bin", io.LimitReader(nothing{}, MaxSize))
	require.NoError(t, err)
	r, err := s.Content(t.Context(), f.ID)
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	runtime.ReadMemStats(&after)
	require.EqualValues(t, MaxSize, n)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), "all that was allocated, whenever freed")
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{"photo.jpg": "photo.jpg", "../../etc/passwd": "passwd", `C:\Users\x\a.txt`: "a.txt", "": "file", "..": "file",
		"a\r\nSet-Cookie: x": "a Set-Cookie: x", "a\nb\rc": "a b c", `..\..\x`: "x", `\\server\share\x`: "x", `a\(b).txt`: `a\(b).txt`, "\u200dC:\\x/ \\\\s\\y": "y",
		"👨\u200d👩\u200d👧.png": "👨\u200d👩\u200d👧.png", "می\u200cخواهم.txt": "می\u200cخواهم.txt", "a\u200db\u200d": "ab", "🏳\ufe0f\u200d🌈\u200d.x": "🏳\ufe0f\u200d🌈.x", "a\"b%22.txt": "a\"b%22.txt", "\u202egpj.exe": "gpj.exe", "照片.png": "照片.png", "\x00\x01": "file", "a\u200bb": "ab",
		strings.Repeat("长", 5000) + ".jpeg": strings.Repeat("长", 123) + ".jpeg", "x/": "file",
		"a\x00b.txt": "ab.txt", "a\xff\xfeb": "ab", "invoice\u202efdp.exe": "invoicefdp.exe", "\u2066a\u2069\u061c\u200f.x": "a.x", "a\u00adb\ufffe\U000e0041c": "abc",
		"a\u2028b\u0085c\u3164d": "abcd", "a\u00a0b\u3000c": "a b c", "a\tb\x7fc\x1b[2J": "abc[2J", "/\x00/": "file", "👩\ufe0f.png": "👩\ufe0f.png"} {
		require.Equal(t, want, cleanName(in), "%q", in)
	}
}

// FuzzNames: a cleaned name is one line of text without a folder, and cleaning it again changes nothing.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"photo.jpg", "a/b\\c", "\x00\u202e\xff", strings.Repeat("长", 300) + ".x", " . ", "a.\u0301"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, in string) {
		name := cleanName(in)
		require.Equal(t, name, cleanName(name), "%q", in)
		require.True(t, utf8.ValidString(name) && name != "" && utf8.RuneCountInString(name) <= 128, "%q", name)
		require.NotContains(t, name, "/")
		require.False(t, windowsPath.MatchString(name), "%q", name)
		for _, r := range name {
			require.False(t, unicode.Is(unicode.C, r) && r != zwnj && r != zwj || r == '\u2028' || r == '\u2029', "%q", name)
		}
		require.NotEmpty(t, mime.FormatMediaType("attachment", map[string]string{"filename": name}), "%q", name)
	})
}

func TestLinks(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	s := &Store{now: func() time.Time { return at }}
	key, id := []byte("k"), ulid.Make().String()
	expires, sig := s.Sign(key, id)
	text := fmt.Sprint(expires.Unix())
	require.Equal(t, at.Add(time.Hour), expires)
	require.True(t, s.Signed(key, id, text, sig))
	require.False(t, s.Signed([]byte("other"), id, text, sig))
	require.False(t, s.Signed(key, ulid.Make().String(), text, sig))
	require.False(t, s.Signed(key, id, fmt.Sprint(expires.Unix()+1), sig))
	require.False(t, s.Signed(key, id, text, sig[:10]))
	require.False(t, s.Signed(key, id, "soon", sig))
	at = expires
	require.False(t, s.Signed(key, id, text, sig))
}

// picture is a PNG whose left half is red and whose right half is blue.
func picture(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, halves(w, h)))
	return b.Bytes()
}

func halves(w, h int) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for x := range w {
		for y := range h {
			c := color.NRGBA{255, 0, 0, 255}
			if x >= w/2 {
				c = color.NRGBA{0, 0, 255, 255}
			}
			img.Set(x, y, c)
		}
	}
	return img
}

func jpegOf(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, halves(w, h), nil))
	return b.Bytes()
}

func gifOf(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, gif.Encode(&b, halves(9, 9), nil))
	return b.Bytes()
}

// Once the last message that sent a file is recalled, nobody reads it any more, not
// even its uploader, and a day later it is gone. One that is left keeps it, for
// those who may read that one.
func TestWhatWasRecalledIsNotRead(t *testing.T) {
	each(t, func(t *testing.T, s *Store) {
		ctx, at := t.Context(), time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
		s.now = func() time.Time { return at }
		uma, ann, ben, boss := readerOf("u:uma"), readerOf("a:ann", "s1"), readerOf("u:ben", "s2"), Reader{Host: true}
		f := s.put(t, "a.png", picture(t, 40, 20))
		send := func(session, ref string, r Reader) (*File, error) { return s.Sent(ctx, Sending{f.ID, session, ref}, r) }
		recall := func(session, ref string, back bool) {
			t.Helper()
			require.NoError(t, s.Recalled(ctx, Sending{f.ID, session, ref}, back))
		}
		may := func(want bool, readers ...Reader) {
			t.Helper()
			for _, r := range readers {
				err := s.Allowed(ctx, f, r)
				if want {
					require.NoError(t, err, r.Who)
				} else {
					require.ErrorIs(t, err, ErrNotFound, r.Who)
				}
			}
		}
		recall("s1", "m1", false)
		require.NoError(t, s.Available(ctx, f.ID), "a message that never sent it takes nothing away")
		first, err := send("s1", "m1", uma)
		require.NoError(t, err)
		require.NotNil(t, first)
		again, err := send("s1", "m2", uma)
		require.NoError(t, err)
		require.Nil(t, again, "not the first")
		recall("s1", "m1", false)
		may(true, uma, ann, boss)
		_, err = send("s2", "m3", ann)
		require.NoError(t, err)
		recall("s1", "m2", false)
		may(false, ann)
		may(true, uma, ben, boss)
		require.NoError(t, s.Available(ctx, f.ID))
		recall("s2", "m3", false)
		may(false, uma, ann, ben, boss)
		require.ErrorIs(t, s.Available(ctx, f.ID), ErrNotFound)
		_, err = send("s2", "m4", uma)
		require.ErrorIs(t, err, ErrNotFound, "nor is it sent again")
		_, err = send("s2", "m3", ann)
		require.NoError(t, err, "the same message tried again is a duplicate to the broker")
		may(false, uma, ann, ben, boss)
		recall("s2", "m3", true)
		may(true, ben)
		recall("s2", "m3", false)

		at = at.Add(23 * time.Hour)
		for _, id := range []string{"", "nope", "../x"} {
			require.NoError(t, s.Recalled(ctx, Sending{id, "s1", "m"}, false))
			require.NoError(t, s.Unsent(ctx, Sending{id, "s1", "m"}))
		}
		at = at.Add(3 * time.Hour)
		n, err := s.Sweep(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		_, err = s.Stat(ctx, f.ID)
		require.ErrorIs(t, err, ErrNotFound)

		old := s.put(t, "b", []byte("b"))
		m := Sending{old.ID, "s1", "m"}
		_, err = s.Sent(ctx, m, uma)
		require.NoError(t, err)
		require.NoError(t, s.Unsent(ctx, m))
		require.ErrorIs(t, s.Allowed(ctx, old, ann), ErrNotFound)
		require.NoError(t, s.Allowed(ctx, old, uma), "it is as if it had never been sent")
		_, err = s.Sent(ctx, m, uma)
		require.NoError(t, err)
		at = at.Add(1000 * time.Hour) // long after its upload
		_, err = s.Sweep(ctx)
		require.NoError(t, err)
		require.NoError(t, s.Recalled(ctx, m, false))
		at = at.Add(26 * time.Hour)
		_, err = s.Sweep(ctx)
		require.NoError(t, err)
		require.Empty(t, s.objects(t))
	})
}

// An upload that is coming in has no name that could be left behind, and what an
// older program, or another system, has left is removed at the start.
func TestNothingIsLeftOfUploads(t *testing.T) {
	dir := t.TempDir()
	stale, fresh, other := filepath.Join(dir, tempPrefix+"1"), filepath.Join(dir, tempPrefix+"2"), filepath.Join(dir, "other")
	for _, name := range []string{stale, fresh, other} {
		require.NoError(t, os.WriteFile(name, []byte("x"), 0o600))
		require.NoError(t, os.Chtimes(name, time.Time{}, time.Now().Add(-2*time.Hour)))
	}
	require.NoError(t, os.Chtimes(fresh, time.Time{}, time.Now()))
	s, err := Open(t.Context(), "file://"+filepath.ToSlash(t.TempDir()), Options{TempDir: dir, Worker: program})
	require.NoError(t, err)
	defer func() { _ = s.Close() }()
	left := func() (names []string) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	require.Equal(t, []string{tempPrefix + "2", "other"}, left())
	half, more := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := s.Put(t.Context(), "u:uma", "x", half)
		done <- err
	}()
	_, err = more.Write(make([]byte, 100_000)) // it is being read
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, []string{tempPrefix + "2", "other"}, left(), "a node killed now would leave nothing")
	}
	require.NoError(t, more.CloseWithError(errors.New("gone")))
	require.ErrorContains(t, <-done, "gone")
	require.Equal(t, []string{tempPrefix + "2", "other"}, left())
}
