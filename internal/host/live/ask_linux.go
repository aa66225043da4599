//go:build linux

package live

import (
	"fmt"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// askAll asks netlink for all TCP and UDP sockets of the thread's network namespace.
func askAll() ([]deminer.Socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("open a sock_diag socket: %w", err)
	}
	defer unix.Close(fd)
	limit := unix.Timeval{Sec: 5}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return nil, fmt.Errorf("limit the wait for sock_diag: %w", err)
	}
	var out []deminer.Socket
	buf := make([]byte, 64<<10)
	for _, k := range kinds {
		if err := ask(fd, diagRequest(k.family, k.ipNum), buf, k.proto, &out); err != nil {
			return out, fmt.Errorf("ask for %s sockets: %w", k.file, err)
		}
	}
	return out, nil
}

// ask sends one request and reads the answer; it comes from the kernel, which has port 0.
func ask(fd int, request, buf []byte, proto string, out *[]deminer.Socket) error {
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
			continue
		}
		done, err := parseDiag(buf[:n], proto, func(s deminer.Socket) { *out = append(*out, s) })
		if err != nil || done {
			return err
		}
		if len(*out) > maxSockets {
			return errTooMany
		}
	}
}
