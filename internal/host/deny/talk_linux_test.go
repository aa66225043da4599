//go:build linux

package deny

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// talk is what a child says to a server of the test, and how.
type talk struct {
	Addr      string
	WebSocket bool
	Piece     int // bytes in one segment; 0: all at once
	Lines     []string
	Times     int
	Side      int           // so many at once
	Wait      time.Duration // for an answer to the last line
}

// heard is what came of it.
type heard struct{ Refused, Answered, Silent, Other int }

// hello is what both sides say on a WebSocket before the first frame, as far as it matters here.
const (
	hello   = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	welcome = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
	work    = `{"id":1,"result":{"job":"made up"}}` + "\n"
)

// frameOf masks a text as a client does.
func frameOf(text string) []byte {
	out := []byte{0x81}
	if len(text) < 126 {
		out = append(out, 0x80|byte(len(text)))
	} else {
		out = binary.BigEndian.AppendUint16(append(out, 0x80|126), uint16(len(text)))
	}
	var key [4]byte
	_, _ = rand.Read(key[:])
	out = append(out, key[:]...)
	for i := range len(text) {
		out = append(out, text[i]^key[i%4])
	}
	return out
}

func talkAll(arg string) error {
	var t talk
	if err := json.Unmarshal([]byte(arg), &t); err != nil {
		return err
	}
	var mu sync.Mutex
	var sum heard
	var all sync.WaitGroup
	next := make(chan struct{}, t.Times)
	for range t.Times {
		next <- struct{}{}
	}
	close(next)
	for range max(1, t.Side) {
		all.Go(func() {
			for range next {
				err := t.once()
				mu.Lock()
				switch {
				case err == nil:
					sum.Answered++
				case errors.Is(err, syscall.EPERM):
					sum.Refused++
				case errors.Is(err, os.ErrDeadlineExceeded):
					sum.Silent++
				default:
					sum.Other++
					fmt.Fprintln(os.Stderr, err)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return json.NewEncoder(os.Stdout).Encode(sum)
}

func (t *talk) once() error {
	c, err := net.Dial("tcp", t.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	if t.WebSocket {
		if err := t.say(c, []byte(hello)); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, make([]byte, len(welcome))); err != nil {
			return err
		}
	}
	for _, line := range t.Lines {
		b := []byte(line)
		if t.WebSocket {
			b = frameOf(line)
		}
		if err := t.say(c, b); err != nil {
			return err
		}
	}
	if err := c.SetReadDeadline(time.Now().Add(t.Wait)); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 256))
	return err
}

// say sends bytes in pieces, each in a segment of its own (Go's connections do not wait for more).
func (t *talk) say(c net.Conn, b []byte) error {
	for piece := max(1, t.Piece); t.Piece > 0 && len(b) > piece; b = b[piece:] {
		if _, err := c.Write(b[:piece]); err != nil {
			return err
		}
	}
	_, err := c.Write(b)
	return err
}

// pool is a server that answers each line or frame at once, and keeps what it heard.
type pool struct {
	net.Listener
	mu    sync.Mutex
	heard [][]byte
	conns []net.Conn
}

func serve(t testing.TB, addr string, webSocket bool) *pool {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	p := &pool{Listener: l}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			n := len(p.heard)
			p.heard, p.conns = append(p.heard, nil), append(p.conns, c)
			p.mu.Unlock()
			all.Go(func() { p.answer(c, n, webSocket) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		all.Wait()
	})
	return p
}

func (p *pool) answer(c net.Conn, n int, webSocket bool) {
	buf := make([]byte, 64<<10)
	for {
		k, err := c.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.heard[n] = append(p.heard[n], buf[:k]...)
		all := p.heard[n]
		p.mu.Unlock()
		switch {
		case webSocket && string(all) == hello:
			_, err = io.WriteString(c, welcome)
		case webSocket && len(all) <= len(hello):
		case wanted(all, webSocket):
			_, err = io.WriteString(c, work)
		}
		if err != nil {
			return
		}
	}
}

// wanted tells whether what a client said ends with a whole message that is answered.
func wanted(all []byte, webSocket bool) bool {
	text := string(all)
	for rest := all; webSocket; {
		if len(rest) == len(all) {
			rest = rest[len(hello):]
		}
		size, at := 0, 6
		if len(rest) > 8 {
			if size = int(rest[1] & 127); size == 126 {
				size, at = int(binary.BigEndian.Uint16(rest[2:])), 8
			}
		}
		if len(rest) < 8 || len(rest) < at+size {
			return false
		}
		var b strings.Builder
		for i, c := range rest[at : at+size] {
			b.WriteByte(c ^ rest[at-4+i%4])
		}
		if rest, text = rest[at+size:], b.String(); len(rest) == 0 {
			break
		}
	}
	return (webSocket || strings.HasSuffix(text, "\n")) && !strings.HasSuffix(text, mute)
}

// mute is a line that is not answered, so that an answer is one to what comes after it.
const mute = `"params":[["version-rolling"],{}]}` + "\n"

// bytes is all that came, of every connection.
func (p *pool) bytes() (out []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.heard {
		out = append(out, string(b))
	}
	return out
}

// group is a control group of the test's own, the only one whose sockets it touches.
type group struct {
	dir string
	fd  int
}

func newGroup(t testing.TB) group {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to make a control group of its own")
	}
	ctx, err := unix.Fsopen("cgroup2", unix.FSOPEN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ctx)
	if err := unix.FsconfigCreate(ctx); err != nil {
		t.Fatal(err)
	}
	mount, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("deminer-deny-test-%d-%s", os.Getpid(), strings.NewReplacer("/", "-").Replace(t.Name()))
	if err := unix.Mkdirat(mount, name, 0o755); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Openat(mount, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(fd)
		if err := unix.Unlinkat(mount, name, unix.AT_REMOVEDIR); err != nil {
			t.Error(err)
		}
		unix.Close(mount)
	})
	return group{fmt.Sprintf("/proc/self/fd/%d", fd), fd}
}

// start has a child talk in the group.
func (g group) start(t testing.TB, say talk) (cmd *exec.Cmd, ended func() heard) {
	t.Helper()
	arg, err := json.Marshal(say)
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVar+"=talk", argVar+"="+string(arg))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, UseCgroupFD: true, CgroupFD: g.fd}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, func() (h heard) {
		t.Helper()
		_ = cmd.Wait()
		if err := json.Unmarshal(out.Bytes(), &h); err != nil {
			t.Fatalf("talk: %v %s", err, errs.String())
		}
		if errs.Len() > 0 {
			t.Logf("talk: %.300s", errs.String())
		}
		return h
	}
}

func (g group) talk(t testing.TB, say talk) heard {
	t.Helper()
	if say.Times == 0 {
		say.Times = 1
	}
	if say.Wait == 0 {
		say.Wait = 5 * time.Second
	}
	_, ended := g.start(t, say)
	return ended()
}
