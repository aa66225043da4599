package match

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// framed makes one frame of a WebSocket as a client sends it (masked) or a server.
func framed(text string, masked bool) []byte {
	b := []byte{0x81}
	bit := byte(0)
	if masked {
		bit = 0x80
	}
	if len(text) < 126 {
		b = append(b, bit|byte(len(text)))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, bit|126), uint16(len(text)))
	}
	key := []byte{0x5a, 1, 0xff, 0x7b}
	if !masked {
		return append(b, text...)
	}
	b = append(b, key...)
	for i := range len(text) {
		b = append(b, text[i]^key[i%4])
	}
	return b
}

const loginLine = `{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"worker","pass":"x","agent":"tester/1.0","algo":["rx/0"]}}`

func TestWire(t *testing.T) {
	open := []byte("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
	for name, c := range map[string]struct {
		b    []byte
		want bool
	}{
		"plain":              {[]byte(loginLine), true},
		"masked":             {framed(loginLine, true), true},
		"unmasked":           {framed(loginLine, false), true},
		"behind the opening": {append(bytes.Clone(open), framed(loginLine, true)...), true},
		"second frame":       {append(framed("ping", true), framed(loginLine, true)...), true},
		"another method":     {framed(`{"id":1,"method":"chat.join","params":{"login":"a","pass":"b"}}`, true), false},
		"the opening alone":  {open, false},
		"nothing":            {nil, false},
	} {
		e, ok := Wire(c.b)
		if ok != c.want || ok && (!e.Client || e.Login != "worker") {
			t.Errorf("%s: %+v %v, want %v", name, e, ok, c.want)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(framed(loginLine, true))
	f.Add(framed(loginLine, false))
	f.Add([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		text, ok := Frames(b)
		if ok != (len(text) > 0) || len(text) > 2*len(b) || !bytes.Equal(b, before) {
			t.Errorf("%d bytes of text from %d, ok %v", len(text), len(b), ok)
		}
	})
}
