package logins

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// maxItems bounds the fields of one entry (systemd's own limit is 1024).
const maxItems = 1024

// entries gives the places of the entries of a data object, the newest limit of them, in the order of the file.
func (j *journal) entries(d data, limit int) ([]int64, error) {
	out := []int64{}
	if d.entry != 0 {
		out = append(out, d.entry)
	}
	width := int64(8)
	if j.compact {
		width = 4
	}
	seen := 0
	for off := d.array; off != 0; {
		if seen++; seen > maxChain {
			return out, fmt.Errorf("%w: endless list of entries", errJournal)
		}
		_, size, err := j.object(off, objEntryArray)
		if err != nil {
			return out, err
		}
		// An array doubles in size as it grows, so the last ones hold what is wanted; what is larger than its own
		// bound is cut.
		b, err := j.read(off, min(size, 24+width*int64(2*maxChain)))
		if err != nil || len(b) < 24 {
			return out, fmt.Errorf("%w: a list of %d bytes", errJournal, size)
		}
		off = int64(binary.LittleEndian.Uint64(b[16:]))
		for b = b[24:]; int64(len(b)) >= width; b = b[width:] {
			v := j.offset(b)
			if v == 0 {
				break // not used yet
			}
			out = append(out, v)
		}
		if len(out) > 4*limit {
			out = append(out[:0], out[len(out)-limit:]...)
		}
	}
	return out[max(0, len(out)-limit):], nil
}

func (j *journal) offset(b []byte) int64 {
	if j.compact {
		return int64(binary.LittleEndian.Uint32(b))
	}
	return int64(binary.LittleEndian.Uint64(b))
}

// entry gives the time of an entry and those of its fields that are asked for.
func (j *journal) entry(off int64, want map[string]string) (time.Time, error) {
	_, size, err := j.object(off, objEntry)
	if err != nil {
		return time.Time{}, err
	}
	width := int64(16)
	if j.compact {
		width = 4
	}
	b, err := j.read(off, min(size, 64+maxItems*width))
	if err != nil || len(b) < 64 {
		return time.Time{}, fmt.Errorf("%w: an entry of %d bytes", errJournal, size)
	}
	at := micros(binary.LittleEndian.Uint64(b[24:]))
	for b = b[64:]; int64(len(b)) >= width; b = b[width:] {
		f, err := j.part(j.offset(b), want)
		if err != nil {
			return at, err
		}
		if _, ok := want[f.name]; ok && f.name != "" {
			want[f.name] = f.value
		}
	}
	return at, nil
}

// part gives the field of a data object. Most entries share most of theirs, so short ones are kept.
func (j *journal) part(off int64, want map[string]string) (fieldValue, error) {
	if f, ok := j.parts[off]; ok {
		return f, nil
	}
	_, payload, err := j.data(off)
	if err != nil {
		return fieldValue{}, err
	}
	name, value, _ := strings.Cut(string(payload), "=")
	f := fieldValue{}
	if _, ok := want[name]; ok {
		f = fieldValue{name, value}
	}
	if f.name == "MESSAGE" || len(f.value) > 256 { // seldom shared
		return f, nil
	}
	if len(j.parts) > 50_000 {
		clear(j.parts)
	}
	j.parts[off] = f
	return f, nil
}
