package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Check reads all of the history and names what is not as it was written. Nil: every entry is what it was, none is missing
// between the oldest and the last one the head tells of.
func (r *Reader) Check() error {
	for try := 0; ; try++ {
		before, _, _ := readHead(r.dir)
		err := r.check()
		after, _, _ := readHead(r.dir)
		if err == nil || before.Floor == after.Floor || try == 3 { // else what is oldest went while it was read
			return err
		}
	}
}

func (r *Reader) check() error {
	was, known, err := readHead(r.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: the head: %w", ErrDamaged, err)
	}
	c := chain{Reader: r}
	if end, err := r.tail(); err != nil {
		c.fault("%w", err)
	} else {
		c.end = end
	}
	list, err := segments(r.dir)
	if err != nil {
		return err
	}
	for len(list) > 0 && known && list[0] < was.Floor {
		list = list[1:]
	}
	if known && len(list) == 0 {
		c.fault("all segments are missing")
	}
	c.was, c.known = was, known
	if known {
		c.next, c.prev = was.Floor, was.FloorPrev
	} else if len(list) > 0 {
		c.next = list[0]
	}
	for i, n := range list {
		c.segment(n, i == 0 && !known, i == len(list)-1)
	}
	c.last()
	return errors.Join(c.faults...)
}

// chain follows the sums from the oldest block to the head.
type chain struct {
	*Reader
	end    *tail
	was    head
	known  bool
	next   uint64 // number of the segment that must come
	block  uint64 // number of the block that must come; 0: any
	prev   sum
	seen   bool // the block that the head's tail follows was met
	faults []error
}

func (c *chain) fault(format string, a ...any) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, a...)...))
	}
}

func (c *chain) segment(n uint64, any, last bool) {
	if n != c.next {
		c.fault("segments %d to %d are missing", c.next, n-1)
	}
	c.next = n + 1
	f, err := c.open(n)
	if err != nil {
		c.fault("segment %d: %w", n, err)
		return
	}
	defer f.Close()
	begin, blocks, size, err := c.hop(f)
	torn := last && c.end != nil && size > 0 && c.end.begin.Block == begin.Block+uint64(len(blocks)) // it is being written, or was when the power went
	if err != nil && !torn {
		c.fault("segment %d: %w", n, err)
	}
	if size == 0 {
		return
	}
	if begin.Number != n {
		c.fault("segment %d was segment %d", n, begin.Number)
	}
	if !any && (begin.Prev != c.prev || c.block != 0 && begin.Block != c.block) {
		c.fault("segment %d does not follow the one before", n)
	}
	c.block, c.prev = begin.Block, begin.Prev
	c.met()
	for i := range blocks {
		c.entries(f, n, &blocks[i])
		c.block, c.prev = blocks[i].Number+1, blocks[i].Sum
		c.met()
	}
}

// met notes that the place was passed at which the head stood.
func (c *chain) met() {
	if c.known && c.block == c.was.Block {
		c.seen = true
		if c.prev != c.was.Prev {
			c.fault("block %d is not the one that the head tells of", c.block-1)
		}
	}
}

// entries reads a block whole, with its index.
func (c *chain) entries(f io.ReaderAt, n uint64, s *spot) {
	raw, err := c.Reader.block(f, s, &Filter{}, nil)
	if err == nil {
		_, err = c.index(f, s)
	}
	count := uint32(0)
	if err == nil {
		err = entries(raw, s.First, func(*Entry) bool { count++; return true })
	}
	if err == nil && count != s.Count {
		err = fmt.Errorf("block %d has %d entries where it had %d", s.Number, count, s.Count)
	}
	if err != nil {
		c.fault("segment %d: %w", n, err)
	}
}

// last compares the end with the head.
func (c *chain) last() {
	t := c.end
	fits := t != nil && t.begin.Block == c.block && t.begin.Prev == c.prev
	switch {
	case !c.known && (c.block > 1 || t != nil && t.frames > 0):
		c.fault("the head is missing or not right: how far the history went is not known")
	case c.known && !c.seen && c.block != 0:
		c.fault("blocks %d to %d are missing", c.block, c.was.Block-1)
	case t != nil && t.begin.Block >= c.block && !fits && c.block != 0:
		c.fault("the tail does not follow block %d", c.block-1)
	case c.known && c.was.Block == c.block && !fits:
		c.fault("the tail is missing or does not follow block %d", c.block-1)
	case c.known && c.was.Block == c.block:
		if err := c.was.misses(t); err != nil {
			c.fault("%w", err)
		}
	}
	if fits {
		if err := entries(t.raw, t.begin.First, func(*Entry) bool { return true }); err != nil {
			c.fault("the tail: %w", err)
		}
	}
}
