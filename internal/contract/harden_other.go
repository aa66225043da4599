//go:build !linux

package contract

import "errors"

// Harden works on Linux only.
func Harden() error { return errors.ErrUnsupported }
