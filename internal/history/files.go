package history

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/deminer/deminer/internal/state"
)

// The files of a history: segments of blocks, of which only the last one grows; the tail, which holds the entries that make no
// block yet, in frames; and the head, which says outside of both how far they have come.
const (
	segSuffix   = ".seg"
	tailName    = "tail"
	tailNew     = "tail.new"
	headName    = "head"
	segHeader   = 8 + 8 + 8 + 2*sha256.Size
	tailHeader  = 8 + 8 + 8 + sha256.Size
	frameHeader = 4 + sha256.Size
	maxSegFile  = 1 << 30 // a file of that size is none of ours
	maxTail     = 2 * maxRaw
)

// File is what is written to.
type File interface {
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(int64) error
}

// segment begins a file of blocks.
type segment struct {
	Magic  [8]byte
	Number uint64
	Block  uint64 // number of its first block
	Prev   sum    // of the block before that
	Sum    sum    // over the rest
}

var segMagic = [8]byte{'D', 'M', 'H', 'I', 'S', 'T', '1', '\n'}

func encode(v any) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, v)
	return b.Bytes()
}

func (s *segment) bytes() []byte {
	b := encode(s)
	*(*sum)(b[len(b)-sha256.Size:]) = sha256.Sum256(b[:len(b)-sha256.Size])
	return b
}

func readSegment(b []byte) (s segment, err error) {
	if _, err := binary.Decode(b, binary.LittleEndian, &s); err != nil {
		return s, errors.New("its beginning is cut")
	}
	if s.Magic != segMagic || s.Sum != sha256.Sum256(b[:segHeader-sha256.Size]) {
		return s, errors.New("its beginning was changed")
	}
	return s, nil
}

func segName(n uint64) string { return fmt.Sprintf("%012d%s", n, segSuffix) }

// segments lists the numbers of the segments there are.
func segments(dir *os.Root) ([]uint64, error) {
	d, err := dir.Open(".")
	if err != nil {
		return nil, fmt.Errorf("list history: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list history: %w", err)
	}
	var out []uint64
	for _, name := range names {
		digits, ok := strings.CutSuffix(name, segSuffix)
		if n, err := strconv.ParseUint(digits, 10, 64); ok && err == nil && segName(n) == name {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// tail is what is in the tail file.
type tail struct {
	begin  tailBegin
	raw    []byte // the entries of all whole frames
	frames uint64
	sum    sum   // of the last whole frame; of the beginning where there is none
	sums   []sum // of the beginning and of each whole frame
	good   int64
	torn   bool // something follows that is no whole frame
}

type tailBegin struct {
	Magic [8]byte
	Block uint64 // number of the block that it will be
	First uint64 // Seq of its first entry
	Prev  sum    // of the block before
}

var tailMagic = [8]byte{'D', 'M', 'T', 'A', 'I', 'L', '1', '\n'}

// frame wraps entries for the tail.
func frame(prev sum, raw []byte) ([]byte, sum) {
	s := link(prev, raw)
	return append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(raw))), s[:]...), raw...), s
}

func link(prev sum, raw []byte) sum {
	d := sha256.New()
	d.Write(prev[:])
	d.Write(raw)
	return sum(d.Sum(nil))
}

// parseTail reads as many whole frames as there are. An error means that not even the beginning is right.
func parseTail(b []byte) (t tail, err error) {
	if _, err := binary.Decode(b, binary.LittleEndian, &t.begin); err != nil || t.begin.Magic != tailMagic {
		return t, errors.New("its beginning is not right")
	}
	t.sum, t.good = sha256.Sum256(b[:tailHeader]), tailHeader
	t.sums = []sum{t.sum}
	for b = b[tailHeader:]; len(b) > 0; {
		if len(b) < frameHeader {
			break
		}
		n := int64(binary.LittleEndian.Uint32(b))
		if n > maxRaw || n > int64(len(b))-frameHeader {
			break
		}
		raw := b[frameHeader : frameHeader+n]
		s := link(t.sum, raw)
		if s != sum(b[4:frameHeader]) {
			break
		}
		t.raw, t.sum, t.good, t.frames = append(t.raw, raw...), s, t.good+frameHeader+n, t.frames+1
		t.sums = append(t.sums, s)
		b = b[frameHeader+n:]
	}
	t.torn = len(b) > 0
	return t, nil
}

func readTail(dir *os.Root) (tail, error) {
	b, err := state.Read(dir, tailName, maxTail)
	if err != nil {
		return tail{}, err
	}
	t, err := parseTail(b)
	if err != nil {
		return t, fmt.Errorf("the tail: %w", err)
	}
	return t, nil
}

// head says how far a history has come: what is on disk must reach at least so far and be the same there.
type head struct {
	Turn      uint64 // higher is newer
	Floor     uint64 // number of the oldest segment
	FloorPrev sum    // what that segment must follow
	Block     uint64 // number of the block that the tail will be
	Prev      sum    // of the block before
	Frames    uint64 // in the tail
	Tail      sum    // of the last frame
	Seq       uint64 // of the last entry
	Clock     int64  // milliseconds
	Sum       sum    // over the rest
}

// misses says what the head tells of that is not in the tail; nil where all of it is, or where it has become a block meanwhile.
func (h *head) misses(t *tail) error {
	switch {
	case t == nil && h.Frames > 0:
		return errors.New("the tail is missing")
	case t == nil || t.begin.Block != h.Block:
		return nil
	case t.frames < h.Frames:
		return fmt.Errorf("the tail: %d of its %d pieces are missing", h.Frames-t.frames, h.Frames)
	case t.sums[h.Frames] != h.Tail:
		return errors.New("the tail is not the one that the head tells of")
	}
	return nil
}

// slotSize keeps the two slots of the head on different sectors: only one can be torn.
const slotSize = 4096

func (h *head) bytes() []byte {
	b := encode(h)
	*(*sum)(b[len(b)-sha256.Size:]) = sha256.Sum256(b[:len(b)-sha256.Size])
	return b
}

// readHead gives the newer of the two slots that is whole; ok is false where none is.
func readHead(dir *os.Root) (h head, ok bool, err error) {
	b, err := state.Read(dir, headName, 2*slotSize)
	if err != nil {
		return h, false, err
	}
	for at := 0; at < len(b); at += slotSize {
		var one head
		if n, err := binary.Decode(b[at:], binary.LittleEndian, &one); err != nil || one.Sum != sha256.Sum256(b[at:at+n-sha256.Size]) {
			continue
		}
		if !ok || one.Turn > h.Turn {
			h, ok = one, true
		}
	}
	return h, ok, nil
}

func syncDir(dir *os.Root) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
