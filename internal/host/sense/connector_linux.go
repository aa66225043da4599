//go:build linux

package sense

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// connectorKinds is what the proc connector tells, and what it does not.
var connectorKinds = map[deminer.EventKind]string{
	deminer.EventExec:   "program and arguments of what ended before it was looked at",
	deminer.EventFork:   "the start time of what ended before it was looked at",
	deminer.EventExit:   "the end of a process whose first thread ended earlier",
	deminer.EventUID:    "who the process was before",
	deminer.EventPtrace: "changes of registers; attempts that the kernel refused",
}

// connectorRoom is the socket buffer: about 20,000 events.
const connectorRoom = 16 << 20

// connector is the proc connector: the kernel tells over netlink which process did what, and /proc tells the rest while the
// process lives.
type connector struct {
	know  *known
	fd    int
	kinds []deminer.EventKind
	lost  atomic.Uint64
}

func (c *connector) take(want []deminer.EventKind) (map[deminer.EventKind]deminer.Sense, map[deminer.EventKind]string) {
	got, why := map[deminer.EventKind]deminer.Sense{}, map[deminer.EventKind]string{}
	c.fd = -1
	c.kinds = slices.DeleteFunc(slices.Clone(want), func(k deminer.EventKind) bool { _, can := connectorKinds[k]; return !can })
	if len(c.kinds) == 0 {
		return got, why
	}
	err := c.open()
	for _, k := range c.kinds {
		if err != nil {
			why[k] = err.Error()
			continue
		}
		got[k] = deminer.Sense{How: "netlink messages, completed from /proc", Lost: connectorKinds[k]}
	}
	return got, why
}

// open listens. The connector speaks only to the first namespaces, and never says no: it is asked for its acknowledgement.
func (c *connector) open() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_CONNECTOR)
	if err != nil {
		return fmt.Errorf("open the proc connector: %w", err)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, connectorRoom) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, connectorRoom)
	}
	wait := unix.NsecToTimeval(int64(200 * time.Millisecond))
	err = errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
		unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: cnProc}),
		unix.Sendto(fd, connectorRequest(true), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	if err == nil {
		err = acknowledged(fd)
	}
	if err != nil {
		unix.Close(fd)
		return fmt.Errorf("listen to the proc connector: %w", err)
	}
	c.fd = fd
	return nil
}

// acknowledged waits for the first message, which is the answer to the request; silence means that nobody speaks here.
func acknowledged(fd int) error {
	buf := make([]byte, 4096)
	for range 5 {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN {
			break
		}
		if k, ok := from.(*unix.SockaddrNetlink); err == nil && ok && k.Pid == 0 && n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return errors.New("no answer: it speaks only to the first network and PID namespaces")
}

func (c *connector) run(ctx context.Context, see func(deminer.Event)) error {
	buf := make([]byte, 64<<10)
	var boot clock
	for ctx.Err() == nil {
		n, from, err := unix.Recvfrom(c.fd, buf, 0)
		switch err {
		case nil:
		case unix.EINTR, unix.EAGAIN:
			continue
		case unix.ENOBUFS:
			c.lost.Add(1) // how many were lost the kernel does not say: at least one
			continue
		default:
			return fmt.Errorf("read the proc connector: %w", err)
		}
		// Only the kernel is believed: others may send to the group.
		if k, ok := from.(*unix.SockaddrNetlink); !ok || k.Pid != 0 {
			continue
		}
		parseConnector(buf[:n], func(e deminer.Event, since time.Duration) {
			if !slices.Contains(c.kinds, e.Kind) {
				return
			}
			e.Time = boot.at(monotonic(since))
			c.know.glance(&e)
			see(e)
		})
	}
	return nil
}

// monotonic turns a time of the clock that stops in sleep into one since boot.
func monotonic(since time.Duration) time.Duration {
	var up, run unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &run) != nil {
		return since
	}
	return since + time.Duration(up.Nano()-run.Nano())
}

func (c *connector) drops(add func(deminer.EventKind, uint64)) { add("", c.lost.Load()) }

func (c *connector) close() error {
	if c.fd < 0 {
		return nil
	}
	// The kernel counts listeners; it must not go on for one that is gone.
	_ = unix.Sendto(c.fd, connectorRequest(false), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	err := unix.Close(c.fd)
	c.fd = -1
	return err
}
