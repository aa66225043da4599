package contract

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Pressure is how much of the last ten seconds somebody on the host waited for a resource, in percent (PSI).
type Pressure struct {
	CPU, Memory, IO float64
}

// ReadPressure reads /proc/pressure. Kernels without it (or with psi=0) give an error that is fs.ErrNotExist or ENOTSUP;
// what could be read is there all the same.
func ReadPressure() (Pressure, error) { return readPressure("/proc/pressure") }

func readPressure(dir string) (p Pressure, err error) {
	for _, r := range []struct {
		name string
		to   *float64
	}{{"cpu", &p.CPU}, {"memory", &p.Memory}, {"io", &p.IO}} {
		text, fail := readSmall(filepath.Join(dir, r.name))
		if fail == nil {
			*r.to, fail = some(text)
		}
		if fail != nil {
			err = errors.Join(err, fmt.Errorf("read pressure of %s: %w", r.name, fail))
		}
	}
	return p, err
}

// some takes the share of ten seconds out of "some avg10=1.23 avg60=...".
func some(text string) (float64, error) {
	for l := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(l, "some avg10=")
		if !ok {
			continue
		}
		number, _, _ := strings.Cut(rest, " ")
		f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || f < 0 || f > 100 {
			return 0, fmt.Errorf("%.20q is no share", number)
		}
		return f, nil
	}
	return 0, errors.New("no line says some")
}

// readSmall reads at most 4 KiB of a file of the kernel.
func readSmall(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	return string(b), err
}

// Pace says how the agent makes way: work that can wait does, and what samples does so more slowly. What is decided at the
// moment of an event never waits: it is little, and it is what the agent is for.
type Pace struct {
	Slower int  // samplers wait so many times their usual time; 1 is the usual pace
	Wait   bool // scans that were not asked for by a person wait
	Why    string
}

// The shares of time at which the agent makes way. A machine that computes all day has processes waiting for a processor all
// the time, which harms nobody; waiting for memory does at once.
const (
	cpuHigh, cpuFull = 60, 90
	memHigh, memFull = 10, 30
	ioHigh, ioFull   = 40, 70
)

// PaceFor gives the pace for a pressure.
func PaceFor(p Pressure) Pace {
	out := Pace{Slower: 1}
	for _, r := range []struct {
		name            string
		now, high, full float64
	}{{"memory", p.Memory, memHigh, memFull}, {"disks", p.IO, ioHigh, ioFull}, {"processors", p.CPU, cpuHigh, cpuFull}} {
		slower := 1
		switch {
		case r.now >= r.full:
			slower = 8
		case r.now >= r.high:
			slower = 3
		}
		if slower > out.Slower {
			out = Pace{Slower: slower, Wait: true, Why: fmt.Sprintf("processes here wait for %s %.0f %% of the time", r.name, r.now)}
		}
	}
	return out
}

// Longest is how long work that waits for pressure to pass waits at most: an intruder must not be able to keep the agent from
// looking by keeping the host busy, which is what miners do.
const Longest = 10 * time.Minute

// May reports whether work that has waited so long may begin.
func (p Pace) May(waited time.Duration) bool { return !p.Wait || waited >= Longest }
