package logins

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Numbers of systemd's journal file format (systemd.io/JOURNAL_FILE_FORMAT). All numbers are little endian.
const (
	journalMagic   = "LPKSHHRH"
	journalHead    = 208 // bytes of the header that every version has
	flagCompact    = 16  // incompatible flags: offsets of entries have 32 bits
	flagsKnown     = 1 | 2 | 4 | 8 | flagCompact
	objData        = 1
	objField       = 2
	objEntry       = 3
	objEntryArray  = 6
	objHead        = 16
	packedXZ       = 1 // object flags
	packedLZ4      = 2
	packedZstd     = 4
	maxChain       = 200_000 // objects followed in one list
	maxPayload     = 64 << 10
	maxFieldTables = 1 << 20
)

var errJournal = errors.New("damaged journal")

// journal reads one journal file. Every offset in it is hostile: each read is bounded and each list counted.
type journal struct {
	r       io.ReaderAt
	size    int64
	compact bool
	fields  [2]int64  // place and size of the table of fields
	newest  time.Time // of its last entry
	parts   map[int64]fieldValue
	budget  int64 // bytes that may still be read
}

// fieldValue is the content of a data object, or kept as skip where its field is of no use here.
type fieldValue struct {
	name, value string
}

func openJournal(r io.ReaderAt, size int64) (*journal, error) {
	h := make([]byte, journalHead)
	if n, err := r.ReadAt(h, 0); n < len(h) {
		return nil, fmt.Errorf("%w: too short for a header (%v)", errJournal, err)
	}
	if string(h[:8]) != journalMagic {
		return nil, fmt.Errorf("%w: it has no journal header", errJournal)
	}
	le := binary.LittleEndian
	flags := le.Uint32(h[12:])
	if flags&^uint32(flagsKnown) != 0 {
		return nil, fmt.Errorf("a journal of a newer format (flags %#x)", flags)
	}
	j := &journal{r: r, size: size, compact: flags&flagCompact != 0, parts: map[int64]fieldValue{}, budget: 4*size + 64<<20}
	j.fields = [2]int64{int64(le.Uint64(h[120:])), int64(le.Uint64(h[128:]))}
	j.newest = micros(le.Uint64(h[192:]))
	return j, nil
}

func micros(us uint64) time.Time {
	return time.Unix(int64(us/1e6), int64(us%1e6)*1000).UTC()
}

// read gives n bytes at an offset.
func (j *journal) read(off, n int64) ([]byte, error) {
	if off < journalHead || n < 0 || off > j.size || n > j.size-off {
		return nil, fmt.Errorf("%w: a reference to byte %d of %d", errJournal, off, j.size)
	}
	// Lists that lead in circles would have us read for hours. A read costs at least as much as 256 bytes.
	if j.budget -= max(n, 256); j.budget < 0 {
		return nil, fmt.Errorf("%w: much more is referred to than there is", errJournal)
	}
	b := make([]byte, n)
	if got, err := j.r.ReadAt(b, off); got < len(b) {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	return b, nil
}

// object gives the head of an object, its flags and its size.
func (j *journal) object(off int64, kind byte) (flags byte, size int64, err error) {
	if off%8 != 0 {
		return 0, 0, fmt.Errorf("%w: an object at byte %d", errJournal, off)
	}
	h, err := j.read(off, objHead)
	if err != nil {
		return 0, 0, err
	}
	size = int64(binary.LittleEndian.Uint64(h[8:]))
	if h[0] != kind || size < objHead || size > j.size-off {
		return 0, 0, fmt.Errorf("%w: object at byte %d is of kind %d and %d bytes", errJournal, off, h[0], size)
	}
	return h[1], size, nil
}

// data is the fixed part of a data object.
type data struct {
	next         int64 // of the same field
	entry, array int64 // its first entry, and a list of the others
	n            int64
}

// data reads a data object; its payload is "FIELD=value", cut at limit bytes.
func (j *journal) data(off int64) (d data, payload []byte, err error) {
	flags, size, err := j.object(off, objData)
	if err != nil {
		return d, nil, err
	}
	head := int64(64)
	if j.compact {
		head = 72
	}
	b, err := j.read(off, min(size, head+maxPayload))
	if err != nil {
		return d, nil, err
	}
	if int64(len(b)) < head {
		return d, nil, fmt.Errorf("%w: a data object of %d bytes", errJournal, size)
	}
	le := binary.LittleEndian
	d = data{int64(le.Uint64(b[32:])), int64(le.Uint64(b[40:])), int64(le.Uint64(b[48:])), int64(le.Uint64(b[56:]))}
	payload, err = unpack(flags, b[head:])
	return d, payload, err
}

// values gives each value of a field, with the place of its data object.
func (j *journal) values(field string, see func(value string, d data)) error {
	head, err := j.field(field)
	if err != nil || head == 0 {
		return err
	}
	for n := 0; head != 0; n++ {
		if n > maxChain {
			return fmt.Errorf("%w: endless list of values", errJournal)
		}
		d, payload, err := j.data(head)
		if err != nil {
			return err
		}
		if v, ok := bytes.CutPrefix(payload, []byte(field+"=")); ok {
			see(string(v), d)
		}
		head = d.next
	}
	return nil
}

// field finds the first data object of a field: 0 where there is none.
func (j *journal) field(name string) (int64, error) {
	size := j.fields[1]
	if size > maxFieldTables {
		return 0, fmt.Errorf("%w: a field table of %d bytes", errJournal, size)
	}
	table, err := j.read(j.fields[0], size)
	if err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	for n := 0; len(table) >= 16; table = table[16:] {
		for off := int64(le.Uint64(table)); off != 0; n++ {
			if n > maxChain {
				return 0, fmt.Errorf("%w: endless list of fields", errJournal)
			}
			_, size, err := j.object(off, objField)
			if err != nil {
				return 0, err
			}
			b, err := j.read(off, min(size, 40+64))
			if err != nil || len(b) < 40 {
				return 0, fmt.Errorf("%w: a field of %d bytes", errJournal, size)
			}
			if string(b[40:]) == name {
				return int64(le.Uint64(b[32:])), nil
			}
			off = int64(le.Uint64(b[24:]))
		}
	}
	return 0, nil
}
