// Package journal keeps what deminer did to a host, one file a plan, one JSON line a record.
//
// A record is on disk before Append returns, so what a record announces can be taken back after a power cut. Every line
// carries a hash over itself and the line before: a line that was changed, lost or put in is seen. Only the last line may
// be torn, by a crash in the middle of writing it; it then never counted.
package journal

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/state"
)

// ErrDamaged: a journal line is not what was written.
var ErrDamaged = errors.New("journal is damaged")

// File is what a journal is written to.
type File interface {
	io.Writer
	io.Closer
	Sync() error
}

// Store is the journals of one host.
type Store struct {
	// Dir is the journal directory.
	Dir *os.Root
	// Lock takes an exclusive lock of an open file or answers deminer.ErrBusy; closing the file gives the lock back.
	Lock func(*os.File) error
	// Wrap, where set, stands between a journal and its file: tests cut the power there.
	Wrap func(File) File

	lock string // name of the file that is locked; "": that of the host
}

// Beside gives the same journals under a lock of their own, for plans that change nothing that others change: they need not wait for a
// long clean-up. Whoever works under the same name waits all the same.
func (s *Store) Beside(name string) *Store {
	out := *s
	out.lock = "lock." + name
	return &out
}

// suffix ends the name of a journal file.
const suffix = ".jsonl"

// Journal is one plan's journal, open for writing. It holds the lock of the host.
type Journal struct {
	plan string
	file File
	lock *os.File
	seq  int
	sum  string
}

// Create begins the journal of a plan that has none yet; fs.ErrExist if it has.
func (s *Store) Create(plan string) (*Journal, error) {
	return s.start(plan, os.O_CREATE|os.O_EXCL)
}

// Open goes on with the journal of a plan and gives what is in it. A torn last line is cut off first.
func (s *Store) Open(plan string) (*Journal, []deminer.Record, error) {
	j, err := s.start(plan, 0)
	if err != nil {
		return nil, nil, err
	}
	seen, err := s.scan(plan)
	if err == nil && seen.torn {
		err = s.cut(plan, seen.good)
	}
	if err != nil {
		return nil, nil, errors.Join(err, j.Close())
	}
	j.seq, j.sum = len(seen.records), seen.sum
	return j, seen.records, nil
}

// Hold takes the lock of the host, for a change that belongs to no plan, until the answer is closed. deminer.ErrBusy if
// another deminer has it.
func (s *Store) Hold() (io.Closer, error) { return s.hold() }

func (s *Store) hold() (*os.File, error) {
	name := cmp.Or(s.lock, "lock")
	if err := s.regular(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open journal lock: %w", err)
	}
	lock, err := s.Dir.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal lock: %w", err)
	}
	if err := s.Lock(lock); err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

func (s *Store) start(plan string, how int) (_ *Journal, err error) {
	name, err := fileName(plan)
	if err != nil {
		return nil, err
	}
	lock, err := s.hold()
	if err != nil {
		return nil, fmt.Errorf("open journal of plan %q: %w", plan, err)
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	if how == 0 {
		err = s.regular(name)
	}
	var f *os.File
	if err == nil {
		f, err = s.Dir.OpenFile(name, os.O_WRONLY|os.O_APPEND|how, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("open journal of plan %q: %w", plan, err)
	}
	if err := s.syncDir(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	j := &Journal{plan: plan, file: f, lock: lock}
	if s.Wrap != nil {
		j.file = s.Wrap(f)
	}
	return j, nil
}

// fileName refuses plan names that are no plain file name, or that a terminal would not show as they are.
func fileName(plan string) (string, error) {
	if !plainName(plan) {
		return "", fmt.Errorf("journal of plan %q: %w", plan, fs.ErrInvalid)
	}
	return plan + suffix, nil
}

func plainName(plan string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	return plan != "" && len(plan) <= 100 && plan[0] != '.' && strings.Trim(plan, letters) == ""
}

// maxJournal bounds a journal file: a hostile root may hold any file by that name.
const maxJournal = 512 << 20

// regular refuses what is no journal file.
func (s *Store) regular(name string) error {
	err := state.Regular(s.Dir, name, maxJournal)
	if errors.Is(err, state.ErrOdd) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

func (s *Store) syncDir() error {
	d, err := s.Dir.Open(".")
	if err != nil {
		return fmt.Errorf("open journal directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync journal directory: %w", err)
	}
	return nil
}

func (s *Store) cut(plan string, size int64) error {
	f, err := s.Dir.OpenFile(plan+suffix, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("cut torn line of journal %q: %w", plan, err)
	}
	if err := errors.Join(f.Truncate(size), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("cut torn line of journal %q: %w", plan, err)
	}
	return nil
}

// Append puts a record on disk; its Seq and Plan are set here. After an error nothing more may be changed on the host:
// the record may or may not be there.
func (j *Journal) Append(r deminer.Record) (deminer.Record, error) {
	r.Seq, r.Plan = j.seq, j.plan
	body, err := json.Marshal(r)
	if err != nil {
		return r, fmt.Errorf("write journal of plan %q: %w", j.plan, err)
	}
	sum := chain(j.sum, body)
	line := fmt.Appendf(nil, `{"sum":"%s","rec":%s}`+"\n", sum, body)
	if len(line) > maxLine {
		return r, fmt.Errorf("write journal of plan %q: a record of %d bytes is over the limit of %d", j.plan, len(line), maxLine)
	}
	if _, err := j.file.Write(line); err != nil {
		return r, fmt.Errorf("write journal of plan %q: %w", j.plan, err)
	}
	if err := j.file.Sync(); err != nil {
		return r, fmt.Errorf("write journal of plan %q: %w", j.plan, err)
	}
	j.seq, j.sum = j.seq+1, sum
	return r, nil
}

// Close gives the lock of the host back.
func (j *Journal) Close() error { return errors.Join(j.file.Close(), j.lock.Close()) }
