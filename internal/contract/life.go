package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/deminer/deminer/internal/state"
)

// lifeFile holds the trail of the agent, in the state directory.
const lifeFile = "agent-life.json"

// maxLife bounds it.
const maxLife = 4096

// Life is the trail of one run of the agent.
type Life struct {
	Boot    string    `json:"boot"` // boot id of the kernel
	PID     int       `json:"pid"`
	Version string    `json:"version"`
	Began   time.Time `json:"began"`
	Beat    time.Time `json:"beat"`              // it was alive then
	End     string    `json:"end,omitempty"`     // how it ended; "" while it runs, and for ever if it was killed
	Ended   time.Time `json:"ended,omitzero"`    // when
	Uptime  float64   `json:"uptime"`            // seconds since boot at the last beat: clocks may be set back, this may not
	Upgrade bool      `json:"upgrade,omitempty"` // it made way for a new version, and left what it enforces in force
}

// The ways to end.
const (
	EndStop    = "stop"    // it was asked to stop, and did all that it had to
	EndUpgrade = "upgrade" // another version takes over
)

// Absence is a time in which no agent ran.
type Absence struct {
	From, To time.Time
	PID      int           // of the one that ended
	Clean    bool          // it ended by itself, having been asked to
	Upgrade  bool          // it made way for another version
	Rebooted bool          // the host was booted since
	Late     bool          // the clock was set back meanwhile: From and To are not to be trusted
	Killed   bool          // it ended without a word though the host went on: killed, or it crashed
	Span     time.Duration // at least; by the clock that cannot be set where the host was not booted since
}

// Keeper keeps the trail. One process at a time.
type Keeper struct {
	dir  *os.Root
	life Life
	now  func() (time.Time, float64)
}

// Begin reads the trail of the agent before this one and begins a new one in dir. absent is nil where there was none. A trail
// that cannot be read is an error, and a new one is begun all the same.
func Begin(dir *os.Root, version string) (k *Keeper, absent *Absence, err error) {
	return begin(dir, version, BootID(), clocks)
}

func begin(dir *os.Root, version, boot string, now func() (time.Time, float64)) (*Keeper, *Absence, error) {
	k := &Keeper{dir: dir, now: now}
	old, err := readLife(dir)
	at, up := now()
	var absent *Absence
	if err == nil && old != nil {
		absent = since(*old, boot, at, up)
	}
	k.life = Life{Boot: boot, PID: os.Getpid(), Version: version, Began: at}
	return k, absent, errors.Join(err, k.Beat())
}

// since says what the trail of the one before tells.
func since(old Life, boot string, at time.Time, up float64) *Absence {
	a := &Absence{From: old.Beat, To: at, PID: old.PID, Clean: old.End != "", Upgrade: old.End == EndUpgrade, Rebooted: old.Boot != boot}
	if !old.Ended.IsZero() {
		a.From = old.Ended
	}
	a.Killed = !a.Clean && !a.Rebooted
	a.Late = a.From.After(at)
	a.Span = at.Sub(a.From)
	if !a.Rebooted {
		a.Span = time.Duration((up - old.Uptime) * float64(time.Second))
	}
	a.Span = max(a.Span, 0)
	return a
}

// Beat writes that the agent is alive. Every ten seconds is often enough.
func (k *Keeper) Beat() error {
	k.life.Beat, k.life.Uptime = k.now()
	return k.write()
}

// End writes how the agent ended: [EndStop] or [EndUpgrade].
func (k *Keeper) End(how string) error {
	k.life.Ended, k.life.Uptime = k.now()
	k.life.Beat, k.life.End, k.life.Upgrade = k.life.Ended, how, how == EndUpgrade
	return k.write()
}

func (k *Keeper) write() error {
	text, err := json.Marshal(k.life)
	if err != nil {
		return fmt.Errorf("write the agent's trail: %w", err)
	}
	f, err := k.dir.OpenFile(lifeFile+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write the agent's trail: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = k.dir.Rename(lifeFile+".new", lifeFile)
	}
	if err != nil {
		return fmt.Errorf("write the agent's trail: %w", err)
	}
	return nil
}

func readLife(dir *os.Root) (*Life, error) {
	text, err := state.Read(dir, lifeFile, maxLife)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var l Life
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	if err != nil {
		return nil, fmt.Errorf("read the agent's trail: %w", err)
	}
	return &l, nil
}

// LastLife is the trail of the agent that runs, or ran last; nil where none ever did.
func LastLife(dir *os.Root) (*Life, error) { return readLife(dir) }

func clocks() (time.Time, float64) { return time.Now().UTC(), Uptime() }
