package link

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/state"
)

// idsFile holds an id that no message has reached yet.
const idsFile = "ids"

// ahead is for how long ids are written down before they are used: the disk is asked once in that time.
const ahead = time.Hour

// ids makes ids of messages that grow, whatever the clock of the host does, also across restarts: the server takes the greater one of two
// messages about the same thing for the later one.
type ids struct {
	dir *os.Root
	now func() time.Time

	mu   sync.Mutex
	last string
	top  string // written down; reached by none
}

func openIDs(dir *os.Root, now func() time.Time) (*ids, error) {
	text, err := state.Read(dir, idsFile, 64)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the last id of a message: %w", err)
	}
	i := &ids{dir: dir, now: now}
	if deminer.IsID(string(text)) {
		i.last, i.top = string(text), string(text)
	}
	return i, nil
}

// next gives the next id.
func (i *ids) next() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	id := deminer.NewID(now)
	if id <= i.last {
		id = after(i.last)
	}
	if id >= i.top {
		top := max(deminer.NewID(now.Add(ahead)), leap(id))
		// On a full disk ids still grow until the agent ends: what it has to tell is worth more than that they do so afterwards.
		if state.Replace(i.dir, idsFile, []byte(top)) == nil {
			i.top = top
		}
	}
	i.last = id
	return id
}

const digits = "0123456789abcdef"

// after is the id that follows on another one.
func after(id string) string { return plus(id, len(id)-1) }

// leap is an id that is a million or so of others later.
func leap(id string) string { return plus(id, len(id)-6) }

// plus adds one at a digit; what is all f there begins anew, one further up.
func plus(id string, at int) string {
	b := []byte(id)
	for ; at >= 0; at-- {
		if b[at] != 'f' {
			for n := range digits {
				if digits[n] == b[at] {
					b[at] = digits[n+1]
					return string(b)
				}
			}
		}
		b[at] = '0'
	}
	return id
}
