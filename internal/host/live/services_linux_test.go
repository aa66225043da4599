//go:build linux

package live

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/pid1"
	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

// manager plays PID 1: it answers questions about one service and one device, and reports anything else.
func manager(t *testing.T, c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	if zero, err := r.ReadByte(); err != nil || zero != 0 {
		return
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		switch {
		case line == "AUTH":
			c.Write([]byte("REJECTED EXTERNAL\r\n"))
		case strings.HasPrefix(line, "AUTH EXTERNAL"):
			c.Write([]byte("OK 0123456789abcdef0123456789abcdef\r\n"))
		case line == "BEGIN":
			serve(t, c, r)
			return
		default:
			c.Write([]byte("ERROR\r\n"))
		}
	}
}

func serve(t *testing.T, c net.Conn, r *bufio.Reader) {
	for serial := uint32(1); ; serial++ {
		m, err := dbus.DecodeMessage(r)
		if err != nil {
			return
		}
		if m.Flags&dbus.FlagNoAutoStart == 0 {
			t.Errorf("a question that may start something: %v", m)
		}
		var body any
		switch m.Headers[dbus.FieldMember].Value() {
		case "ListUnits":
			body = []listed{
				{Name: "evil.service", Load: "loaded", Active: "active", Path: "/u/evil", JobPath: "/"},
				{Name: "gone.timer", Load: "not-found", Active: "inactive", Path: "/u/gone", JobPath: "/"},
				{Name: "dev-sda.device", Load: "loaded", Active: "active", Path: "/u/dev", JobPath: "/"},
			}
		case "Get":
			switch m.Body[1] {
			case "FragmentPath":
				body = dbus.MakeVariant("/etc/systemd/system/evil.service")
			case "MainPID":
				body = dbus.MakeVariant(uint32(4242))
			}
		}
		if body == nil {
			t.Errorf("an unknown question: %v", m)
			return
		}
		answer := &dbus.Message{Type: dbus.TypeMethodReply, Body: []any{body}, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldReplySerial: dbus.MakeVariant(m.Serial()), dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(body))}}
		var text bytes.Buffer
		if err := answer.EncodeTo(&text, binary.LittleEndian); err != nil {
			t.Error(err)
			return
		}
		binary.LittleEndian.PutUint32(text.Bytes()[8:], serial)
		c.Write(text.Bytes())
	}
}

func TestAskUnits(t *testing.T) {
	ours, theirs := net.Pipe()
	go manager(t, theirs)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	conn, err := pid1.Greet(ctx, ours)
	if err != nil {
		t.Fatal(err)
	}
	got, err := askUnits(ctx, conn)
	want := []deminer.Unit{
		{Name: "evil.service", Load: "loaded", Active: "active", Fragment: "/etc/systemd/system/evil.service", MainPID: 4242},
		{Name: "gone.timer", Load: "not-found", Active: "inactive"},
		{Name: "dev-sda.device", Load: "loaded", Active: "active"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// A manager that never answers must not hold up the look.
func TestAskUnitsTimeout(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	c, err := dial(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := answeredBy(c, 1); err == nil {
		t.Error("this test was taken for PID 1")
	}
	if _, err := pid1.Greet(ctx, c); err == nil {
		t.Error("a greeting that nobody answers ended well")
	}
}

func TestAskEngine(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containers/json", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "all=1" {
			t.Errorf("got query %q", r.URL.RawQuery)
		}
		w.Write([]byte(`[{"Id":"abc123"},{"Id":"dead","Names":["/x"],"Image":"i","State":"running"},{"Id":"../x"}]`))
	})
	mux.HandleFunc("GET /containers/abc123/json", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(dockerDetail)) })
	server := httptest.NewUnstartedServer(mux)
	path := filepath.Join(t.TempDir(), "docker.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	defer server.Close()
	l, g := opened(t), &gapList{}
	got, err := l.engine(t.Context(), "docker", path, g)
	if err != nil || len(got) != 2 || got[0].Name != "web" || got[1].Name != "x" || !got[1].Running || len(g.list) != 1 {
		t.Errorf("got %+v, gaps %v, %v", got, g.list, err)
	}
	if _, err := l.engine(t.Context(), "docker", path+"2", g); err == nil {
		t.Error("an engine answered that is not there")
	}
}

func TestModuleGuard(t *testing.T) {
	l := opened(t)
	if _, err := statAt(l.proc.fd, "modules", 0); err != nil {
		if err := l.mayAsk("no_such_module_at_all"); err != nil {
			t.Errorf("a kernel that cannot load modules: %v", err)
		}
		return
	}
	if err := l.mayAsk("no_such_module_at_all"); err == nil {
		t.Error("a question is allowed that would load a module")
	}
}

func TestInfo(t *testing.T) {
	i, err := Info("/")
	if err != nil || i.Source != "live" || i.CPUs < 1 || i.Memory == 0 || i.Kernel == "" || i.Boot.IsZero() || i.ID == "" {
		t.Errorf("got %+v, %v", i, err)
	}
	if n := len(i.Self); n < 2 || i.Self[0].Start == 0 || i.Self[n-1].PID != 1 {
		t.Errorf("got self %v", i.Self)
	}
	if _, err := Info(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error for a root that is not there")
	}
}

func TestInfoOfRoot(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		writeFile(t, filepath.Join(root, name), text)
	}
	write("etc/hostname", "web1\n")
	write("usr/lib/os-release", "ID=debian\nPRETTY_NAME=D\n")
	write("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
	write("etc/deminer-lab", deminer.Marker+"\n")
	write("etc/timezone", "Europe/Rome\n")
	got, err := Info(root)
	want := deminer.HostInfo{ID: "0123456789abcdef0123456789abcdef", Name: "web1", OS: "linux", Distro: "D", Like: []string{"debian"},
		Source: "root:" + root, Lab: true, Zone: "Europe/Rome", Root: got.Root}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
