package history

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/state"
)

// Reader reads a history, also one that is being written. It must not be used by two at a time.
type Reader struct {
	dir *os.Root
	// Bytes counts what was read of the disk.
	Bytes int64
}

// Read gives a reader of the history in dir.
func Read(dir *os.Root) *Reader { return &Reader{dir: dir} }

// spot is where a block is.
type spot struct {
	at int64
	header
}

// open opens a segment; what is no regular file is none.
func (r *Reader) open(n uint64) (*os.File, error) { return state.Open(r.dir, segName(n), maxSegFile) }

func (r *Reader) readAt(f io.ReaderAt, b []byte, at int64) error {
	n, err := f.ReadAt(b, at)
	r.Bytes += int64(n)
	if errors.Is(err, io.EOF) && n < len(b) {
		err = io.ErrUnexpectedEOF
	}
	if n == len(b) {
		err = nil
	}
	return err
}

// hop reads the beginning of a segment and the headers of its blocks, which must follow each other. With an error it still
// gives those before the fault, and end is where they end.
func (r *Reader) hop(f io.ReaderAt) (begin segment, out []spot, end int64, err error) {
	b := make([]byte, segHeader)
	if err := r.readAt(f, b, 0); err != nil {
		return begin, nil, 0, fmt.Errorf("its beginning: %w", err)
	}
	if begin, err = readSegment(b); err != nil {
		return begin, nil, 0, err
	}
	end = segHeader
	number, prev := begin.Block, begin.Prev
	b = make([]byte, headerSize)
	for {
		n, err := f.ReadAt(b, end)
		r.Bytes += int64(n)
		switch {
		case errors.Is(err, io.EOF) && n == 0:
			return begin, out, end, nil
		case n < headerSize:
			return begin, out, end, fmt.Errorf("block %d is cut", number)
		}
		h, err := readHeader(b)
		switch {
		case err != nil:
			return begin, out, end, fmt.Errorf("block %d: %w", number, err)
		case h.Number != number || h.Prev != prev:
			return begin, out, end, fmt.Errorf("block %d stands where block %d should follow", h.Number, number)
		case r.readAt(f, make([]byte, 1), end+h.size()-1) != nil:
			return begin, out, end, fmt.Errorf("block %d is cut", number)
		}
		out = append(out, spot{end, h})
		end += h.size()
		number, prev = number+1, h.Sum
	}
}

// block gives the entries of a block in which what is wanted may be; nil where it surely is not.
func (r *Reader) block(f io.ReaderAt, s *spot, want *Filter, keys []key) ([]byte, error) {
	if !want.Since.IsZero() && s.Until < want.Since.UnixMicro() || !want.Until.IsZero() && s.Begins >= want.Until.UnixMicro() {
		return nil, nil
	}
	if len(keys) > 0 || len(want.Kinds) > 0 {
		index, err := r.index(f, s)
		if err != nil || !want.may(index, keys) {
			return nil, err
		}
	}
	packed := make([]byte, s.Packed)
	if err := r.readAt(f, packed, s.at+headerSize+int64(s.Index)); err != nil {
		return nil, fmt.Errorf("block %d: %w", s.Number, err)
	}
	raw, err := s.unpack(packed)
	if err != nil {
		return nil, fmt.Errorf("block %d: %w", s.Number, err)
	}
	return raw, nil
}

func (r *Reader) index(f io.ReaderAt, s *spot) ([]byte, error) {
	index := make([]byte, s.Index)
	if err := r.readAt(f, index, s.at+headerSize); err != nil {
		return nil, fmt.Errorf("block %d: its index: %w", s.Number, err)
	}
	if sha256.Sum256(index) != s.IndexSum {
		return nil, fmt.Errorf("block %d: its index was changed", s.Number)
	}
	return index, nil
}

// errEnough ends a walk.
var errEnough = errors.New("enough")

// walk gives the blocks that may hold what is wanted, from the oldest or from the newest on, until see answers errEnough. What
// is damaged is named in the error; the rest is given all the same.
func (r *Reader) walk(want *Filter, newest bool, see func(raw []byte, first uint64) error) error {
	// The head before the tail: what it tells of is in a tail that is read later.
	was, known, headFault := readHead(r.dir)
	r.Bytes += 2 * slotSize
	// The tail first: a block that it becomes meanwhile is then in a segment, and is not given twice.
	end, tailFault := r.tail()
	list, err := segments(r.dir)
	if err != nil {
		return err
	}
	last := uint64(0)
	if newest {
		slices.Reverse(list)
	}
	w := walker{Reader: r, want: want, keys: want.keys(), newest: newest, see: see, list: list}
	switch {
	case tailFault != nil:
	case headFault != nil && !errors.Is(headFault, fs.ErrNotExist):
		tailFault = fmt.Errorf("the head: %w", headFault)
	case known:
		tailFault = was.misses(end)
	case end != nil && end.frames > 0:
		tailFault = errors.New("the head is missing or not right: how far the history went is not known")
	}
	if tailFault != nil {
		w.fault(tailFault)
	}
	if newest && len(list) > 0 {
		if last, err = r.lastBlock(list[0]); err != nil {
			last = 0 // its fault is named below
		}
	}
	if newest {
		w.tail(end, last)
	}
	for i := range list {
		if w.enough {
			break
		}
		last = max(last, w.segment(i))
	}
	if !newest {
		w.tail(end, last)
	}
	if len(w.faults) > 0 {
		return fmt.Errorf("%w: %w", ErrDamaged, errors.Join(w.faults...))
	}
	return nil
}

func (r *Reader) tail() (*tail, error) {
	t, err := readTail(r.dir)
	r.Bytes += t.good
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &t, nil
}

func (r *Reader) lastBlock(n uint64) (uint64, error) {
	f, err := r.open(n)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	begin, blocks, _, err := r.hop(f)
	if len(blocks) == 0 {
		return begin.Block - 1, err
	}
	return blocks[len(blocks)-1].Number, err
}

type walker struct {
	*Reader
	want   *Filter
	keys   []key
	newest bool
	see    func([]byte, uint64) error
	list   []uint64
	faults []error
	enough bool
}

func (w *walker) give(raw []byte, first uint64) {
	if err := w.see(raw, first); errors.Is(err, errEnough) {
		w.enough = true
	} else if err != nil {
		w.fault(err)
	}
}

// maxFaults is how many faults are named; more say nothing new.
const maxFaults = 20

func (w *walker) fault(err error) {
	if len(w.faults) < maxFaults {
		w.faults = append(w.faults, err)
	}
}

// tail gives the entries that make no block yet.
func (w *walker) tail(t *tail, last uint64) {
	if t != nil && !w.enough && t.begin.Block > last && len(t.raw) > 0 {
		w.give(t.raw, t.begin.First)
	}
}

// segment gives the blocks of one segment, and the number of its last one.
func (w *walker) segment(i int) (last uint64) {
	n := w.list[i]
	f, err := w.open(n)
	oldest := i == 0 && !w.newest || i == len(w.list)-1 && w.newest
	if errors.Is(err, fs.ErrNotExist) && oldest {
		return 0 // it was the oldest and had to go meanwhile
	}
	if err != nil {
		w.fault(fmt.Errorf("segment %d: %w", n, err))
		return 0
	}
	defer f.Close()
	_, blocks, _, err := w.hop(f)
	growing := i == len(w.list)-1 && !w.newest || i == 0 && w.newest
	if err != nil && !growing { // what is written right now may be half there
		w.fault(fmt.Errorf("segment %d: %w", n, err))
	}
	if len(blocks) > 0 {
		last = blocks[len(blocks)-1].Number
	}
	if w.newest {
		slices.Reverse(blocks)
	}
	for i := range blocks {
		raw, err := w.block(f, &blocks[i], w.want, w.keys)
		if err != nil {
			w.fault(fmt.Errorf("segment %d: %w", n, err))
		} else if raw != nil {
			w.give(raw, blocks[i].First)
		}
		if w.enough {
			return last
		}
	}
	return last
}

// Query gives what is wanted, in the order in which it came, until see has enough. An error that is [ErrDamaged] names what is
// not as it was written; all else was given.
func (r *Reader) Query(want Filter, see func(Entry) bool) error {
	return r.walk(&want, false, func(raw []byte, first uint64) error {
		more := true
		err := entries(raw, first, func(e *Entry) bool {
			if want.wants(e) {
				more = see(*e)
			}
			return more
		})
		if err == nil && !more {
			err = errEnough
		}
		return err
	})
}

// maxLineage bounds a lineage: what is deeper is no way of a process to come into being.
const maxLineage = 64

// Lineage gives a process and those it descends from, itself first, each by the latest entry that says what it was when it made
// the next one. It ends where the history knows no more. An error that is [ErrDamaged] names what is not as it was written.
func (r *Reader) Lineage(id deminer.ProcID) (out []Entry, err error) {
	before := ^uint64(0)
	for len(out) < maxLineage && id.PID > 0 {
		e, ok, fault := r.origin(id, before)
		if fault != nil {
			err = fault
		}
		if !ok || err != nil && !errors.Is(err, ErrDamaged) {
			return out, err
		}
		out = append(out, e)
		if e.Parent == id.PID {
			break
		}
		id, before = e.ParentID(), e.Seq
	}
	return out, err
}

// origin finds the last entry before a place in the history that says what a process was. A Start of 0 stands for the last
// process of that number.
func (r *Reader) origin(id deminer.ProcID, before uint64) (out Entry, ok bool, err error) {
	want := Filter{Proc: id, Kinds: []deminer.EventKind{deminer.EventExec, deminer.EventFork, KindProcess}}
	if id.Start == 0 {
		want.Proc, want.PID = deminer.ProcID{}, id.PID
	}
	err = r.walk(&want, true, func(raw []byte, first uint64) error {
		err := entries(raw, first, func(e *Entry) bool {
			if e.Seq < before && e.begins() && want.wants(e) {
				out, ok = *e, true
			}
			return e.Seq < before
		})
		if ok {
			return errEnough
		}
		return err
	})
	return out, ok, err
}

// Query gives what is wanted of a history that is being kept, with what was put last; see [Reader.Query]. see must not put.
func (s *Store) Query(want Filter, see func(Entry) bool) error {
	_ = s.Flush() // what cannot be written is not found, and State tells so
	return Read(s.dir).Query(want, see)
}

// Lineage tells where a process comes from; see [Reader.Lineage].
func (s *Store) Lineage(id deminer.ProcID) ([]Entry, error) {
	_ = s.Flush() // as above
	return Read(s.dir).Lineage(id)
}

// Check reads all; see [Reader.Check].
func (s *Store) Check() error {
	_ = s.Flush() // as above
	return Read(s.dir).Check()
}
