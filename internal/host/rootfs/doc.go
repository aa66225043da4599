// Package rootfs is the file system of a host seen through one directory: "/" for the machine deminer runs on, another
// directory for a mounted disk or an unpacked image.
//
// Every name is resolved by the kernel inside that directory (openat2 with RESOLVE_IN_ROOT), or step by step where the
// kernel has no openat2, so that no link of the host leads out of it. Magic links of /proc are not followed. A name is
// first taken with O_PATH, which opens nothing; only a regular file is then opened for reading, the same inode, without
// blocking and without touching its access time where the kernel permits. Automount points are never triggered.
package rootfs

import "errors"

// ErrAutomount: the name lies below an automount point that nothing is mounted on. Going there would make the host
// mount something, perhaps over the network.
var ErrAutomount = errors.New("automount point, not entered")
