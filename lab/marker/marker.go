// Package marker guards the imitations of the lab. Everything in the lab that
// behaves like malware asks this package first, so that a copy which leaves the
// lab does nothing at all.
package marker

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Path is the file that only a lab host has.
const Path = "/etc/deminer-lab"

// Line is the exact first line that Path must have.
const Line = "deminer lab host, harmless imitations only"

// ExitCode is what an imitation exits with outside the lab.
const ExitCode = 3

// ErrNoLab says that this machine is not a lab host.
var ErrNoLab = errors.New("this is not a deminer lab host")

// Check returns an error wrapping ErrNoLab unless the file at path starts with Line.
func Check(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoLab, err)
	}
	defer f.Close()
	buf := make([]byte, 256)
	n, _ := f.Read(buf)
	first, _, _ := strings.Cut(string(buf[:n]), "\n")
	if first != Line {
		return fmt.Errorf("%w: first line of %s is not %q", ErrNoLab, path, Line)
	}
	return nil
}
