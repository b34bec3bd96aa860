package files

import (
	"errors"
	"io"
	"math"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// What a picture may have to be shown as one. What has more is kept as a plain file.
const (
	maxPixels = 50_000_000
	maxFrames = 5_000
	maxMoving = 500_000_000 // pixels of all frames together
	maxMemory = 160 << 20   // bytes, to decode it
)

// plain is the type of what is only saved, never shown.
const plain = "application/octet-stream"

// safe are the types a browser shows or plays, and that cannot carry scripts.
var safe = map[string]bool{"image/jpeg": true, "image/png": true, "image/gif": true, "image/webp": true,
	"audio/mpeg": true, "audio/ogg": true, "audio/wav": true, "audio/aac": true, "audio/mp4": true, "audio/x-m4a": true,
	"audio/amr": true, "audio/flac": true, "video/mp4": true, "video/webm": true, "video/ogg": true, "video/quicktime": true, "video/3gpp": true}

// Inline tells whether a type may be shown in a page; anything else is to be saved.
func Inline(mime string) bool { return safe[mime] }

var pictures = map[string]func(*source, *layout) error{"image/jpeg": walkJPEG, "image/png": walkPNG, "image/gif": walkGIF, "image/webp": walkWebP}

// inspect finds out what an upload is, by its content, and what is kept of it. What
// has parts that lead nowhere, or would take too long to look at, is a plain file.
func inspect(f *File, upload io.ReaderAt, size int64) (*layout, error) {
	m, err := mimetype.DetectReader(io.NewSectionReader(upload, 0, size))
	if err != nil {
		return nil, err
	}
	f.Mime, _, _ = strings.Cut(m.String(), ";")
	if m.Is("image/vnd.mozilla.apng") { // a PNG whose further frames older programs do not see
		f.Mime = "image/png"
	}
	all := &layout{kept: pieces{{n: size}}}
	walk := pictures[f.Mime]
	heard := strings.HasPrefix(f.Mime, "audio/") || strings.HasPrefix(f.Mime, "video/") || f.Mime == "application/ogg"
	if walk == nil && heard {
		if walk = container(upload); walk == nil {
			f.setDuration(duration(io.NewSectionReader(upload, 0, size), size))
		}
	}
	if walk == nil {
		return all, nil
	}
	l := &layout{}
	err = walk(newSource(upload, size), l)
	switch {
	case err == nil && heard:
		f.setDuration(l.duration)
	case err == nil:
		f.Width, f.Height = l.shown()
		f.Animated = l.moving
	case errors.Is(err, errCostly), errors.Is(err, errMalformed):
		f.Mime = plain
		return all, nil
	default:
		return nil, err
	}
	return l, nil
}

// container tells how to go over a sound or video that is made of boxes or elements.
func container(upload io.ReaderAt) func(*source, *layout) error {
	var head [12]byte
	_, _ = upload.ReadAt(head[:], 0) // what is shorter is none
	switch {
	case string(head[:4]) == "\x1a\x45\xdf\xa3":
		return walkWebM
	case string(head[4:8]) == "ftyp", mp4Top[string(head[4:8])], mp4Told[string(head[4:8])]:
		return walkMP4
	}
	return nil
}

func (f *File) setDuration(d float64) {
	if d > 0 && d < 1e6 {
		f.Duration = math.Round(d*1000) / 1000
	}
}
