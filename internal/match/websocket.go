package match

import (
	"bytes"
	"encoding/binary"
)

// Frames gives the texts in bytes of a WebSocket connection in one direction, joined by newlines, and whether they are such:
// bytes that begin with a frame, or with the request or the answer that opens the connection. A mask is taken off; a frame that
// is cut gives what there is of it.
func Frames(b []byte) (text []byte, ok bool) {
	if bytes.HasPrefix(b, []byte("GET ")) || bytes.HasPrefix(b, []byte("HTTP/1.1 101 ")) {
		_, rest, found := bytes.Cut(b, []byte("\r\n\r\n"))
		if !found {
			return nil, false
		}
		b = rest
	}
	for len(b) >= 2 {
		payload, rest, good := frame(b)
		if !good {
			break
		}
		text = append(append(text, payload...), '\n')
		b = rest
	}
	return text, len(text) > 0
}

// frame takes one frame apart (RFC 6455, section 5.2).
func frame(b []byte) (payload, rest []byte, ok bool) {
	const reserved, opcode, masked, length = 0x70, 0x0f, 0x80, 0x7f
	op := b[0] & opcode
	if b[0]&reserved != 0 || op > 2 && op < 8 || op > 10 {
		return nil, nil, false
	}
	n, head := uint64(b[1]&length), 2
	switch {
	case n == 126 && len(b) >= 4:
		n, head = uint64(binary.BigEndian.Uint16(b[2:])), 4
	case n == 127 && len(b) >= 10:
		n, head = binary.BigEndian.Uint64(b[2:]), 10
	case n > 125:
		return nil, nil, false
	}
	var mask []byte
	if b[1]&masked != 0 {
		if len(b) < head+4 {
			return nil, nil, false
		}
		mask = b[head : head+4]
		head += 4
	}
	end := len(b)
	if left := uint64(len(b) - head); n < left {
		end = head + int(n)
	}
	payload = bytes.Clone(b[head:end])
	for i := range payload {
		if mask != nil {
			payload[i] ^= mask[i%4]
		}
	}
	return payload, b[end:], true
}

// Wire is [Stratum] of the first bytes of a connection in one direction, plain or in frames of a WebSocket.
func Wire(b []byte) (Exchange, bool) {
	if e, ok := Stratum(b); ok {
		return e, true
	}
	if text, ok := Frames(b); ok {
		return Stratum(text)
	}
	return Exchange{}, false
}
