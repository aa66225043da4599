package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzPrettyJSON: the result is what json.Indent gives, and means the same.
func FuzzPrettyJSON(f *testing.F) {
	for _, s := range []string{`{}`, `[]`, `{"a":[],"b":{},"c":[1,-2.5e3,null,true],"d":{"e":["x\\\"y","[{,:}]"]}}`, `"\u202e and é"`, `[[[]],[{}]]`, `""`, `7`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var compact, want, got bytes.Buffer
		if json.Compact(&compact, []byte(s)) != nil || json.Indent(&want, compact.Bytes(), "", " ") != nil {
			return
		}
		p := prettyJSON{w: bufio.NewWriter(&got)}
		n, err := p.Write(compact.Bytes())
		if err != nil || n != compact.Len() || p.w.Flush() != nil || p.depth != 0 {
			t.Fatal(n, err, p.depth)
		}
		if strings.IndexFunc(s, func(c rune) bool { return c >= 0x7f }) < 0 && got.String() != want.String() {
			t.Fatalf("got %s\nwant %s", got.String(), want.String())
		}
		var a, b any
		if json.Unmarshal(want.Bytes(), &a) == nil && json.Unmarshal(got.Bytes(), &b) != nil {
			t.Fatalf("not JSON: %s", got.String())
		}
		if x, y := encoded(t, a), encoded(t, b); x != y {
			t.Fatalf("%s means something else than %s", y, x)
		}
	})
}

func encoded(t *testing.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
