package history

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/deminer/deminer"
)

// disk is the writing half of a store: the files, and what is on its way into them.
type disk struct {
	mu  sync.Mutex
	dir *os.Root
	opt *Options

	lock *os.File
	pack packer
	list []piece // the segments, the oldest first; the last one grows

	seg  File
	tail File
	head File

	begin  tailBegin
	good   int64 // bytes of the tail
	frames uint64
	sum    sum
	raw    []byte // the entries in the tail
	coder  coder  // as it stands after them

	batch  []byte // on its way to the tail
	number uint64 // of entries in it
	seal   bool   // the tail is to become a block with this batch
	sealed bool   // it has, and a new tail is not begun yet

	turn  uint64
	seq   uint64 // of the last entry on disk
	clock int64  // of the same, milliseconds

	floorBlock atomic.Uint64 // number of the oldest block
	faults     []error
	err        error // why nothing can be written; nil: it can
	failed     uint64
}

// piece is a segment.
type piece struct {
	segment
	size  int64
	clock int64 // of the last entry of its first block, milliseconds; 0: it has no block
}

// Flush writes to disk what was put so far. After an error nothing is lost: the next call tries again.
func (s *Store) Flush() error {
	d := &s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.off != nil {
		return s.off
	}
	if d.seal || len(d.batch) > 0 { // what an error left
		if err := d.write(); err != nil {
			return err
		}
	}
	s.take()
	return d.write()
}

// take hands the buffer to the disk. If it fills a block, what comes after begins the next one.
func (s *Store) take() {
	d := &s.disk
	s.mu.Lock()
	defer s.mu.Unlock()
	d.batch, d.number = s.buffer, s.number
	s.buffer, s.number = nil, 0
	if d.seal = len(d.raw)+len(d.batch) >= d.sealAt(); d.seal {
		s.coder, s.coderAt = coder{}, d.begin.Block+1
	}
}

func (d *disk) sealAt() int { return int(min(sealAt, d.opt.Segment)) }

// write brings the batch into the tail, and the tail into a block if it is full.
func (d *disk) write() (err error) {
	defer func() {
		if d.err = err; err != nil {
			d.failed++
		}
	}()
	if len(d.batch) > 0 {
		if err := d.writeFrame(); err != nil {
			return err
		}
	}
	if d.seal {
		return d.writeBlock()
	}
	return nil
}

func (d *disk) writeFrame() error {
	b, s := frame(d.sum, d.batch)
	_, err := d.tail.WriteAt(b, d.good)
	if err == nil {
		err = d.tail.Sync()
	}
	if err != nil {
		return fmt.Errorf("write history: %w", errors.Join(err, d.tail.Truncate(d.good)))
	}
	d.raw = append(d.raw, d.batch...)
	d.good, d.sum = d.good+int64(len(b)), s
	d.frames, d.seq = d.frames+1, d.seq+d.number
	d.batch, d.number = nil, 0
	return d.writeHead(false)
}

// writeBlock makes a block of the tail, and begins a new tail.
func (d *disk) writeBlock() error {
	if !d.sealed {
		block, h, err := d.pack.seal(d.raw, d.begin.Block, d.begin.First, d.begin.Prev)
		if err != nil {
			return err
		}
		if err := d.addBlock(block, &h); err != nil {
			return err
		}
		d.begin = tailBegin{tailMagic, h.Number + 1, h.First + uint64(h.Count), h.Sum}
		d.clock, d.sealed = h.Clock, true
	}
	if err := d.newTail(); err != nil {
		return err
	}
	d.sealed, d.seal = false, false
	return d.shed()
}

func (d *disk) addBlock(block []byte, h *header) error {
	last := &d.list[len(d.list)-1]
	if last.size > segHeader && last.size+int64(len(block)) > d.opt.Segment {
		if err := d.newSegment(last.Number+1, h.Number, h.Prev); err != nil {
			return err
		}
		last = &d.list[len(d.list)-1]
	}
	_, err := d.seg.WriteAt(block, last.size)
	if err == nil {
		err = d.seg.Sync()
	}
	if err != nil {
		return fmt.Errorf("write history: %w", errors.Join(err, d.seg.Truncate(last.size)))
	}
	if last.size += int64(len(block)); last.clock == 0 {
		last.clock = h.Clock
	}
	return nil
}

func (d *disk) newSegment(number, block uint64, prev sum) error {
	s := segment{Magic: segMagic, Number: number, Block: block, Prev: prev}
	f, err := d.create(segName(number), s.bytes())
	if err != nil {
		return err
	}
	if d.seg != nil {
		_ = d.seg.Close() // synced after each block
	}
	d.seg = f
	d.list = append(d.list, piece{s, segHeader, 0})
	if len(d.list) == 1 {
		d.floorBlock.Store(block)
	}
	return nil
}

// create makes a file with this beginning, in place of one that a crash left.
func (d *disk) create(name string, begin []byte) (File, error) {
	f, err := d.dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write history: %w", err)
	}
	out := d.opt.Wrap(name, f)
	if _, err = out.WriteAt(begin, 0); err == nil {
		err = out.Sync()
	}
	if err == nil {
		err = syncDir(d.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("write history: %w", errors.Join(err, out.Close()))
	}
	return out, nil
}

func (d *disk) newTail() error {
	b := encode(&d.begin)
	f, err := d.create(tailNew, b)
	if err != nil {
		return err
	}
	if err := errors.Join(d.dir.Rename(tailNew, tailName), syncDir(d.dir)); err != nil {
		return fmt.Errorf("write history: %w", errors.Join(err, f.Close()))
	}
	if d.tail != nil {
		_ = d.tail.Close() // all of it is in a block
	}
	d.tail, d.raw, d.frames, d.good = f, nil, 0, int64(len(b))
	d.sum = sha256.Sum256(b)
	return d.writeHead(true)
}

// writeHead says how far the files have come. It is written through only when a tail begins: an older head is right, too.
func (d *disk) writeHead(through bool) error {
	d.turn++
	h := head{Turn: d.turn, Floor: d.list[0].Number, FloorPrev: d.list[0].Prev, Block: d.begin.Block, Prev: d.begin.Prev, Frames: d.frames, Tail: d.sum, Seq: d.seq, Clock: d.clock}
	_, err := d.head.WriteAt(h.bytes(), int64(d.turn%2)*slotSize)
	if err == nil && through {
		err = d.head.Sync()
	}
	if err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	return nil
}

// shed removes the oldest segments: those for which there is no room, and those that are old.
func (d *disk) shed() error {
	for len(d.list) > 1 && (d.size()+int64(d.sealAt()) > d.opt.Max || d.list[1].clock != 0 && d.clock-d.list[1].clock > d.opt.Age.Milliseconds()) {
		gone := d.list[0]
		d.list = d.list[1:]
		d.floorBlock.Store(d.list[0].Block)
		// The head first: a segment that it does not name any more is removed at the next start, one that is missing is a fault.
		if err := d.writeHead(true); err != nil {
			return err
		}
		if err := d.dir.Remove(segName(gone.Number)); err != nil {
			return fmt.Errorf("remove the oldest history: %w", err)
		}
	}
	return nil
}

func (d *disk) size() (n int64) {
	for _, p := range d.list {
		n += p.size
	}
	return n + d.good + 2*slotSize
}

// Head names the last block on disk: who keeps it elsewhere can tell later that the history was put in another's place.
type Head struct {
	Block uint64 `json:"block"`
	Sum   string `json:"sum"` // SHA-256 over the block and, through the one before, over all
}

// State is how a history stands.
type State struct {
	Segments int                          `json:"segments"`
	Bytes    int64                        `json:"bytes"`             // on disk
	Entries  uint64                       `json:"entries"`           // ever kept
	Kept     time.Duration                `json:"kept"`              // how long it has been kept in all
	Dropped  map[deminer.EventKind]uint64 `json:"dropped,omitempty"` // not kept since it was opened, for want of room or by the sensors
	Failed   string                       `json:"failed,omitempty"`  // why nothing can be written now; "" = it can
	Failures uint64                       `json:"failures,omitempty"`
	Head     Head                         `json:"head"`
}

// State tells how the history stands.
func (s *Store) State() State {
	d := &s.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := State{Segments: len(d.list), Bytes: d.size(), Entries: s.next - 1, Kept: s.base + s.opt.Mono(), Dropped: maps.Clone(s.drops.all), Failures: d.failed,
		Head: Head{d.begin.Block - 1, hex.EncodeToString(d.begin.Prev[:])}}
	if d.err != nil {
		out.Failed = d.err.Error()
	}
	return out
}

// Faults names what was found damaged when the history was opened.
func (s *Store) Faults() []error { return s.disk.faults }
