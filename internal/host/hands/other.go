//go:build !linux

package hands

import (
	"errors"
	"os"

	"github.com/deminer/deminer/internal/host"
)

// errOther is why there are no hands here.
var errOther = errors.New("changing a host needs Linux")

// Able says that nothing can be changed here.
func Able(string) error { return errOther }

// Open gives hands on Linux only.
func Open(string, bool) (*host.Hands, error) { return nil, errOther }

// State opens the state directory, on Linux only.
func State(string, string) (*os.Root, error) { return nil, errOther }

// StateRoom checks nothing here.
func StateRoom(*os.Root) func(int64) error { return func(int64) error { return errOther } }

// Lock locks a file, on Linux only.
func Lock(*os.File) error { return errOther }

// LockAccounts takes the password file lock, on Linux only.
func LockAccounts(string) (func(), error) { return nil, errOther }
