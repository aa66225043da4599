// Package live is the eyes on the machine deminer runs on: processes, sockets, kernel state, units and containers.
//
// Nothing on the host is trusted. Everything is asked of the kernel by raw system calls, from a fresh private mount of
// procfs where that can be had, so neither a preloaded library nor a mount over /proc/PID changes what is seen; views
// of the kernel that should agree are compared. No host program is run, no kernel module is made to load, nothing is
// changed. All bytes are taken as hostile: files are read up to a limit, and each parser is a function on bytes.
//
// All build tags of the eyes live here. On systems other than Linux the same names exist and report that they cannot.
package live

import "github.com/deminer/deminer/internal/host"

// The facets of a running host are implemented here.
var (
	_ host.Live   = (*Live)(nil)
	_ host.Inside = (*Live)(nil)
)
