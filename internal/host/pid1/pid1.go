// Package pid1 talks D-Bus to systemd itself, over its private socket, without a bus daemon in between.
//
// systemd answers there only a client that sends its whole greeting at once; the D-Bus library asks first which ways of
// authentication there are, waits, and is then never answered (seen with systemd 252 and godbus 5.2). So this package
// greets by itself and plays systemd's half of the greeting towards the library.
package pid1

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/godbus/dbus/v5"
)

// Socket is where systemd listens.
const Socket = "/run/systemd/private"

// Name, Path and Manager are how systemd is called.
const (
	Name    = "org.freedesktop.systemd1"
	Path    = "/org/freedesktop/systemd1"
	Manager = Name + ".Manager"
)

// Dial connects to systemd as root. check is asked about the connection before anything is said on it; nil asks nothing.
// The deadline of ctx holds for the whole conversation. It fails where systemd does not run.
func Dial(ctx context.Context, check func(*net.UnixConn) error) (*dbus.Conn, error) {
	return DialAt(ctx, Socket, check)
}

// DialAt is Dial to the private socket of another manager, that of a user's (user@.service(5)). Root greets as itself: a
// user's manager lets root do all that its user may.
func DialAt(ctx context.Context, socket string, check func(*net.UnixConn) error) (*dbus.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	if t, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(t) // a local socket takes any deadline
	}
	if check != nil {
		if err := check(c.(*net.UnixConn)); err != nil {
			_ = c.Close()
			return nil, fmt.Errorf("connect to systemd: %w", err)
		}
	}
	conn, err := Greet(ctx, c)
	if err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	return conn, nil
}

// Greet makes a conversation of a fresh connection to systemd. The deadline of c bounds it.
func Greet(ctx context.Context, c net.Conn) (*dbus.Conn, error) {
	// "30" is uid 0 in the hex form that EXTERNAL wants.
	if _, err := io.WriteString(c, "\x00AUTH EXTERNAL 30\r\nBEGIN\r\n"); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(&oneByte{r: c, left: 256}).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("read greeting: %w", err)
	}
	if !strings.HasPrefix(line, "OK ") {
		return nil, fmt.Errorf("systemd refused: %.60q", line)
	}
	conn, err := dbus.NewConn(&play{ReadWriteCloser: c, ok: line}, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	return conn, conn.Auth([]dbus.Auth{dbus.AuthExternal("0")})
}

// oneByte reads a byte at a time, so that nothing behind the greeting is taken; it ends after left bytes.
type oneByte struct {
	r    io.Reader
	left int
}

func (o *oneByte) Read(p []byte) (int, error) {
	if o.left--; o.left < 0 || len(p) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return o.r.Read(p[:1])
}

// play answers the library's greeting in systemd's name and then stands aside.
type play struct {
	io.ReadWriteCloser
	ok     string // systemd's own answer
	answer bytes.Buffer
	begun  bool
}

func (p *play) Write(b []byte) (int, error) {
	if p.begun {
		return p.ReadWriteCloser.Write(b)
	}
	switch said := strings.TrimSpace(strings.TrimPrefix(string(b), "\x00")); {
	case said == "AUTH":
		p.answer.WriteString("REJECTED EXTERNAL\r\n")
	case strings.HasPrefix(said, "AUTH "):
		p.answer.WriteString(p.ok)
	case said == "BEGIN":
		p.begun = true
	}
	return len(b), nil
}

func (p *play) Read(b []byte) (int, error) {
	if p.answer.Len() > 0 {
		return p.answer.Read(b)
	}
	return p.ReadWriteCloser.Read(b)
}
