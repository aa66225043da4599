package history

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/deminer/deminer/internal/state"
)

// open takes the lock and finds out where the history stands.
func (d *disk) open(dir *os.Root, opt *Options) (err error) {
	d.dir, d.opt = dir, opt
	defer func() {
		if err != nil {
			err = fmt.Errorf("open history: %w", errors.Join(err, d.close()))
		}
	}()
	if err := d.hold(); err != nil {
		return err
	}
	if d.pack, err = newPacker(); err != nil {
		return err
	}
	was, known, err := d.openHead()
	if err != nil {
		return err
	}
	end, err := readTail(dir)
	hasTail := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.fault("%w", err)
	}
	fresh, err := d.openSegments(&was, known, &end)
	if err != nil {
		return err
	}
	if known && was.Block > d.begin.Block { // what is missing stays named: the next segment does not fit
		d.fault("blocks %d to %d are missing", d.begin.Block, was.Block-1)
		d.begin.Block, d.begin.Prev, fresh = was.Block, was.Prev, true
	} else if known && was.Block == d.begin.Block && was.Prev != d.begin.Prev {
		d.fault("block %d is not the one that the head tells of", d.begin.Block-1)
	}
	if !known && (d.begin.Block > 1 || end.frames > 0) { // else it was begun, and nothing kept yet
		d.fault("the head is missing or not right: how far the history went is not known")
	}
	if fresh {
		if err := d.newSegment(d.nextSegment(&was), d.begin.Block, d.begin.Prev); err != nil {
			return err
		}
	}
	return d.openTail(&end, hasTail, &was, known)
}

func (d *disk) fault(format string, a ...any) {
	d.faults = append(d.faults, fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, a...)...))
}

func (d *disk) hold() error {
	if d.opt.Lock == nil {
		return nil
	}
	if err := state.Regular(d.dir, "lock", 1<<20); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := d.dir.OpenFile("lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	d.lock = f
	return d.opt.Lock(f)
}

// openHead reads the head and opens it for writing; known is false where there was none.
func (d *disk) openHead() (was head, known bool, err error) {
	was, known, err = readHead(d.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return was, false, err
	}
	f, err := d.dir.OpenFile(headName, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return was, false, err
	}
	d.head, d.turn = d.opt.Wrap(headName, f), was.Turn
	if err := d.head.Truncate(2 * slotSize); err != nil {
		return was, false, err
	}
	return was, known, nil
}

func (d *disk) nextSegment(was *head) uint64 {
	if n := len(d.list); n > 0 {
		return d.list[n-1].Number + 1
	}
	return was.Floor + 1
}

// openSegments reads the beginnings of the segments and the headers of the last one, to which it cuts off what a crash left half
// written. fresh: what comes must go into a new segment.
func (d *disk) openSegments(was *head, known bool, end *tail) (fresh bool, err error) {
	list, err := segments(d.dir)
	if err != nil {
		return false, err
	}
	d.begin = tailBegin{tailMagic, 1, 1, sum{}}
	r := Read(d.dir)
	for i, n := range list {
		last := i == len(list)-1
		if known && n < was.Floor || last && d.unborn(n) { // it had to go, or was never begun
			if err := d.dir.Remove(segName(n)); err != nil {
				return false, err
			}
			continue
		}
		p, fault := d.openSegment(r, n, end)
		d.list = append(d.list, p)
		fresh = fault != nil
		if fault != nil {
			d.fault("segment %d: %w", n, fault)
		}
	}
	if len(d.list) == 0 {
		return true, nil
	}
	if known && d.list[0].Number > was.Floor {
		d.fault("segments %d to %d are missing", was.Floor, d.list[0].Number-1)
	}
	d.floorBlock.Store(d.list[0].Block)
	if fresh {
		return true, nil
	}
	f, err := d.dir.OpenFile(segName(d.list[len(d.list)-1].Number), os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	d.seg = d.opt.Wrap(segName(d.list[len(d.list)-1].Number), f)
	return false, nil
}

func (d *disk) unborn(n uint64) bool {
	st, err := d.dir.Lstat(segName(n))
	return err == nil && st.Size() < segHeader
}

// openSegment reads the headers of a segment, and sets where the history stands after it.
func (d *disk) openSegment(r *Reader, n uint64, end *tail) (p piece, fault error) {
	p = piece{segment: segment{Number: n, Block: d.begin.Block, Prev: d.begin.Prev}}
	f, err := r.open(n)
	if err != nil {
		return p, err
	}
	defer f.Close()
	begin, blocks, size, err := r.hop(f)
	if p.size = size; size > 0 {
		p.segment = begin
		d.begin.Block, d.begin.Prev = begin.Block, begin.Prev
	}
	if len(blocks) > 0 {
		last := &blocks[len(blocks)-1]
		p.clock = blocks[0].Clock
		d.begin = tailBegin{tailMagic, last.Number + 1, last.First + uint64(last.Count), last.Sum}
		d.clock, d.seq = last.Clock, d.begin.First-1
	}
	if err != nil && size > 0 && end.good > 0 && end.begin.Block == d.begin.Block && end.begin.Prev == d.begin.Prev {
		return p, d.cut(n, size) // the block was being written: all of it is in the tail
	}
	return p, err
}

func (d *disk) cut(n uint64, size int64) error {
	f, err := d.dir.OpenFile(segName(n), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Sync(), f.Close())
}

// openTail goes on with the tail, or begins one.
func (d *disk) openTail(end *tail, ok bool, was *head, known bool) error {
	same := known && was.Block == d.begin.Block // the head tells of this tail
	fits := ok && end.begin.Block == d.begin.Block && end.begin.Prev == d.begin.Prev
	switch {
	case same && !fits:
		d.fault("the tail is missing or does not follow block %d", d.begin.Block-1)
	case same && end.frames < was.Frames:
		d.fault("the tail: %d of its %d pieces are missing", was.Frames-end.frames, was.Frames)
	case same && end.sums[was.Frames] != was.Tail:
		d.fault("the tail is not the one that the head tells of")
	case ok && !fits && end.begin.Block >= d.begin.Block:
		d.fault("the tail does not follow block %d", d.begin.Block-1)
	}
	if fits {
		if err := d.resume(end); err == nil {
			return nil
		}
		d.fault("the tail holds what is no entry")
	}
	if known && was.Seq > d.seq {
		d.seq = was.Seq
	}
	d.begin.Magic, d.begin.First = tailMagic, d.seq+1
	return d.newTail()
}

// resume takes the tail as it is, without what is torn.
func (d *disk) resume(end *tail) error {
	var c coder
	var e Entry
	count, clock := uint64(0), d.clock
	for rest, err := end.raw, error(nil); len(rest) > 0; count++ {
		if rest, err = c.next(rest, &e); err != nil {
			return err
		}
		clock = e.Clock.Milliseconds()
	}
	f, err := d.dir.OpenFile(tailName, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	d.tail = d.opt.Wrap(tailName, f)
	if end.torn {
		if err := errors.Join(d.tail.Truncate(end.good), d.tail.Sync()); err != nil {
			return err
		}
	}
	d.begin, d.raw, d.coder = end.begin, end.raw, c
	d.good, d.frames, d.sum = end.good, end.frames, end.sum
	d.seq, d.clock = end.begin.First+count-1, clock
	return d.writeHead(true)
}

func (d *disk) close() error {
	var out []error
	for _, f := range []File{d.seg, d.tail, d.head} {
		if f != nil {
			out = append(out, f.Close())
		}
	}
	if d.lock != nil {
		out = append(out, d.lock.Close())
	}
	if d.pack.z != nil {
		out = append(out, d.pack.z.Close())
	}
	return errors.Join(out...)
}
