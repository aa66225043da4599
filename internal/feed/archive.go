package feed

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"
)

// errNotOurs: the content may be right, but an archive is exactly what pack writes, so that no byte of it is beyond the signature.
var errNotOurs = fmt.Errorf("%w: the archive was changed, or not written by deminer", ErrFormat)

// gzipHead is how the gzip stream of a bundle begins: no name, no time, best compression, no system.
var gzipHead = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff}

// tarHeads is room for headers and padding of every file, and for long names.
const tarHeads = (MaxFiles+2)*4096 + 1<<20

// Read reads a bundle from an archive, .tar.gz or .zip as its first bytes say. It unpacks nothing.
func Read(r io.Reader) (*Bundle, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxArchive+1))
	if err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	if len(text) > MaxArchive {
		return nil, fmt.Errorf("%w: an archive of more than %d bytes", ErrLimit, MaxArchive)
	}
	switch {
	case bytes.HasPrefix(text, gzipHead[:2]):
		return readTar(text)
	case bytes.HasPrefix(text, []byte("PK\x03\x04")):
		return readZip(text)
	}
	return nil, fmt.Errorf("%w: neither .tar.gz nor .zip", ErrFormat)
}

func readTar(text []byte) (*Bundle, error) {
	if !bytes.HasPrefix(text, gzipHead) {
		return nil, errNotOurs
	}
	rest := bytes.NewReader(text)
	z, err := gzip.NewReader(rest)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrFormat, err)
	}
	z.Multistream(false)
	const limit = MaxUnpacked + tarHeads
	stream, err := io.ReadAll(io.LimitReader(z, limit+1))
	if len(stream) > limit {
		return nil, fmt.Errorf("%w: it unpacks to more than %d bytes", ErrLimit, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrFormat, err)
	}
	if rest.Len() > 0 {
		return nil, fmt.Errorf("%w: something follows the archive", ErrFormat)
	}
	files, err := untar(stream)
	if err != nil {
		return nil, err
	}
	b, err := assemble(files)
	if err != nil {
		return nil, err
	}
	same := &comparer{want: stream}
	if err := b.tar(same); err != nil || !same.whole() {
		return nil, errNotOurs
	}
	return b, nil
}

// untar reads the files of a tar stream; whatever is no plain file is refused.
func untar(stream []byte) (map[string][]byte, error) {
	files, room := map[string][]byte{}, newRoom()
	in := bytes.NewReader(stream)
	for t := tar.NewReader(in); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrFormat, err)
		}
		if h.Typeflag != tar.TypeReg {
			return nil, fmt.Errorf("%w: %q is no plain file (%s)", ErrFormat, clip(h.Name), kindOf(h.FileInfo().Mode()))
		}
		if err := room.enter(h.Name, h.Size); err != nil {
			return nil, err
		}
		if h.Size > int64(in.Len()) { // a sparse file may claim more than there is; ours never do
			return nil, fmt.Errorf("%w: %q is cut short", ErrFormat, h.Name)
		}
		data := make([]byte, h.Size)
		if _, err := io.ReadFull(t, data); err != nil {
			return nil, fmt.Errorf("%w: %q: %v", ErrFormat, h.Name, err)
		}
		files[h.Name] = data
	}
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a link"
	case m.IsDir():
		return "a directory"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	}
	return "a link or something else"
}

func readZip(text []byte) (*Bundle, error) {
	// The reader makes a record for each entry before anything can be counted.
	if bytes.Count(text, []byte("PK\x01\x02")) > MaxFiles+2 {
		return nil, fmt.Errorf("%w: more than %d files", ErrLimit, MaxFiles)
	}
	z, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrFormat, err)
	}
	files, room := map[string][]byte{}, newRoom()
	for _, f := range z.File {
		if !f.Mode().IsRegular() || f.Method != zip.Store || f.UncompressedSize64 != f.CompressedSize64 {
			return nil, fmt.Errorf("%w: %q is no plain, stored file (%s)", ErrFormat, clip(f.Name), kindOf(f.Mode()))
		}
		if f.UncompressedSize64 > uint64(len(text)) {
			return nil, fmt.Errorf("%w: %q is cut short", ErrFormat, clip(f.Name))
		}
		if err := room.enter(f.Name, int64(f.UncompressedSize64)); err != nil {
			return nil, err
		}
		if files[f.Name], err = readEntry(f); err != nil {
			return nil, fmt.Errorf("%w: %q: %v", ErrFormat, f.Name, err)
		}
	}
	b, err := assemble(files)
	if err != nil {
		return nil, err
	}
	same := &comparer{want: text}
	if err := b.zip(same); err != nil || !same.whole() {
		return nil, errNotOurs
	}
	return b, nil
}

func readEntry(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := make([]byte, f.UncompressedSize64)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, err
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return nil, errors.Join(errors.New("its checksum or size is wrong"), err)
	}
	return data, nil
}

// comparer is a writer that wants what is written to be exactly some bytes.
type comparer struct{ want []byte }

func (c *comparer) Write(p []byte) (int, error) {
	if !bytes.HasPrefix(c.want, p) {
		return 0, errNotOurs
	}
	c.want = c.want[len(p):]
	return len(p), nil
}

func (c *comparer) whole() bool { return len(c.want) == 0 }

// each gives the files in the order of an archive: manifest, signature, and the others by name.
func (b *Bundle) each(f func(name string, data []byte) error) error {
	if err := f(manifestFile, b.raw); err != nil {
		return err
	}
	if err := f(signatureFile, []byte(encodeSignature(b.signature))); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(b.files)) {
		if err := f(name, b.files[name]); err != nil {
			return err
		}
	}
	return nil
}

// stamp is the time of every file in an archive.
func (b *Bundle) stamp() time.Time { return b.Manifest.Created.UTC().Truncate(2 * time.Second) }

func (b *Bundle) tar(w io.Writer) error {
	t := tar.NewWriter(w)
	err := b.each(func(name string, data []byte) error {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o644, ModTime: b.stamp()}); err != nil {
			return err
		}
		_, err := t.Write(data)
		return err
	})
	return errors.Join(err, t.Close())
}

func (b *Bundle) zip(w io.Writer) error {
	z := zip.NewWriter(w)
	err := b.each(func(name string, data []byte) error {
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store, Modified: b.stamp()})
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		return err
	})
	return errors.Join(err, z.Close())
}

// Write packs the bundle into an archive; a name that ends in .zip makes a .zip, every other a .tar.gz.
func (b *Bundle) Write(w io.Writer, name string) error {
	if strings.HasSuffix(name, ".zip") {
		if err := b.zip(w); err != nil {
			return fmt.Errorf("write bundle: %w", err)
		}
		return nil
	}
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	if err := errors.Join(b.tar(z), z.Close()); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}
