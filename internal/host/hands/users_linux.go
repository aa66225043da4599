//go:build linux

package hands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/pid1"
	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// Limits of talking to the managers of users: the far end belongs to somebody who may be the intruder.
const (
	userPatience = 10 * time.Second
	maxManagers  = 4096
)

// ReloadUsers implements host.Units.
func (u *units) ReloadUsers(units []string) (int, error) { return reloadUsers("/run/user", units) }

// reloadUsers asks every manager below the directory of runtime directories (XDG_RUNTIME_DIR of pam_systemd(8)).
func reloadUsers(runtime string, units []string) (asked int, err error) {
	d, err := os.Open(runtime)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("list the managers of users: %w", err)
	}
	names, err := d.Readdirnames(maxManagers)
	if err = errors.Join(err, d.Close()); err != nil && len(names) > 0 {
		return 0, fmt.Errorf("list the managers of users: %w", err)
	}
	var failed []error
	for _, name := range names {
		uid, err := strconv.ParseUint(name, 10, 32)
		if err != nil {
			continue
		}
		err = reloadUser(runtime, uint32(uid), units)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			failed = append(failed, fmt.Errorf("the manager of user %d was not reloaded: %w", uid, err))
		default:
			asked++
		}
	}
	return asked, errors.Join(failed...)
}

func reloadUser(runtime string, uid uint32, units []string) error {
	fd, err := userSocket(runtime, uid)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ctx, cancel := context.WithTimeout(context.Background(), userPatience)
	defer cancel()
	conn, err := pid1.DialAt(ctx, self(fd), peer(uid))
	if err != nil {
		return err
	}
	defer conn.Close()
	manager := conn.Object(pid1.Name, dbus.ObjectPath(pid1.Path))
	if err := manager.CallWithContext(ctx, pid1.Manager+".Reload", 0).Err; err != nil {
		return fmt.Errorf("ask for Reload: %w", err)
	}
	for _, unit := range units {
		// A unit that this user does not have is no failure.
		_ = manager.CallWithContext(ctx, pid1.Manager+".ResetFailedUnit", 0, unit).Err
	}
	return ctx.Err()
}

// userSocket opens the very socket without following links: whoever owns the runtime directory could lead us to the
// socket of somebody else.
func userSocket(runtime string, uid uint32) (int, error) {
	name := runtime + "/" + strconv.FormatUint(uint64(uid), 10) + "/systemd/private"
	fd, err := unix.Openat2(unix.AT_FDCWD, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC | unix.O_NOFOLLOW, Resolve: unix.RESOLVE_NO_SYMLINKS})
	if err != nil {
		return -1, gone(err)
	}
	a, err := attrOf(fd)
	if err == nil && (a.Type != deminer.UnixSock || a.UID != uid) {
		err = fmt.Errorf("%w: %s is not a socket of that user", deminer.ErrProtected, name)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// peer checks that the far end runs as the user.
func peer(uid uint32) func(*net.UnixConn) error {
	return func(c *net.UnixConn) error {
		raw, err := c.SyscallConn()
		if err != nil {
			return err
		}
		var cred *unix.Ucred
		var asked error
		if err := raw.Control(func(fd uintptr) { cred, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil || asked != nil {
			return errors.Join(err, asked)
		}
		if cred.Uid != uid {
			return fmt.Errorf("%w: user %d answers", deminer.ErrProtected, cred.Uid)
		}
		return nil
	}
}
