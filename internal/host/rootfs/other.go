//go:build !linux

package rootfs

import (
	"errors"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// FS is not available on this system.
type FS struct{}

// Open gives errors.ErrUnsupported: only Linux has the calls that make it safe.
func Open(string) (*FS, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*FS) Close() error { return nil }

// Open gives errors.ErrUnsupported, as every method here.
func (*FS) Open(string) (host.File, error) { return nil, errors.ErrUnsupported }

// ReadDir gives errors.ErrUnsupported.
func (*FS) ReadDir(string) ([]host.Entry, error) { return nil, errors.ErrUnsupported }

// Lstat gives errors.ErrUnsupported.
func (*FS) Lstat(string) (deminer.Attr, error) { return deminer.Attr{}, errors.ErrUnsupported }

// Stat gives errors.ErrUnsupported.
func (*FS) Stat(string) (deminer.Attr, error) { return deminer.Attr{}, errors.ErrUnsupported }

// ReadLink gives errors.ErrUnsupported.
func (*FS) ReadLink(string) (string, error) { return "", errors.ErrUnsupported }

// Deep gives errors.ErrUnsupported.
func (*FS) Deep(string) (deminer.Attr, error) { return deminer.Attr{}, errors.ErrUnsupported }
