package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/deminer/deminer"
)

// Limits of one entry, in and out: a decoder takes no more than an encoder gives.
const (
	maxText  = 4096 // bytes of one text
	maxArgs  = 2048 // bytes of arguments in all
	maxWords = 512  // arguments
	maxAddrs = 16
	maxClock = 1 << 42 // milliseconds
)

var errEntry = errors.New("not an entry")

// coder writes and reads entries by the same list of fields, so that the two cannot differ. Each entry begins with a set of
// bits that says which fields follow. Times and clocks are differences to the entry before.
type coder struct {
	write bool
	buf   []byte // written so far, or not read yet
	mask  uint64
	bit   uint
	err   error

	time, clock int64 // of the entry before: microseconds, milliseconds
}

// add appends an entry to buf.
func (c *coder) add(buf []byte, e *Entry) []byte {
	c.write, c.mask, c.bit = true, 0, 0
	c.buf = c.buf[:0]
	c.fields(e)
	return append(binary.AppendUvarint(buf, c.mask), c.buf...)
}

// next reads one entry and gives what is left.
func (c *coder) next(buf []byte, e *Entry) ([]byte, error) {
	*e = Entry{}
	c.write, c.bit, c.err, c.buf = false, 0, nil, buf
	c.mask = c.uint()
	c.fields(e)
	if c.err == nil && c.mask>>c.bit != 0 {
		c.err = fmt.Errorf("%w: fields that nobody knows", errEntry)
	}
	return c.buf, c.err
}

// fields is the format. New fields come last; none is ever taken out.
func (c *coder) fields(e *Entry) {
	text(c, &e.Kind)
	c.when(&e.Time, &c.time)
	c.ticks(&e.Clock)
	text(c, &e.Sensor)
	c.id(&e.Proc)
	parent := e.ParentID()
	c.id(&parent)
	e.Parent, e.ParentStart = parent.PID, parent.Start
	text(c, &e.Exe)
	c.flag(&e.ExeCut)
	c.flag(&e.Deleted)
	c.flag(&e.Memfd)
	list(c, &e.Argv, maxWords)
	c.flag(&e.ArgvCut)
	text(c, &e.Comm)
	small(c, &e.UID)
	small(c, &e.EUID)
	text(c, &e.Unit)
	text(c, &e.Container)
	text(c, &e.Proto)
	text(c, &e.Local)
	text(c, &e.Remote)
	c.flag(&e.Sent)
	c.flag(&e.Inbound)
	text(c, &e.Op)
	text(c, &e.Path)
	small(c, &e.Target)
	text(c, &e.Name)
	small(c, &e.Code)
	small(c, &e.ToUID)
	small(c, &e.ToEUID)
	c.flag(&e.Denied)
	small(c, &e.Count)
	base := c.time
	c.when(&e.Last, &base)
	small(c, &e.CPU)
	list(c, &e.Addrs, maxAddrs)
	c.alert(e)
}

func (c *coder) alert(e *Entry) {
	if !c.has(e.Alert != nil) {
		return
	}
	if e.Alert == nil {
		e.Alert = &Alert{}
	}
	a := e.Alert
	for _, s := range []*string{&a.ID, &a.Incident, &a.Rule, &a.Grade, &a.Text, &a.Done} {
		text(c, s)
	}
}

// has settles whether the next field is there.
func (c *coder) has(set bool) bool {
	bit := uint64(1) << c.bit
	c.bit++
	if !c.write {
		return c.err == nil && c.mask&bit != 0
	}
	if set {
		c.mask |= bit
	}
	return set
}

func (c *coder) flag(b *bool) { *b = c.has(*b) }

func (c *coder) uint() uint64 {
	n, used := binary.Uvarint(c.buf)
	if used <= 0 {
		c.err, c.buf = fmt.Errorf("%w: a number is cut", errEntry), nil
		return 0
	}
	c.buf = c.buf[used:]
	return n
}

func zig(n int64) uint64   { return uint64(n<<1) ^ uint64(n>>63) }
func unzig(n uint64) int64 { return int64(n>>1) ^ -int64(n&1) }

func small[N ~int | ~int64 | ~uint32 | ~uint64](c *coder, n *N) {
	switch {
	case !c.has(*n != 0):
	case c.write:
		c.buf = binary.AppendUvarint(c.buf, zig(int64(*n)))
	default:
		*n = N(unzig(c.uint()))
	}
}

func (c *coder) id(p *deminer.ProcID) {
	small(c, &p.PID)
	small(c, &p.Start)
}

// when keeps a time as the difference to base, in microseconds, and makes it the next base.
func (c *coder) when(t *time.Time, base *int64) {
	switch {
	case !c.has(!t.IsZero()):
		return
	case c.write:
		now := t.UnixMicro()
		c.buf = binary.AppendUvarint(c.buf, zig(now-*base))
		*base = now
	default:
		*base += unzig(c.uint())
		*t = time.UnixMicro(*base).UTC()
	}
}

// ticks keeps a clock that never runs back, in milliseconds.
func (c *coder) ticks(d *time.Duration) {
	now := max(d.Milliseconds(), c.clock)
	switch {
	case !c.has(now != c.clock):
		now = c.clock
	case c.write:
		c.buf = binary.AppendUvarint(c.buf, uint64(now-c.clock))
	default:
		more := c.uint()
		if now = c.clock + int64(min(more, maxClock)); now > maxClock {
			c.err, now = fmt.Errorf("%w: a clock of %d years", errEntry, now/(365*24*3600*1000)), c.clock
		}
	}
	c.clock = now
	*d = time.Duration(now) * time.Millisecond
}

func text[S ~string](c *coder, s *S) {
	if !c.has(*s != "") {
		return
	}
	word(c, s)
}

// word is a text that is there.
func word[S ~string](c *coder, s *S) {
	if c.write {
		t := (*s)[:min(len(*s), maxText)]
		c.buf = append(binary.AppendUvarint(c.buf, uint64(len(t))), t...)
		return
	}
	n := c.uint()
	if n > maxText || n > uint64(len(c.buf)) {
		c.err, c.buf = fmt.Errorf("%w: a text of %d bytes where %d are left", errEntry, n, len(c.buf)), nil
		return
	}
	*s = S(c.buf[:n])
	c.buf = c.buf[n:]
}

func list[S ~string](c *coder, words *[]S, limit int) {
	if !c.has(len(*words) > 0) {
		return
	}
	if c.write {
		some := (*words)[:min(len(*words), limit)]
		c.buf = binary.AppendUvarint(c.buf, uint64(len(some)))
		for i := range some {
			word(c, &some[i])
		}
		return
	}
	n := c.uint()
	if n > uint64(limit) {
		c.err = fmt.Errorf("%w: a list of %d words", errEntry, n)
	}
	for range n {
		var w S
		if word(c, &w); c.err != nil {
			return
		}
		*words = append(*words, w)
	}
}
