package remedy

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/deminer/deminer"
)

// apkFile takes one regular file, listed under any of the names, out of a package of Alpine (apk-package(5), version 2):
// gzip streams with the signature, the description and the files, which together are one tar archive.
func apkFile(in io.Reader, names []string) ([]byte, deminer.Attr, error) {
	r := bufio.NewReaderSize(in, 64<<10)
	if magic, err := r.Peek(3); err == nil && bytes.Equal(magic, []byte("ADB")) {
		return nil, deminer.Attr{}, errors.New("read package: of version 3, which deminer does not know")
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, deminer.Attr{}, fmt.Errorf("read package: %w", err)
	}
	return tarFile(tar.NewReader(io.LimitReader(z, maxUnpacked)), names)
}
