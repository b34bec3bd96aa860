package files

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"
)

const (
	thumbnailSide = 320 // pixels
	oversampling  = 4   // of the thumbnail's pixels, each way, as many of the picture's count at least
)

// decode reads a picture that has been looked at, with the standard decoders
// and no others: what other packages register is not for strangers.
func decode(r io.Reader) (image.Image, error) {
	var head [4]byte
	n, _ := io.ReadFull(r, head[:])
	r = io.MultiReader(bytes.NewReader(head[:n]), r)
	switch string(head[:n]) {
	case "GIF8":
		return gif.Decode(r)
	case "\x89PNG":
		return png.Decode(r)
	case "RIFF":
		return webp.Decode(r)
	}
	return jpeg.Decode(r)
}

// thumbnail makes a JPEG of at most 320 pixels, the right way up and on white.
func thumbnail(r io.Reader, turned byte) ([]byte, error) {
	img, err := decode(r)
	if err != nil {
		return nil, err
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	if w < 1 || h < 1 {
		return nil, errMalformed
	}
	sw, sh := fit(w, h)
	// First some of the pixels, then all of those: to go over all of a large picture takes seconds.
	some := image.NewRGBA(image.Rect(0, 0, min(w, sw*oversampling), min(h, sh*oversampling)))
	draw.Draw(some, some.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.NearestNeighbor.Scale(some, some.Bounds(), img, img.Bounds(), draw.Over, nil)
	small := image.NewRGBA(image.Rect(0, 0, sw, sh))
	draw.BiLinear.Scale(small, small.Bounds(), some, some.Bounds(), draw.Src, nil)
	var b bytes.Buffer
	err = jpeg.Encode(&b, turn(small, turned), &jpeg.Options{Quality: 80})
	return b.Bytes(), err
}

// fit is the size of a thumbnail.
func fit(w, h int) (sw, sh int) {
	switch {
	case w <= thumbnailSide && h <= thumbnailSide:
		return w, h
	case w >= h:
		return thumbnailSide, max(1, h*thumbnailSide/w)
	default:
		return max(1, w*thumbnailSide/h), thumbnailSide
	}
}

// turn makes of a picture what its EXIF orientation says.
func turn(img *image.RGBA, turned byte) *image.RGBA {
	if turned < 2 || turned > 8 {
		return img
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	if turned >= 5 {
		out = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range out.Bounds().Dy() {
		for x := range out.Bounds().Dx() {
			sx, sy := x, y
			if turned >= 5 {
				sx, sy = y, x
			}
			switch turned {
			case 2, 8: // from right to left
				sx = w - 1 - sx
			case 4, 6: // from the bottom up
				sy = h - 1 - sy
			case 3, 7:
				sx, sy = w-1-sx, h-1-sy
			}
			out.SetRGBA(x, y, img.RGBAAt(sx, sy))
		}
	}
	return out
}
