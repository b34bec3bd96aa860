package files

import (
	"bytes"
	"context"
	"image"
	_ "image/gif" // decoders
	"image/jpeg"
	_ "image/png"
	"io"
	"math"
	"strings"

	"github.com/gabriel-vasile/mimetype"
	"github.com/kovidgoyal/imaging"
	_ "golang.org/x/image/webp"
)

const (
	maxPixels     = 40_000_000
	thumbnailSide = 320 // pixels
)

// safe are the types a browser shows or plays, and that cannot carry scripts.
var safe = map[string]bool{"image/jpeg": true, "image/png": true, "image/gif": true, "image/webp": true,
	"audio/mpeg": true, "audio/ogg": true, "audio/wav": true, "audio/aac": true, "audio/mp4": true, "audio/x-m4a": true,
	"audio/amr": true, "audio/flac": true, "video/mp4": true, "video/webm": true, "video/ogg": true, "video/quicktime": true, "video/3gpp": true}

// Inline tells whether a type may be shown in a page; anything else is to be saved.
func Inline(mime string) bool { return safe[mime] }

// inspect finds out what the content is, and makes a picture's thumbnail.
func (s *Store) inspect(ctx context.Context, f *File, r io.ReadSeeker, size int64) (thumbnail []byte, err error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	m, err := mimetype.DetectReader(r)
	if err != nil {
		return nil, err
	}
	f.Mime, _, _ = strings.Cut(m.String(), ";")
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	switch {
	case strings.HasPrefix(f.Mime, "image/") && safe[f.Mime]:
		return s.picture(ctx, f, r)
	case strings.HasPrefix(f.Mime, "audio/"), strings.HasPrefix(f.Mime, "video/"), f.Mime == "application/ogg":
		if d := duration(r, size); d > 0 && d < 1e6 {
			f.Duration = math.Round(d*1000) / 1000
		}
	}
	return nil, nil
}

func (s *Store) picture(ctx context.Context, f *File, r io.ReadSeeker) ([]byte, error) {
	c, _, err := image.DecodeConfig(r)
	if err != nil || c.Width < 1 || c.Height < 1 || c.Width > maxPixels/c.Height {
		return nil, ErrPicture
	}
	select {
	case s.decode <- struct{}{}: // decoding needs memory for all pixels
		defer func() { <-s.decode }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	// In this process only: other programs are not to see what strangers send.
	img, err := imaging.Decode(r, imaging.Backends(imaging.GO_IMAGE), imaging.AutoOrientation(true),
		imaging.ColorSpace(imaging.NO_CHANGE_OF_COLORSPACE))
	if err != nil { // metadata that cannot be read is no reason to refuse a picture
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		if img, _, err = image.Decode(r); err != nil {
			return nil, ErrPicture
		}
	}
	f.Width, f.Height = img.Bounds().Dx(), img.Bounds().Dy()
	var b bytes.Buffer
	small := imaging.Fit(img, thumbnailSide, thumbnailSide, imaging.Box)
	if err := jpeg.Encode(&b, imaging.OverlayCenter(imaging.New(small.Bounds().Dx(), small.Bounds().Dy(), image.White), small, 1),
		&jpeg.Options{Quality: 80}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
