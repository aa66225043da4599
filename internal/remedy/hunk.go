package remedy

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/deminer/deminer"
)

// hunk is a run of lines that was replaced. Lines carry their newline; []byte keeps every byte in JSON.
type hunk struct {
	At     int      `json:"at"` // index of the first new line in the file after the change
	Old    [][]byte `json:"old"`
	New    [][]byte `json:"new,omitempty"`
	Before [][]byte `json:"before,omitempty"` // up to three lines before, as they are after the change
	After  [][]byte `json:"after,omitempty"`
}

// around is how many lines of context a hunk keeps.
const around = 3

// lines splits a text; each line but perhaps the last keeps its newline.
func lines(b []byte) [][]byte {
	return slices.Collect(bytes.Lines(b))
}

// replaceLines replaces every run of lines equal to want (compared without the last newline of the run) by repl, and
// tells where. A run at the end of the file may lack its newline.
func replaceLines(text []byte, want string, repl string) (out []byte, hunks []hunk) {
	all := lines(text)
	goal := lines([]byte(want + "\n"))
	var now [][]byte
	for i := 0; i < len(all); {
		if !matches(all[i:], goal) {
			now = append(now, all[i])
			i++
			continue
		}
		h := hunk{At: len(now), Old: all[i : i+len(goal)]}
		if repl != "" {
			last := all[i+len(goal)-1]
			h.New = lines([]byte(repl + "\n"))
			if !bytes.HasSuffix(last, []byte{'\n'}) {
				h.New[len(h.New)-1] = bytes.TrimSuffix(h.New[len(h.New)-1], []byte{'\n'})
			}
		}
		i += len(goal)
		if n := len(hunks); n > 0 && repl == "" && hunks[n-1].At == h.At {
			// Neighbors are one hunk, or putting back one would look as if the other were back.
			hunks[n-1].Old = slices.Concat(hunks[n-1].Old, h.Old)
			continue
		}
		now = append(now, h.New...)
		hunks = append(hunks, h)
	}
	for i := range hunks {
		hunks[i].context(now)
	}
	return bytes.Join(now, nil), hunks
}

func (h *hunk) context(now [][]byte) {
	end := h.At + len(h.New)
	h.Before = now[max(0, h.At-around):h.At]
	h.After = now[end:min(len(now), end+around)]
}

// matches compares a run; the last line may lack its newline in the file.
func matches(all, goal [][]byte) bool {
	if len(all) < len(goal) {
		return false
	}
	for i, g := range goal {
		if i < len(goal)-1 && !bytes.Equal(all[i], g) || !alike(all[i], g) {
			return false
		}
	}
	return true
}

// alike compares lines but for the newline, which the last line of a file may lack.
func alike(a, b []byte) bool {
	return bytes.Equal(bytes.TrimSuffix(a, []byte{'\n'}), bytes.TrimSuffix(b, []byte{'\n'}))
}

// unpatch puts the old lines of all hunks back into a text that others changed since.
func unpatch(text []byte, hunks []hunk) ([]byte, error) {
	now := lines(text)
	// All places first: a hunk that is back would hide the context of its neighbors.
	places := make([]int, len(hunks))
	for i, h := range hunks {
		at, ok := h.place(now)
		switch {
		case ok && len(h.New) == 0 && matches(now[at:], h.Old), !ok && holds(now, h.Old):
			at = -1 // somebody put them back
		case !ok:
			return nil, fmt.Errorf("%w: the place of %q is gone", deminer.ErrChanged, deminer.Cut(string(bytes.Join(h.Old, nil)), 80))
		}
		places[i] = at
	}
	order := make([]int, len(hunks))
	for i := range order {
		order[i] = i
	}
	// From the end, so that places before stay valid; of two at one place the later one first.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Or(places[b]-places[a], b-a) })
	for _, i := range order {
		if places[i] >= 0 {
			now = hunks[i].back(now, places[i])
		}
	}
	return bytes.Join(now, nil), nil
}

// back puts the old lines at a place. Lines that come to stand inside a file get the newline they lacked at its end.
func (h hunk) back(now [][]byte, at int) [][]byte {
	end := min(at+len(h.New), len(now))
	old := slices.Clone(h.Old)
	if end < len(now) {
		old[len(old)-1] = ended(old[len(old)-1])
	}
	if at > 0 {
		now[at-1] = ended(now[at-1])
	}
	return slices.Replace(now, at, end, old...)
}

// ended gives a line its newline.
func ended(line []byte) []byte {
	if bytes.HasSuffix(line, []byte{'\n'}) {
		return line
	}
	return append(slices.Clone(line), '\n')
}

// place finds where the hunk's new lines stand: with as much context as possible, and nearest to where they stood.
func (h hunk) place(now [][]byte) (int, bool) {
	for want := len(h.Before) + len(h.After); want >= 0; want-- {
		best, found := 0, false
		for at := 0; at+len(h.New) <= len(now); at++ {
			if !matches(now[at:], h.New) && len(h.New) > 0 || h.fit(now, at) < want {
				continue
			}
			if !found || abs(at-h.At) < abs(best-h.At) {
				best, found = at, true
			}
		}
		// Without any context only the replaced lines themselves, or an empty surrounding, can tell the place.
		if found && (want > 0 || len(h.New) > 0 || len(h.Before)+len(h.After) == 0) {
			return best, true
		}
	}
	return 0, false
}

// fit counts how many lines of context are right around a place, from the inside out.
func (h hunk) fit(now [][]byte, at int) int {
	n := 0
	for i := 1; i <= len(h.Before) && at-i >= 0 && alike(now[at-i], h.Before[len(h.Before)-i]); i++ {
		n++
	}
	for i, end := 0, at+len(h.New); i < len(h.After) && end+i < len(now) && alike(now[end+i], h.After[i]); i++ {
		n++
	}
	return n
}

func holds(now, run [][]byte) bool {
	for i := range now {
		if matches(now[i:], run) {
			return true
		}
	}
	return false
}

func abs(n int) int { return max(n, -n) }
