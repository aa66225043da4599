//go:build linux

package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/pid1"
	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

const partUnits = "live/units"

// Limits of talking to PID 1.
const (
	unitsTime = 5 * time.Second
	maxUnits  = 5000
)

// systemdSocket is where PID 1 itself listens. The system bus is not used: connecting to it may start it.
const systemdSocket = pid1.Socket

// Units asks PID 1 over D-Bus; empty where systemd does not run. Only questions are asked that start nothing.
func (l *Live) Units(ctx context.Context) ([]deminer.Unit, []deminer.Gap) {
	g := &gapList{part: partUnits}
	if _, err := unixStat(systemdSocket); err != nil {
		if errors.Is(err, unix.ENOENT) {
			g.skip("systemd", "it does not run here")
		} else {
			g.fail(systemdSocket, err)
		}
		return nil, g.list
	}
	ctx, cancel := context.WithTimeout(ctx, unitsTime)
	defer cancel()
	conn, err := pid1.Dial(ctx, func(c *net.UnixConn) error { return answeredBy(c, 1) })
	if err != nil {
		g.fail(systemdSocket, err)
		return nil, g.list
	}
	units, err := askUnits(ctx, conn)
	g.fail("systemd", err)
	return units, g.list
}

// dial connects to a local socket; all talk over it ends with the context.
func dial(ctx context.Context, path string) (*net.UnixConn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", path, err)
	}
	if t, ok := ctx.Deadline(); ok {
		c.SetDeadline(t)
	}
	return c.(*net.UnixConn), nil
}

// answeredBy makes sure which process listens at the other end.
func answeredBy(c *net.UnixConn, pid int32) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var err2 error
	err = raw.Control(func(fd uintptr) { cred, err2 = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, err2); err != nil {
		return fmt.Errorf("ask who listens: %w", err)
	}
	if cred.Pid != pid {
		return fmt.Errorf("process %d listens there, not process %d", cred.Pid, pid)
	}
	return nil
}

// listed is one element of the answer to ListUnits, see org.freedesktop.systemd1(5).
type listed struct {
	Name, Description, Load, Active, Sub, Following string
	Path                                            dbus.ObjectPath
	Job                                             uint32
	JobType                                         string
	JobPath                                         dbus.ObjectPath
}

// askUnits lists the units and closes the connection.
func askUnits(ctx context.Context, conn *dbus.Conn) ([]deminer.Unit, error) {
	defer conn.Close()
	var list []listed
	manager := conn.Object(systemdName, "/org/freedesktop/systemd1")
	err := manager.CallWithContext(ctx, systemdName+".Manager.ListUnits", dbus.FlagNoAutoStart).Store(&list)
	if err != nil {
		return nil, fmt.Errorf("list units: %w", err)
	}
	if len(list) > maxUnits {
		list, err = list[:maxUnits], errTooMany
	}
	out := make([]deminer.Unit, len(list))
	for i, u := range list {
		out[i] = deminer.Unit{Name: u.Name, Load: u.Load, Active: u.Active}
	}
	return out, errors.Join(err, details(ctx, conn, list, out))
}

const systemdName = "org.freedesktop.systemd1"

// details adds the unit's file, and the main process of a service. All questions are sent before the answers are read.
func details(ctx context.Context, conn *dbus.Conn, list []listed, out []deminer.Unit) error {
	files, pids := make([]*dbus.Call, len(list)), make([]*dbus.Call, len(list))
	for i, u := range list {
		if u.Load != "loaded" || strings.HasSuffix(u.Name, ".device") {
			continue
		}
		unit := conn.Object(systemdName, u.Path)
		files[i] = get(ctx, unit, systemdName+".Unit", "FragmentPath")
		if strings.HasSuffix(u.Name, ".service") {
			pids[i] = get(ctx, unit, systemdName+".Service", "MainPID")
		}
	}
	var failed error
	for i := range list {
		var file string
		var pid uint32
		if err := answer(ctx, files[i], &file); err != nil {
			failed = fmt.Errorf("ask for the file of unit %q: %w", list[i].Name, err)
		}
		if err := answer(ctx, pids[i], &pid); err != nil {
			failed = fmt.Errorf("ask for the main process of unit %q: %w", list[i].Name, err)
		}
		out[i].Fragment, out[i].MainPID = file, int(pid)
		if ctx.Err() != nil {
			return failed
		}
	}
	return failed
}

func get(ctx context.Context, unit dbus.BusObject, iface, property string) *dbus.Call {
	return unit.GoWithContext(ctx, "org.freedesktop.DBus.Properties.Get", dbus.FlagNoAutoStart, make(chan *dbus.Call, 1), iface, property)
}

// answer waits for a call, if there was one. A unit that has gone meanwhile is no error.
func answer[T any](ctx context.Context, call *dbus.Call, into *T) error {
	if call == nil {
		return nil
	}
	select {
	case <-call.Done:
	case <-ctx.Done():
		return ctx.Err()
	}
	var unknown dbus.Error
	if errors.As(call.Err, &unknown) && strings.Contains(unknown.Name, "Unknown") {
		return nil
	}
	var v dbus.Variant
	if err := call.Store(&v); err != nil {
		return err
	}
	value, ok := v.Value().(T)
	if !ok {
		return errSyntax
	}
	*into = value
	return nil
}
