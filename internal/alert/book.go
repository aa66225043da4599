package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/state"
)

// Limits of a book.
const (
	MaxAlerts = 1000
	maxFile   = 256 << 10 // bytes of one alert
	suffix    = ".json"
	damaged   = ".damaged"
	patience  = 2 * time.Second // for the lock
)

// ErrNone: there is no such alert.
var ErrNone = errors.New("no such alert")

// Book is the alerts of one host, in a directory of their own. The agent and commands may use it at the same time: each change
// is made under a lock, from what lies on disk.
type Book struct {
	// Dir is the directory.
	Dir *os.Root
	// Lock takes an exclusive lock of an open file or answers deminer.ErrBusy; closing the file gives the lock back.
	Lock func(*os.File) error

	mu sync.Mutex
}

// See counts what was seen. fresh is true where the alert is new, open again, or says more than before.
func (b *Book) See(s Sighting) (a Alert, fresh bool, err error) {
	err = b.locked(func() error {
		var name string
		if a, name, err = b.find(s.Key); err != nil {
			return err
		}
		if a.ID == "" {
			if err := b.room(); err != nil {
				return err
			}
			a.ID, a.Key = name, s.Key
		}
		fresh = a.see(s)
		return b.write(a)
	})
	return a, fresh && err == nil, err
}

// Set changes the state of an alert, by its id.
func (b *Book) Set(id string, to State, by, why string, now time.Time) (a Alert, err error) {
	return b.change(id, func(a *Alert) { a.set(to, by, why, now) })
}

// Did notes what was done about an alert.
func (b *Book) Did(id string, d Deed) (Alert, error) {
	return b.change(id, func(a *Alert) {
		d.What = deminer.Cut(d.What, maxText)
		if a.Deeds = append(a.Deeds, d); len(a.Deeds) > maxDeeds {
			a.Deeds = slices.Delete(a.Deeds, 0, len(a.Deeds)-maxDeeds)
		}
	})
}

func (b *Book) change(id string, how func(*Alert)) (a Alert, err error) {
	err = b.locked(func() error {
		if a, err = b.read(id); err != nil {
			return err
		}
		how(&a)
		return b.write(a)
	})
	return a, err
}

// Get reads an alert by its id or the beginning of it; ErrNone where there is none or more than one.
func (b *Book) Get(id string) (Alert, error) {
	names, err := b.names()
	if err != nil {
		return Alert{}, err
	}
	id = strings.ToLower(id)
	names = slices.DeleteFunc(names, func(n string) bool { return id == "" || !strings.HasPrefix(n, id) })
	switch len(names) {
	case 0:
		return Alert{}, fmt.Errorf("%w: %q", ErrNone, deminer.Cut(id, 20))
	case 1:
	default:
		return Alert{}, fmt.Errorf("%w: %q is the beginning of %d", ErrNone, deminer.Cut(id, 20), len(names))
	}
	return b.read(names[0])
}

// List gives all alerts, the latest first, and the error of those that cannot be read; they are put aside by Tidy.
func (b *Book) List() ([]Alert, error) {
	names, err := b.names()
	if err != nil {
		return nil, err
	}
	var out []Alert
	var bad []error
	for _, n := range names {
		a, err := b.read(n)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrNone):
		case err != nil:
			bad = append(bad, err)
		default:
			out = append(out, a)
		}
	}
	slices.SortStableFunc(out, func(x, y Alert) int { return y.Last.Compare(x.Last) })
	return out, errors.Join(bad...)
}

// Tidy puts alerts aside that are damaged, takes away what a crash left half written, and says what it did. What was put
// aside keeps its name with ".damaged" behind it.
func (b *Book) Tidy() (said []string, err error) {
	err = b.locked(func() error {
		list, err := fs.ReadDir(b.Dir.FS(), ".")
		if err != nil {
			return err
		}
		for _, e := range list {
			id, alert := strings.CutSuffix(e.Name(), suffix)
			switch {
			case strings.HasSuffix(e.Name(), ".new"):
				err = errors.Join(err, b.Dir.Remove(e.Name()))
			case alert:
				if _, bad := b.read(id); bad != nil {
					said = append(said, "an alert could not be read and was put aside as "+deminer.Safe(e.Name())+damaged+": "+deminer.Safe(bad.Error()))
					err = errors.Join(err, b.Dir.Rename(e.Name(), e.Name()+damaged))
				}
			}
		}
		return err
	})
	return said, err
}

// find gives the alert of a key, or the name that its file is to have.
func (b *Book) find(key string) (Alert, string, error) {
	sum := sha256.Sum256([]byte(key))
	text := hex.EncodeToString(sum[:])
	for i := 0; i+8 <= len(text); i += 8 {
		name := text[i : i+8]
		a, err := b.read(name)
		switch {
		case errors.Is(err, ErrNone):
			return Alert{}, name, nil
		case err != nil:
			// Damaged: this one begins anew under its name, and the damaged one is put aside.
			if err := b.Dir.Rename(name+suffix, name+suffix+damaged); err != nil {
				return Alert{}, "", err
			}
			return Alert{}, name, nil
		case a.Key == key:
			return a, name, nil
		}
	}
	return Alert{}, "", errors.New("no name is free for an alert")
}

// room makes room for one more: the closed one that was seen longest ago goes, and where all are open, the least of them.
func (b *Book) room() error {
	names, err := b.names()
	if err != nil || len(names) < MaxAlerts {
		return err
	}
	list, _ := b.List() // what cannot be read does not count
	rank := func(a Alert) int {
		if !a.State.Open() {
			return 0
		}
		return 1 + slices.Index(Grades(), a.Grade)
	}
	slices.SortStableFunc(list, func(x, y Alert) int {
		if d := rank(x) - rank(y); d != 0 {
			return d
		}
		return x.Last.Compare(y.Last)
	})
	for _, a := range list[:max(0, len(names)-MaxAlerts+1)] {
		if err := b.Dir.Remove(a.ID + suffix); err != nil {
			return err
		}
	}
	return nil
}

func (b *Book) names() (out []string, err error) {
	list, err := fs.ReadDir(b.Dir.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("list alerts: %w", err)
	}
	for _, e := range list {
		if id, ok := strings.CutSuffix(e.Name(), suffix); ok && isID(id) {
			out = append(out, id)
		}
	}
	return out, nil
}

func isID(s string) bool { return len(s) == 8 && strings.Trim(s, "0123456789abcdef") == "" }

func (b *Book) read(id string) (a Alert, err error) {
	if !isID(id) {
		return a, fmt.Errorf("%w: %q", ErrNone, deminer.Cut(id, 20))
	}
	text, err := state.Read(b.Dir, id+suffix, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return a, fmt.Errorf("%w: %q", ErrNone, id)
	}
	if err != nil {
		return a, fmt.Errorf("read alert %s: %w", id, err)
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return Alert{}, fmt.Errorf("read alert %s: %w", id, err)
	}
	if a.ID != id || !slices.Contains(States(), a.State) || !slices.Contains(Grades(), a.Grade) {
		return Alert{}, fmt.Errorf("read alert %s: it is not what was written", id)
	}
	return a, nil
}

// write puts an alert on disk in one piece.
func (b *Book) write(a Alert) error {
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("write alert %s: %w", a.ID, err)
	}
	if err := state.Replace(b.Dir, a.ID+suffix, text); err != nil {
		return fmt.Errorf("write alert %s: %w", a.ID, err)
	}
	return nil
}

// Alone runs a change of what belongs to the alerts under their lock. It must not call the book.
func (b *Book) Alone(change func() error) error { return b.locked(change) }

// locked runs a change under the lock, for which others are waited for a little.
func (b *Book) locked(change func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, err := b.Dir.OpenFile("lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the lock of the alerts: %w", err)
	}
	defer f.Close()
	for until := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := b.Lock(f)
		if err == nil {
			return change()
		}
		if !errors.Is(err, deminer.ErrBusy) || time.Now().After(until) {
			return fmt.Errorf("lock the alerts: %w", err)
		}
	}
}
