package journal

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// Limits of reading: a line holds one record, the longest being the plan itself; a journal has a few lines for each step.
const (
	maxLine    = 64 << 20
	maxRecords = 1 << 20
)

// chain is the hash of a line: over its record and the hash of the line before.
func chain(before string, record []byte) string {
	h := sha256.New()
	h.Write([]byte(before))
	h.Write([]byte{'\n'})
	h.Write(record)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

type scanned struct {
	records []deminer.Record
	good    int64 // bytes of whole lines
	sum     string
	torn    bool
}

// Read gives the records of a plan without taking the lock. torn reports whether a last line was cut short by a crash.
func (s *Store) Read(plan string) (records []deminer.Record, torn bool, err error) {
	got, err := s.scan(plan)
	return got.records, got.torn, err
}

func (s *Store) scan(plan string) (scanned, error) {
	name, err := fileName(plan)
	if err != nil {
		return scanned{}, err
	}
	if err := s.regular(name); err != nil {
		return scanned{}, fmt.Errorf("read journal of plan %q: %w", plan, err)
	}
	f, err := s.Dir.Open(name)
	if err != nil {
		return scanned{}, fmt.Errorf("read journal of plan %q: %w", plan, err)
	}
	defer f.Close()
	got, err := scan(f)
	if err != nil {
		return got, fmt.Errorf("read journal of plan %q: %w", plan, err)
	}
	return got, nil
}

// scan reads lines as long as they are whole and right. What is wrong at the very end is a torn line; what is wrong
// before it is damage.
func scan(r io.Reader) (got scanned, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) {
			got.torn = len(line) > 0
			return got, nil
		}
		if err != nil {
			return got, err
		}
		rec, sum, err := parse(line, got.sum, len(got.records))
		if err != nil {
			// A crash may leave a line whose blocks never reached the disk but whose end did; only the last one can be so.
			if _, more := in.Peek(1); errors.Is(more, io.EOF) && !glued(line) {
				got.torn = true
				return got, nil
			}
			return got, fmt.Errorf("%w: line %d: %w", ErrDamaged, len(got.records)+1, err)
		}
		if len(got.records) == maxRecords {
			return got, fmt.Errorf("%w: more than %d records", ErrDamaged, maxRecords)
		}
		got.records, got.sum, got.good = append(got.records, rec), sum, got.good+int64(len(line))
	}
}

// readLine gives a line with its newline; at the end of the file what is left, with io.EOF.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, fmt.Errorf("%w: a line of more than %d bytes", ErrDamaged, maxLine)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// glued tells a line that was joined to the next by a lost newline from one that was torn: a torn line is no whole record.
func glued(line []byte) bool {
	var first json.RawMessage
	d := json.NewDecoder(bytes.NewReader(line))
	return d.Decode(&first) == nil && len(bytes.TrimSpace(line[d.InputOffset():])) > 0
}

func parse(line []byte, before string, seq int) (r deminer.Record, sum string, err error) {
	var outer struct {
		Sum string          `json:"sum"`
		Rec json.RawMessage `json:"rec"`
	}
	if err := json.Unmarshal(bytes.TrimSuffix(line, []byte{'\n'}), &outer); err != nil {
		return r, "", err
	}
	if outer.Sum != chain(before, outer.Rec) {
		return r, "", errors.New("the hash does not fit")
	}
	if err := json.Unmarshal(outer.Rec, &r); err != nil {
		return r, "", err
	}
	if r.Seq != seq {
		return r, "", fmt.Errorf("record %d where %d should be", r.Seq, seq)
	}
	return r, outer.Sum, nil
}

// Plans lists the plans that have a journal, by name. Files with names that no plan can have are none.
func (s *Store) Plans() ([]string, error) {
	d, err := s.Dir.Open(".")
	if err != nil {
		return nil, fmt.Errorf("list journals: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list journals: %w", err)
	}
	var out []string
	for _, name := range names {
		if plan, ok := strings.CutSuffix(name, suffix); ok && plainName(plan) {
			out = append(out, plan)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Stamp names the state of all journals: while it stays the same, nothing was written to any.
func (s *Store) Stamp() (string, error) {
	plans, err := s.Plans()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, plan := range plans {
		at, err := s.Dir.Lstat(plan + suffix)
		if err != nil {
			return "", fmt.Errorf("look at the journal of plan %s: %w", plan, err)
		}
		fmt.Fprintf(h, "%q %d %d\n", plan, at.Size(), at.ModTime().UnixNano())
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Unfinished lists the plans whose last run or undo has begun and not ended: it was interrupted, or it goes on right
// now. A journal that cannot be read counts as unfinished and is named in the error too.
func (s *Store) Unfinished() ([]string, error) {
	plans, err := s.Plans()
	if err != nil {
		return nil, err
	}
	var out []string
	var failed []error
	for _, plan := range plans {
		records, torn, err := s.Read(plan)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		failed = append(failed, err)
		if n := len(records); err != nil || torn || n == 0 || records[n-1].State != deminer.StateEnd {
			out = append(out, plan)
		}
	}
	return out, errors.Join(failed...)
}
