package remedy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"

	"github.com/deminer/deminer"
)

// Limits and tags of an RPM package file, see the "RPM V4 Package format" of the rpm manual.
const (
	rpmLead        = 96
	maxRPMIndex    = 1 << 16  // entries of a header
	maxRPMStore    = 64 << 20 // bytes of a header
	tagFormat      = 1124
	tagCompressor  = 1125
	cpioHeader     = 110
	maxCpioName    = 4096
	maxCpioEntries = 1 << 20
)

// errRPM: the file is no package, or a damaged one.
var errRPM = errors.New("read package: not an RPM package, or a damaged one")

// rpmFile takes one regular file, listed under any of the names, out of an RPM package: a lead, two headers and a packed
// cpio archive.
func rpmFile(in io.Reader, names []string) ([]byte, deminer.Attr, error) {
	r := bufio.NewReaderSize(in, 64<<10)
	lead := make([]byte, rpmLead)
	if _, err := io.ReadFull(r, lead); err != nil || !bytes.HasPrefix(lead, []byte{0xed, 0xab, 0xee, 0xdb}) {
		return nil, deminer.Attr{}, errRPM
	}
	_, size, err := rpmHeader(r)
	if err == nil {
		_, err = r.Discard((8 - size%8) % 8) // the signature's header ends at a multiple of 8
	}
	if err != nil {
		return nil, deminer.Attr{}, err
	}
	tags, _, err := rpmHeader(r)
	if err != nil {
		return nil, deminer.Attr{}, err
	}
	if f := tags[tagFormat]; f != "" && f != "cpio" {
		return nil, deminer.Attr{}, fmt.Errorf("read package: a payload of kind %q, which deminer does not know", deminer.Safe(f))
	}
	kinds := map[string]string{"": ".gz", "gzip": ".gz", "xz": ".xz", "lzma": ".lzma", "zstd": ".zst", "bzip2": ".bz2"}
	kind, ok := kinds[tags[tagCompressor]]
	if !ok {
		return nil, deminer.Attr{}, fmt.Errorf("read package: packed by %q, which deminer does not know", deminer.Safe(tags[tagCompressor]))
	}
	data, err := inflate(kind, r)
	if err != nil {
		return nil, deminer.Attr{}, err
	}
	return cpioFile(io.LimitReader(data, maxUnpacked), names)
}

// rpmHeader reads one header: the strings that are needed, and its size.
func rpmHeader(r io.Reader) (tags map[int]string, size int, err error) {
	head := make([]byte, 16)
	if _, err := io.ReadFull(r, head); err != nil || !bytes.HasPrefix(head, []byte{0x8e, 0xad, 0xe8, 0x01}) {
		return nil, 0, errRPM
	}
	count, store := binary.BigEndian.Uint32(head[8:]), binary.BigEndian.Uint32(head[12:])
	if count > maxRPMIndex || store > maxRPMStore {
		return nil, 0, errRPM
	}
	// Read as it comes: a file of a few bytes may say that it has many.
	body, err := io.ReadAll(io.LimitReader(r, int64(count)*16+int64(store)))
	if err != nil || len(body) != int(count)*16+int(store) {
		return nil, 0, errRPM
	}
	index, data := body[:count*16], body[count*16:]
	tags = map[int]string{}
	for ; len(index) > 0; index = index[16:] {
		tag, kind, at := binary.BigEndian.Uint32(index), binary.BigEndian.Uint32(index[4:]), binary.BigEndian.Uint32(index[8:])
		if (tag != tagFormat && tag != tagCompressor) || kind != 6 { // 6 is a string
			continue
		}
		if at >= store {
			return nil, 0, errRPM
		}
		text, _, ok := bytes.Cut(data[at:], []byte{0})
		if !ok {
			return nil, 0, errRPM
		}
		tags[int(tag)] = string(text)
	}
	return tags, 16 + len(body), nil
}

// entry is one entry of a cpio archive of the "new ASCII" kind, cpio(5).
type entry struct {
	name                            string
	ino, mode, uid, gid, links, len uint64
}

// cpioFile takes one regular file out of a cpio archive. Of hard links only the last has the content.
func cpioFile(r io.Reader, names []string) ([]byte, deminer.Attr, error) {
	var linked *entry
	for range maxCpioEntries {
		e, err := cpioEntry(r)
		if err != nil {
			return nil, deminer.Attr{}, err
		}
		if e.name == "TRAILER!!!" {
			return nil, deminer.Attr{}, fmt.Errorf("%w in the package", fs.ErrNotExist)
		}
		const kind, regular = 0o170000, 0o100000
		wanted := e.mode&kind == regular && (slices.Contains(names, path.Clean("/"+e.name)) || linked != nil && e.ino == linked.ino)
		if wanted && e.links > 1 && e.len == 0 {
			linked = &e
			continue
		}
		padded := int64(e.len + (4-e.len%4)%4)
		if !wanted {
			if n, err := io.CopyN(io.Discard, r, padded); err != nil {
				return nil, deminer.Attr{}, fmt.Errorf("read data of package: %d bytes of an entry: %w", n, err)
			}
			continue
		}
		if e.len > maxPacked {
			return nil, deminer.Attr{}, fmt.Errorf("read data of package: a file of %d bytes is over the limit", e.len)
		}
		body, err := io.ReadAll(io.LimitReader(r, int64(e.len)))
		if err != nil || len(body) != int(e.len) {
			return nil, deminer.Attr{}, errors.Join(errRPM, err)
		}
		a := deminer.Attr{Type: deminer.Regular, Mode: uint32(e.mode) & 0o7777, UID: uint32(e.uid), GID: uint32(e.gid), Size: int64(e.len)}
		return body, a, nil
	}
	return nil, deminer.Attr{}, errRPM
}

func cpioEntry(r io.Reader) (e entry, err error) {
	head := make([]byte, cpioHeader)
	if _, err := io.ReadFull(r, head); err != nil {
		return e, errRPM
	}
	if magic := string(head[:6]); magic != "070701" && magic != "070702" {
		return e, errRPM
	}
	var size uint64
	// Fields of 8 hexadecimal digits: 0 inode, 1 mode, 2 owner, 3 group, 4 links, 6 size, 11 length of the name with its NUL.
	for at, to := range map[int]*uint64{0: &e.ino, 1: &e.mode, 2: &e.uid, 3: &e.gid, 4: &e.links, 6: &e.len, 11: &size} {
		if *to, err = strconv.ParseUint(string(head[6+8*at:14+8*at]), 16, 32); err != nil {
			return e, errRPM
		}
	}
	if size == 0 || size > maxCpioName {
		return e, errRPM
	}
	name := make([]byte, size+(4-(cpioHeader+size)%4)%4)
	if _, err := io.ReadFull(r, name); err != nil {
		return e, errRPM
	}
	e.name = string(bytes.TrimRight(name[:size], "\x00"))
	return e, nil
}
