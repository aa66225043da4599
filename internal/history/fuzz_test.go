package history

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/google/go-cmp/cmp"
)

// full is an entry with all fields set, so that none is forgotten by the coder.
func everything(t testing.TB) Entry {
	t.Helper()
	var e Entry
	var fill func(v reflect.Value)
	n := 0
	fill = func(v reflect.Value) {
		n++
		switch v.Kind() {
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[time.Time]() {
				v.Set(reflect.ValueOf(time.UnixMicro(int64(1e15 + n)).UTC()))
				return
			}
			for i := range v.NumField() {
				fill(v.Field(i))
			}
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem())
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			fill(v.Index(0))
			fill(v.Index(1))
		case reflect.String:
			v.SetString("\xff\x00text" + string(rune('a'+n%26)))
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Int, reflect.Int64:
			v.SetInt(int64(n))
		case reflect.Uint32, reflect.Uint64:
			v.SetUint(uint64(n))
		default:
			t.Fatalf("nothing for %s", v.Type())
		}
	}
	fill(reflect.ValueOf(&e).Elem())
	e.Clock = 77 * time.Millisecond
	e.Data, e.DataCut, e.Piece, e.File = "", false, 0, deminer.FileID{} // not kept
	return e
}

func TestCoder(t *testing.T) {
	want := []Entry{everything(t), {Event: deminer.Event{Kind: deminer.EventExec, Proc: deminer.ProcID{PID: 4194304, Start: 1<<64 - 1}, Code: -1 << 63}}, everything(t)}
	want[1].Clock, want[2].Clock = want[0].Clock, want[0].Clock
	var c coder
	var raw []byte
	for i := range want {
		raw = c.add(raw, &want[i])
	}
	i := 0
	err := entries(raw, want[0].Seq, func(e *Entry) bool {
		want[i].Seq = e.Seq
		if diff := cmp.Diff(want[i], *e); diff != "" {
			t.Error(diff)
		}
		i++
		return true
	})
	if err != nil || i != len(want) {
		t.Errorf("%d entries, %v", i, err)
	}
}

// FuzzEntries: whatever is read is read within limits, and what was understood is written the same way again.
func FuzzEntries(f *testing.F) {
	var c coder
	e := everything(f)
	f.Add(c.add(nil, &e))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var c coder
		var again []byte
		var list []Entry
		if entries(b, 1, func(e *Entry) bool {
			list = append(list, *e)
			again = c.add(again, e)
			return true
		}) != nil {
			return
		}
		i := 0
		err := entries(again, 1, func(e *Entry) bool {
			if diff := cmp.Diff(list[i], *e); diff != "" {
				t.Error(diff)
			}
			i++
			return true
		})
		if err != nil || i != len(list) {
			t.Errorf("%d of %d entries, %v", i, len(list), err)
		}
	})
}

// FuzzFiles: no tail and no segment, however made, is read without limits or taken for right.
func FuzzFiles(f *testing.F) {
	begin := encode(&tailBegin{Magic: tailMagic, Block: 1, First: 1})
	s := segment{Magic: segMagic, Number: 1, Block: 1}
	e := everything(f)
	var c coder
	raw := c.add(nil, &e)
	p, err := newPacker()
	if err != nil {
		f.Fatal(err)
	}
	block, _, err := p.seal(raw, 1, 1, sum{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(begin, 5, 0, 0, 0), append(s.bytes(), block...))
	f.Fuzz(func(t *testing.T, end, seg []byte) {
		_, _ = parseTail(end)
		var r Reader
		file := bytes.NewReader(seg)
		_, blocks, _, _ := r.hop(file)
		for i := range blocks {
			_, _ = r.block(file, &blocks[i], &Filter{PID: 1}, nil)
		}
	})
}

// FuzzAnswer: datagrams come from the network.
func FuzzAnswer(f *testing.F) {
	f.Add("\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x04pool\x07example\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x07")
	f.Fuzz(func(t *testing.T, s string) {
		if name, addrs, _ := answer(deminer.Raw(s)); len(name) > 512 || len(addrs) > maxAddrs {
			t.Errorf("%d bytes, %d addresses", len(name), len(addrs))
		}
	})
}
