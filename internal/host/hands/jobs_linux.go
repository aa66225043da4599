//go:build linux

package hands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/godbus/dbus/v5"
)

// jobPoll is how often a job is asked for. The private socket of systemd sends no signals to who has not subscribed, and a
// subscription is one more thing to be taken back; a job takes milliseconds to seconds.
const jobPoll = 50 * time.Millisecond

// Job implements host.Units.
func (u *units) Job(unit string, job host.UnitJob) error {
	return u.talk(func(ctx context.Context, conn *dbus.Conn) error {
		var path dbus.ObjectPath
		err := conn.Object(systemdName, systemdPath).CallWithContext(ctx, manager+string(job), 0, unit, "replace").Store(&path)
		if err != nil {
			return fmt.Errorf("ask systemd for %s of %s: %w", job, unit, err)
		}
		if err := await(ctx, conn, path); err != nil {
			return fmt.Errorf("wait for %s of %s: %w", job, unit, err)
		}
		now, err := state(ctx, conn, unit)
		if err != nil {
			return err
		}
		if up := now.Active == "active" || now.Active == "reloading"; up == (job == host.UnitStop) {
			return fmt.Errorf("%s of %s: systemd says it is %s; see its journal", job, unit, deminer.Safe(now.Active))
		}
		return nil
	})
}

// await waits until a job is gone, which is how systemd says that it is done.
func await(ctx context.Context, conn *dbus.Conn, job dbus.ObjectPath) error {
	for {
		_, err := conn.Object(systemdName, job).GetProperty(systemdName + ".Job.State")
		var said dbus.Error
		if errors.As(err, &said) {
			return nil // no such object, in the words of whichever version
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(jobPoll):
		}
	}
}

// State implements host.Units.
func (u *units) State(unit string) (out deminer.Unit, err error) {
	err = u.talk(func(ctx context.Context, conn *dbus.Conn) (err error) {
		out, err = state(ctx, conn, unit)
		return err
	})
	return out, err
}

func state(ctx context.Context, conn *dbus.Conn, unit string) (deminer.Unit, error) {
	out := deminer.Unit{Name: unit}
	var path dbus.ObjectPath
	if err := conn.Object(systemdName, systemdPath).CallWithContext(ctx, manager+"LoadUnit", 0, unit).Store(&path); err != nil {
		return out, fmt.Errorf("ask systemd for %s: %w", unit, err)
	}
	object := conn.Object(systemdName, path)
	var pid uint32
	for _, p := range []struct {
		name string
		to   any
	}{{"Unit.LoadState", &out.Load}, {"Unit.ActiveState", &out.Active}, {"Unit.FragmentPath", &out.Fragment}, {"Service.MainPID", &pid}} {
		v, err := object.GetProperty(systemdName + "." + p.name)
		if err == nil {
			err = v.Store(p.to)
		}
		var said dbus.Error
		if err != nil && !(p.to == &pid && errors.As(err, &said)) { // only services have a process
			return out, fmt.Errorf("ask systemd for %s of %s: %w", p.name, unit, err)
		}
	}
	out.MainPID = int(pid)
	return out, nil
}
