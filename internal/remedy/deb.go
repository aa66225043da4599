package remedy

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// Limits of reading a package file: what it holds may be hostile, or a bomb.
const (
	maxUnpacked = 4 << 30   // bytes of the inner archive that are gone through
	maxPacked   = 256 << 20 // bytes of the file that is taken out
	maxWindow   = 128 << 20 // bytes of memory for unpacking
	maxDebParts = 64
)

// debFile takes one regular file, listed under any of the names, out of a Debian package (deb(5)): an ar archive whose
// part data.tar.* holds the files.
func debFile(r io.Reader, names []string) ([]byte, deminer.Attr, error) {
	data, err := debData(bufio.NewReaderSize(r, 64<<10))
	if err != nil {
		return nil, deminer.Attr{}, err
	}
	return tarFile(tar.NewReader(io.LimitReader(data, maxUnpacked)), names)
}

// tarFile takes one regular file, listed under any of the names, out of an archive.
func tarFile(in *tar.Reader, names []string) ([]byte, deminer.Attr, error) {
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil, deminer.Attr{}, fmt.Errorf("%w in the package", fs.ErrNotExist)
		}
		if err != nil {
			return nil, deminer.Attr{}, fmt.Errorf("read data of package: %w", err)
		}
		if h.Typeflag != tar.TypeReg || !slices.Contains(names, path.Clean("/"+h.Name)) {
			continue
		}
		if h.Size < 0 || h.Size > maxPacked {
			return nil, deminer.Attr{}, fmt.Errorf("read data of package: a file of %d bytes is over the limit", h.Size)
		}
		body, err := io.ReadAll(io.LimitReader(in, h.Size))
		if err != nil {
			return nil, deminer.Attr{}, fmt.Errorf("read data of package: %w", err)
		}
		a := deminer.Attr{Type: deminer.Regular, Mode: uint32(h.Mode) & 0o7777, UID: uint32(h.Uid), GID: uint32(h.Gid), Size: h.Size}
		return body, a, nil
	}
}

// debData finds the part data.tar.* and unpacks it.
func debData(r *bufio.Reader) (io.Reader, error) {
	magic := make([]byte, 8)
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != "!<arch>\n" {
		return nil, errors.New("read package: not a Debian package")
	}
	head := make([]byte, 60)
	for range maxDebParts {
		if _, err := io.ReadFull(r, head); err != nil {
			return nil, fmt.Errorf("read package: no data in it: %w", err)
		}
		size, err := strconv.ParseInt(strings.TrimSpace(string(head[48:58])), 10, 64)
		if err != nil || size < 0 || !bytes.Equal(head[58:60], []byte("`\n")) {
			return nil, errors.New("read package: a part has no proper header")
		}
		name := strings.TrimSuffix(strings.TrimSpace(string(head[:16])), "/")
		if kind, ok := strings.CutPrefix(name, "data.tar"); ok {
			return inflate(kind, io.LimitReader(r, size))
		}
		if _, err := io.CopyN(io.Discard, r, size+size%2); err != nil {
			return nil, fmt.Errorf("read package: %w", err)
		}
	}
	return nil, errors.New("read package: too many parts")
}

// inflate unpacks by the suffix of the part's name.
func inflate(kind string, r io.Reader) (io.Reader, error) {
	switch kind {
	case "":
		return r, nil
	case ".gz":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("read package: %w", err)
		}
		return z, nil
	case ".xz":
		z, err := xz.ReaderConfig{DictCap: maxWindow}.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("read package: %w", err)
		}
		return z, nil
	case ".lzma":
		z, err := lzma.ReaderConfig{DictCap: maxWindow}.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("read package: %w", err)
		}
		return z, nil
	case ".bz2":
		return bzip2.NewReader(r), nil
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxUnpacked))
		if err != nil {
			return nil, fmt.Errorf("read package: %w", err)
		}
		return z.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("read package: packed by %q, which deminer does not know", deminer.Safe(kind))
}
