package link

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/state"
)

// Limits of the spool. What must not be lost may go twice as far.
const (
	maxSpoolSize  = 64 << 20 // bytes
	maxSpoolFiles = 20_000
	maxFile       = deminer.MaxBody + 64<<10
)

// ErrFull: the spool holds so much that must not be lost that nothing more goes in.
var ErrFull = errors.New("the spool is full: the server has been away for too long")

// spool keeps messages on disk until the server has written them down, one file each: put there as a whole, or not at all.
type spool struct {
	dir *os.Root

	mu    sync.Mutex
	list  []spooled // in the order in which they came
	size  int64
	next  uint64
	lost  int // that gave way
	files int // limits; tests make them small
	bytes int64
}

type spooled struct {
	seq  uint64
	kind deminer.MessageKind
	size int64
}

func (s spooled) name() string { return fmt.Sprintf("%016x.%s", s.seq, s.kind) }

// gives reports whether a message may give way to others, the less the earlier. Reports and plans can be asked for again.
func gives(kind deminer.MessageKind) (rank int, may bool) {
	switch kind {
	case deminer.MessageState, deminer.MessageVault, deminer.MessageBlocks:
		return 0, true
	case deminer.MessageReport:
		return 1, true
	case deminer.MessagePlan:
		return 2, true
	}
	return 0, false
}

// openSpool opens the spool in a directory. What a crash left half written is taken away: it was never promised to anybody.
func openSpool(dir *os.Root) (*spool, error) {
	s := &spool{dir: dir, next: 1, files: maxSpoolFiles, bytes: maxSpoolSize}
	all, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("read the spool: %w", err)
	}
	for _, e := range all {
		seq, kind, ok := strings.Cut(e.Name(), ".")
		n, err := strconv.ParseUint(seq, 16, 64)
		if !ok || err != nil || len(seq) != 16 || !slices.Contains(deminer.MessageKinds(), deminer.MessageKind(kind)) {
			if strings.HasSuffix(e.Name(), ".new") {
				err := dir.Remove(e.Name())
				if err != nil {
					return nil, fmt.Errorf("tidy the spool: %w", err)
				}
			}
			continue
		}
		st, err := e.Info()
		if err != nil || !st.Mode().IsRegular() {
			continue
		}
		s.list = append(s.list, spooled{n, deminer.MessageKind(kind), st.Size()})
		s.size += st.Size()
		s.next = max(s.next, n+1)
	}
	slices.SortFunc(s.list, func(a, b spooled) int { return int(min(1, max(-1, int64(a.seq-b.seq)))) })
	return s, nil
}

// put keeps a message. It is on disk when put returns.
func (s *spool) put(m deminer.Message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("spool a message: %w", err)
	}
	if len(text) > maxFile {
		return fmt.Errorf("spool a message: %w: it has %d bytes", deminer.ErrRefused, len(text))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.room(m.Kind, int64(len(text))); err != nil {
		return err
	}
	one := spooled{s.next, m.Kind, int64(len(text))}
	if err := state.Replace(s.dir, one.name(), text); err != nil {
		return fmt.Errorf("spool a message: %w", err)
	}
	s.next++
	s.list, s.size = append(s.list, one), s.size+one.size
	return nil
}

// room makes room for one more: what may give way does, the oldest first. s.mu is held.
func (s *spool) room(kind deminer.MessageKind, size int64) error {
	over := func(times int64) bool {
		return int64(len(s.list)) >= int64(s.files)*times || s.size+size > s.bytes*times
	}
	for over(1) {
		first, least := -1, 0
		for i, one := range s.list {
			if rank, may := gives(one.kind); may && (first < 0 || rank < least) {
				first, least = i, rank
			}
		}
		rank, may := gives(kind)
		if first < 0 || may && rank < least {
			if may || over(2) {
				return ErrFull
			}
			return nil
		}
		if err := s.removeAt(first); err != nil {
			return err
		}
		s.lost++
	}
	return nil
}

// passing reports whether a file could not be read for a reason that may go by: too many open files, a disk that does not answer. What is
// damaged, odd or not there stays so.
func passing(err error) bool {
	var disk *fs.PathError
	return errors.As(err, &disk) && !errors.Is(err, fs.ErrNotExist)
}

// read gives the message with the lowest number that is at least from; ok false: there is none, or, where seq is set, that one cannot be read
// now. One that was damaged after it was written is put aside.
func (s *spool) read(from uint64) (seq uint64, m deminer.Message, ok bool, bad error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		i, _ := slices.BinarySearchFunc(s.list, from, func(one spooled, seq uint64) int { return int(min(1, max(-1, int64(one.seq-seq)))) })
		if i >= len(s.list) {
			return 0, m, false, bad
		}
		one := s.list[i]
		text, err := state.Read(s.dir, one.name(), maxFile)
		if m = (deminer.Message{}); err == nil {
			err = json.Unmarshal(text, &m)
		}
		if err == nil {
			return one.seq, m, true, bad
		}
		bad = errors.Join(bad, fmt.Errorf("read message %s of the spool: %w", one.name(), err))
		if passing(err) {
			return one.seq, m, false, bad
		}
		if err := s.removeAt(i); err != nil {
			return 0, m, false, errors.Join(bad, err)
		}
	}
}

// remove forgets a message that the server has.
func (s *spool) remove(seq uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, one := range s.list {
		if one.seq == seq {
			return s.removeAt(i)
		}
	}
	return nil // it gave way meanwhile
}

func (s *spool) removeAt(i int) error {
	one := s.list[i]
	if err := s.dir.Remove(one.name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take a message out of the spool: %w", err)
	}
	s.list, s.size = slices.Delete(s.list, i, i+1), s.size-one.size
	return nil
}

// count is how many messages wait.
func (s *spool) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.list)
}
