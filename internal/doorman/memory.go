package doorman

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/deminer/deminer/internal/guess"
	"github.com/deminer/deminer/internal/logins"
	"github.com/deminer/deminer/internal/state"
)

// memoryFile holds what is remembered, in the state directory.
const memoryFile = "guesses.json"

// memory is what outlives a doorman: who guessed, and how far the text logs were read. The two are written as one, so that nothing is
// counted twice or not at all after a crash.
type memory struct {
	Sources []guess.Remembered      `json:"sources"`
	Logs    map[string]logins.Place `json:"logs"`
}

// Remembered reads who guessed, as a doorman wrote it down; nothing where none ever did.
func Remembered(dir *os.Root) ([]guess.Remembered, error) {
	m, err := recall(dir)
	return m.Sources, err
}

func recall(dir *os.Root) (m memory, err error) {
	text, err := state.Read(dir, memoryFile, guess.MaxMemory+maxPlaces)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil && bytes.HasPrefix(text, []byte("[")) { // of an earlier version
		m.Sources, err = guess.Read(text)
	} else if err == nil {
		var raw struct {
			Sources json.RawMessage         `json:"sources"`
			Logs    map[string]logins.Place `json:"logs"`
		}
		if err = json.Unmarshal(text, &raw); err == nil {
			m.Logs = raw.Logs
			m.Sources, err = guess.Read(raw.Sources)
		}
	}
	if err != nil {
		return memory{}, fmt.Errorf("read who guessed: %w", err)
	}
	return m, nil
}

// maxPlaces bounds what is written of logs, in bytes.
const maxPlaces = 64 << 10

// save writes down what changed.
func (d *Doorman) save() error {
	text, err := json.Marshal(memory{d.watch.Known(d.opt.Now()), d.follow.Places()})
	if err != nil {
		return fmt.Errorf("write down who guessed: %w", err)
	}
	sum := sha256.Sum256(text)
	if sum == d.kept {
		return nil
	}
	if err := state.Replace(d.opt.State, memoryFile, text); err != nil {
		return fmt.Errorf("write down who guessed: %w", err)
	}
	d.kept = sum
	return nil
}
