package match

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"io"
	"unicode/utf8"
)

const (
	maxDepth   = 4       // layers inside each other
	maxLayers  = 24      // layers of one text in all
	maxDecoded = 1 << 18 // bytes of one decoded layer
	minBase64  = 24      // characters of a run that is tried
	minHexRun  = 32
)

// layer is a text that was found inside another one.
type layer struct {
	text   string
	offset int // of the encoded run in the text that was given; -1 for that text itself
	depth  int
	how    string // base64, hex, gzip, joined by ">"
}

// base64Byte are the bytes of base64 text of both alphabets.
var base64Byte = func() [256]bool {
	t := alnum
	for _, c := range "+/-_" {
		t[c] = true
	}
	return t
}()

// decodeLayers gives the texts hidden in s, which is the text of l, at most a few. It does not keep s.
func decodeLayers(s []byte, l layer) []layer {
	var out []layer
	add := func(b []byte, at int, how string) {
		b, packed := inflate(b)
		if packed != "" {
			how += ">" + packed
		}
		if len(out) >= 8 || !printable(b) {
			return
		}
		if l.how != "" {
			how = l.how + ">" + how
		}
		if l.offset >= 0 {
			at = l.offset
		}
		out = append(out, layer{string(b), at, l.depth + 1, how})
	}
	if b := unescapeHex(s); b != nil {
		add(b, bytes.Index(s, []byte(`\x`)), "hex")
	}
	for i := 0; len(out) < 8; {
		start, end, ok := run(s, i, minBase64, &base64Byte)
		if !ok {
			break
		}
		i = end
		if b := plainHex(s[start:i]); b != nil {
			add(b, start, "hex")
		} else if b := plainBase64(joinLines(s, start, &i)); b != nil {
			add(b, start, "base64")
		}
	}
	return out
}

// joinLines adds the lines that continue a wrapped base64 text.
func joinLines(s []byte, start int, end *int) []byte {
	run := s[start:*end]
	if len(run) < 60 || len(run) > 78 {
		return run
	}
	var b bytes.Buffer
	b.Write(run)
	i := *end
	for i < len(s) && (s[i] == '\n' || s[i] == '\r') && b.Len() < 2*maxDecoded {
		k := i
		for k < len(s) && (s[k] == '\n' || s[k] == '\r') {
			k++
		}
		from := k
		for k < len(s) && base64Byte[s[k]] {
			k++
		}
		if k == from {
			break
		}
		b.Write(s[from:k])
		i = k
		if k-from != len(run) {
			break
		}
	}
	*end = i
	return b.Bytes()
}

func plainBase64(run []byte) []byte {
	run = run[:min(len(run), 2*maxDecoded)]
	enc := base64.RawStdEncoding
	if bytes.ContainsAny(run, "-_") {
		if bytes.ContainsAny(run, "+/") {
			return nil
		}
		enc = base64.RawURLEncoding
	}
	if len(run)%4 == 1 {
		run = run[:len(run)-1]
	}
	b := make([]byte, enc.DecodedLen(len(run)))
	n, err := enc.Decode(b, run)
	if err != nil {
		return nil
	}
	return b[:n]
}

func plainHex(run []byte) []byte {
	if len(run) < minHexRun || len(run)%2 != 0 {
		return nil
	}
	run = run[:min(len(run), 2*maxDecoded)]
	for _, c := range run {
		if !digit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
			return nil
		}
	}
	b := make([]byte, len(run)/2)
	_, _ = hex.Decode(b, run) // pairs of digits of hexadecimal, all of them
	return b
}

// unescapeHex replaces \xNN and adds, on lines of their own, the runs that were written so throughout; nil when there are fewer than eight.
func unescapeHex(s []byte) []byte {
	if bytes.Count(s, []byte(`\x`)) < 8 {
		return nil
	}
	s = s[:min(len(s), 4*maxDecoded)]
	whole := make([]byte, 0, len(s))
	var runs []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' {
			var b [1]byte
			if _, err := hex.Decode(b[:], s[i+2:i+4]); err == nil {
				whole, runs = append(whole, b[0]), append(runs, b[0])
				i += 3
				continue
			}
		}
		whole = append(whole, s[i])
		if len(runs) > 0 && runs[len(runs)-1] != '\n' {
			runs = append(runs, '\n')
		}
	}
	return append(append(whole, '\n'), runs...)
}

// inflate unpacks gzip and zlib, up to maxDecoded bytes.
func inflate(b []byte) ([]byte, string) {
	var r io.Reader
	var err error
	name := ""
	switch {
	case bytes.HasPrefix(b, []byte{0x1F, 0x8B}):
		name = "gzip"
		r, err = gzip.NewReader(bytes.NewReader(b))
	case len(b) > 2 && b[0] == 0x78 && (b[1] == 0x01 || b[1] == 0x9C || b[1] == 0xDA):
		name = "zlib"
		r, err = zlib.NewReader(bytes.NewReader(b))
	default:
		return b, ""
	}
	if err != nil {
		return b, ""
	}
	out, _ := io.ReadAll(io.LimitReader(r, maxDecoded)) // a stream cut short still shows its beginning
	return out, name
}

// printable tells whether bytes are text: chance runs of letters do not decode to it.
func printable(b []byte) bool {
	if len(b) < 12 || !utf8.Valid(b[:len(b)-min(3, len(b)-1)]) {
		return false
	}
	bad := 0
	for _, c := range b {
		if c < 0x20 && c != '\n' && c != '\t' && c != '\r' || c == 0x7F {
			bad++
		}
	}
	return bad*50 <= len(b)
}
