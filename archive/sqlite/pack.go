package sqlite

import (
	"encoding/binary"
	"errors"

	"bellhop/archive"
)

// pack is messages of one session, user and queue on their way through the inbox.
type pack struct {
	session, user, queue string
	first, last          int64 // seqs
	messages             int
	data                 []byte
}

// packed is the form of a pack's data, its first byte. A later form gets another
// number, and files may hold both.
const packed = 1

// longestPack is how many bytes a pack has before another one begins.
const longestPack = 256 << 10

// weight is what a pack counts for: what its messages cost to be moved, or their texts.
func (r *pack) weight() int64 { return int64(max(r.messages, len(r.data)>>10)) }

// add appends a message.
func (r *pack) add(m *archive.Message) {
	if r.messages == 0 {
		*r = pack{session: m.Session, user: m.User, queue: m.Queue, first: m.Seq, last: m.Seq, data: append(r.data[:0], packed)}
	}
	r.messages++
	r.first, r.last = min(r.first, m.Seq), max(r.last, m.Seq)
	var flags byte
	if m.Recalled {
		flags |= 1
	}
	if m.Superseded {
		flags |= 2
	}
	r.data = append(r.data, flags)
	for _, n := range []int64{m.Seq, m.At, m.ReplyTo} {
		r.data = binary.AppendVarint(r.data, n)
	}
	for _, s := range []string{m.Mid, m.By, m.Sender, m.Role, m.Name, m.Type, m.Command, m.Body, m.Key} {
		r.data = append(binary.AppendVarint(r.data, int64(len(s))), s...)
	}
}

// takes tells whether a message may be added.
func (r *pack) takes(m *archive.Message) bool {
	return r.messages == 0 || len(r.data) < longestPack && r.session == m.Session && r.user == m.User && r.queue == m.Queue
}

// errPacked says that a pack's data is not what this program packs.
var errPacked = errors.New("the inbox holds what this program cannot read: use a later one")

// unpack calls f with each of a pack's messages. They share its memory.
func (r *pack) unpack(f func(m *archive.Message)) error {
	if len(r.data) == 0 || r.data[0] != packed {
		return errPacked
	}
	p := parser{data: r.data[1:], text: string(r.data[1:])}
	for p.at < len(p.data) {
		m := archive.Message{Session: r.session, User: r.user, Queue: r.queue}
		flags := p.data[p.at]
		p.at++
		m.Recalled, m.Superseded = flags&1 != 0, flags&2 != 0
		for _, n := range []*int64{&m.Seq, &m.At, &m.ReplyTo} {
			*n = p.number()
		}
		for _, s := range []*string{&m.Mid, &m.By, &m.Sender, &m.Role, &m.Name, &m.Type, &m.Command, &m.Body, &m.Key} {
			*s = p.string()
		}
		if p.broken {
			return errPacked
		}
		f(&m)
	}
	return nil
}

// parser reads what add has written.
type parser struct {
	data   []byte
	text   string // the same
	at     int
	broken bool
}

func (p *parser) number() int64 {
	n, size := binary.Varint(p.data[p.at:])
	p.step(size)
	return n
}

func (p *parser) string() string {
	n, from := p.number(), p.at
	if n < 0 || n > int64(len(p.data)-from) {
		p.broken = true
		return ""
	}
	p.at += int(n)
	return p.text[from:p.at]
}

func (p *parser) step(size int) {
	if size <= 0 {
		p.broken = true
		return
	}
	p.at += size
}
