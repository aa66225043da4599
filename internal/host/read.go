package host

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// ReadFile reads a regular file of at most limit bytes; a larger one gives its first limit bytes and ErrTooLarge.
func ReadFile(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return b, fmt.Errorf("read %q: %w", name, err)
	}
	if int64(len(b)) > limit {
		return b[:limit], fmt.Errorf("read %q: %w (%d bytes)", name, ErrTooLarge, limit)
	}
	return b, nil
}

// Exists reports whether the name exists (a dangling link does).
func Exists(fsys FS, name string) bool {
	_, err := fsys.Lstat(name)
	return err == nil
}

// Resolve follows every symbolic link of name inside the root and gives the real path. A missing last element is an
// error; so are more than 40 links.
func Resolve(fsys FS, name string) (string, error) {
	done, rest := "/", strings.TrimPrefix(path.Clean("/"+name), "/")
	for links := 0; rest != ""; {
		elem, tail, _ := strings.Cut(rest, "/")
		next := path.Join(done, elem)
		a, err := fsys.Lstat(next)
		if err != nil {
			return "", err
		}
		if a.Type != deminer.Symlink {
			done, rest = next, tail
			continue
		}
		if links++; links > 40 {
			return "", fmt.Errorf("resolve %q: %w", name, ErrLoop)
		}
		target, err := fsys.ReadLink(next)
		if err != nil {
			return "", err
		}
		if !strings.HasPrefix(target, "/") {
			target = path.Join(done, target)
		}
		done, rest = "/", strings.TrimPrefix(path.Join(path.Clean("/"+target), tail), "/")
	}
	return done, nil
}
