//go:build linux

package hands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/deminer/deminer/internal/host/pid1"
	"github.com/godbus/dbus/v5"
)

// units is host.Units over the system bus.
type units struct{}

const (
	systemdName = "org.freedesktop.systemd1"
	systemdPath = "/org/freedesktop/systemd1"
	manager     = systemdName + ".Manager."
	// busPatience is how long systemd may take; a reload on a host with thousands of units takes seconds.
	busPatience = 90 * time.Second
)

// Running implements host.Units, by the test of sd_booted(3).
func (u *units) Running() bool {
	_, err := os.Lstat("/run/systemd/system")
	return err == nil
}

// Reload implements host.Units.
func (u *units) Reload() error { return u.call("Reload") }

// ResetFailed implements host.Units.
func (u *units) ResetFailed(unit string) error {
	err := u.call("ResetFailedUnit", unit)
	var said dbus.Error
	if errors.As(err, &said) && said.Name == systemdName+".NoSuchUnit" {
		return nil
	}
	return err
}

func (u *units) call(method string, args ...any) error {
	return u.talk(func(ctx context.Context, conn *dbus.Conn) error {
		if err := conn.Object(systemdName, systemdPath).CallWithContext(ctx, manager+method, 0, args...).Err; err != nil {
			return fmt.Errorf("ask systemd for %s: %w", method, err)
		}
		return nil
	})
}

// talk asks systemd over its private socket, which needs no bus daemon, else over the system bus.
func (u *units) talk(say func(context.Context, *dbus.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), busPatience)
	defer cancel()
	conn, err := u.dial(ctx)
	if err != nil {
		return fmt.Errorf("talk to systemd: %w", err)
	}
	defer conn.Close()
	return say(ctx, conn)
}

func (u *units) dial(ctx context.Context) (*dbus.Conn, error) {
	private, err := pid1.Dial(ctx, nil)
	if err == nil {
		return private, nil
	}
	bus, second := dbus.Dial("unix:path=/run/dbus/system_bus_socket", dbus.WithContext(ctx))
	if second != nil {
		return nil, errors.Join(err, second)
	}
	if second = errors.Join(bus.Auth(nil), bus.Hello()); second != nil {
		bus.Close()
		return nil, errors.Join(err, second)
	}
	return bus, nil
}
