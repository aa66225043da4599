// Package bus carries messages and orders between agents and their server: NATS, embedded in the server, over TLS 1.3.
//
// An agent may publish below deminer.host.ID alone, hear deminer.order.ID alone, and is answered in deminer.inbox.ID. Who it is
// says its key, to which the server binds these rights as it connects; what a message says of its sender counts nothing.
package bus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/deminer/deminer"
	"github.com/klauspost/compress/zstd"
)

// The subjects. A host's id is one word of them.
const (
	hostPrefix  = "deminer.host."
	orderPrefix = "deminer.order."
	inboxPrefix = "deminer.inbox."
)

// The first byte of what is on the wire.
const (
	plainForm  = 'j' // JSON follows
	packedForm = 'z' // JSON in zstd follows
)

// packFrom is from how many bytes on packing pays.
const packFrom = 1 << 10

// maxUnpacked is how many bytes a message may have as JSON: a body, and what stands around it.
const maxUnpacked = deminer.MaxBody + 4<<10

// packer makes and reads what is on the wire. Its parts are made when they are needed first: an idle agent needs none.
type packer struct {
	once sync.Once
	out  *zstd.Encoder
	in   *zstd.Decoder
	err  error
}

func (p *packer) ready() error {
	p.once.Do(func() {
		var e1, e2 error
		p.out, e1 = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<18), zstd.WithLowerEncoderMem(true))
		p.in, e2 = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxUnpacked), zstd.WithDecoderLowmem(true))
		p.err = errors.Join(e1, e2)
	})
	return p.err
}

// pack makes JSON fit for the wire.
func (p *packer) pack(text []byte) ([]byte, error) {
	if len(text) > maxUnpacked {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", deminer.ErrRefused, len(text), maxUnpacked)
	}
	out := append([]byte{plainForm}, text...)
	if len(text) >= packFrom {
		if err := p.ready(); err != nil {
			return nil, err
		}
		if packed := p.out.EncodeAll(text, []byte{packedForm}); len(packed) < len(out) {
			out = packed
		}
	}
	if len(out) > deminer.MaxMessage {
		return nil, fmt.Errorf("%w: %d bytes on the wire, at most %d", deminer.ErrRefused, len(out), deminer.MaxMessage)
	}
	return out, nil
}

// unpack reads what came over the wire, from whomever.
func (p *packer) unpack(wire []byte) ([]byte, error) {
	switch {
	case len(wire) > deminer.MaxMessage:
		return nil, fmt.Errorf("%w: %d bytes on the wire, at most %d", deminer.ErrRefused, len(wire), deminer.MaxMessage)
	case len(wire) > 0 && wire[0] == plainForm:
		return wire[1:], nil
	case len(wire) > 0 && wire[0] == packedForm:
		if err := p.ready(); err != nil {
			return nil, err
		}
		text, err := p.in.DecodeAll(wire[1:], nil)
		if err != nil {
			return nil, fmt.Errorf("%w: unpack: %w", deminer.ErrRefused, err)
		}
		return text, nil
	}
	return nil, fmt.Errorf("%w: not a message of deminer's", deminer.ErrRefused)
}

// packMessage makes a message fit for the wire.
func (p *packer) packMessage(m deminer.Message) ([]byte, error) {
	if len(m.Body) > deminer.MaxBody {
		return nil, fmt.Errorf("%w: a body of %d bytes, at most %d", deminer.ErrRefused, len(m.Body), deminer.MaxBody)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", deminer.ErrRefused, err)
	}
	return p.pack(text)
}

// Fits reports whether a message can go over the wire; else deminer.ErrRefused.
func Fits(m deminer.Message) error {
	if len(m.Body) < deminer.MaxMessage-4<<10 {
		return nil // however badly it packs
	}
	_, err := new(packer).packMessage(m)
	return err
}

// unpackMessage reads a message, which must be of the kind that its subject says.
func (p *packer) unpackMessage(kind string, wire []byte) (m deminer.Message, err error) {
	text, err := p.unpack(wire)
	if err != nil {
		return m, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return m, fmt.Errorf("%w: not a message: %w", deminer.ErrRefused, err)
	}
	switch {
	case dec.More():
		return m, fmt.Errorf("%w: something stands behind the message", deminer.ErrRefused)
	case !deminer.IsID(m.ID):
		return m, fmt.Errorf("%w: the message has no id", deminer.ErrRefused)
	case m.Order != "" && !deminer.IsID(m.Order):
		return m, fmt.Errorf("%w: the order that it answers has no id", deminer.ErrRefused)
	case string(m.Kind) != kind || !slices.Contains(deminer.MessageKinds(), m.Kind):
		return m, fmt.Errorf("%w: a message of the kind %q came as %q", deminer.ErrRefused, deminer.Cut(string(m.Kind), 20), deminer.Cut(kind, 20))
	case len(m.Body) > deminer.MaxBody:
		return m, fmt.Errorf("%w: a body of %d bytes, at most %d", deminer.ErrRefused, len(m.Body), deminer.MaxBody)
	}
	return m, nil
}

// sender gives host and kind of a subject on which a message came.
func sender(subject string) (host, kind string, ok bool) {
	rest, ok := strings.CutPrefix(subject, hostPrefix)
	if !ok {
		return "", "", false
	}
	host, kind, ok = strings.Cut(rest, ".")
	return host, kind, ok && host != "" && kind != "" && !strings.Contains(kind, ".")
}

// replyOf makes what an error is on the wire. A reader is told what is wrong with its message, and nothing of what the server is made of.
func replyOf(err error) deminer.Reply {
	switch {
	case err == nil:
		return deminer.Reply{OK: true}
	case errors.Is(err, deminer.ErrRefused):
		return deminer.Reply{Why: deminer.Cut(deminer.Safe(err.Error()), 400)}
	}
	return deminer.Reply{Why: "the server could not write it down", Again: true}
}

// readReply reads an answer, of at most a few kilobytes.
func readReply(wire []byte) (r deminer.Reply, err error) {
	if len(wire) > 8<<10 {
		return r, errors.New("an answer of more than 8 KiB")
	}
	if err := json.Unmarshal(wire, &r); err != nil {
		return r, fmt.Errorf("read an answer: %w", err)
	}
	r.Why = deminer.Cut(deminer.Safe(r.Why), 400)
	return r, nil
}
