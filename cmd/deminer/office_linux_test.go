package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// told is what a server says, read while it runs.
type told struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *told) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *told) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestServerTells: a server says that it is new, what its certificate is and how it ended; a command beside it knows where it is found.
func TestServerTells(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	call := func(want int, a ...string) string {
		t.Helper()
		var out, errs strings.Builder
		if code := run(t.Context(), a, nil, &out, &errs); code != want {
			t.Fatalf("%v: exit %d, want %d: %s", a, code, want, errs.String())
		}
		return out.String() + errs.String()
	}
	// serve runs a server until during is over, and gives what it said.
	serve := func(during func(said string)) string {
		t.Helper()
		out, pid := &told{}, make(chan int, 1)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() {
			pid <- run(ctx, []string{"server", "--data", data, "--listen", "127.0.0.1:0", "--bus", "127.0.0.1:0", "--name", "one.example"}, nil, out, out)
		}()
		for until := time.Now().Add(20 * time.Second); !strings.Contains(out.String(), "fingerprint"); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("it does not start: %s", out)
			}
		}
		during(out.String())
		stop()
		if code := <-pid; code != exitClean {
			t.Errorf("exit %d: %s", code, out)
		}
		return out.String()
	}
	said := serve(func(said string) {
		_, rest, _ := strings.Cut(said, "https://")
		at, _, _ := strings.Cut(rest, "/")
		if text := call(exitClean, "server", "token", "--data", data); !strings.Contains(text, " --server "+at+" ") || !strings.HasPrefix(at, "one.example:") {
			t.Errorf("the server is at %s, a command beside it says: %s", at, text)
		}
		if text := call(exitBusy, "server", "--data", data); !strings.Contains(text, "a server runs with "+data+" already") {
			t.Errorf("a second server: %s", text)
		}
	})
	if !strings.HasPrefix(said, data+" held no server: a new one was made") || !strings.Contains(said, "SHA-256 fingerprint is ") || !strings.HasSuffix(said, "ended; start it again with the same --data\n") {
		t.Errorf("the first start: %s", said)
	}
	if said := serve(func(string) {}); strings.Contains(said, "held no server") {
		t.Errorf("the second start: %s", said)
	}
}

// TestServerRefuses: a wrong call says what to write instead.
func TestServerRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"write :8443", []string{"--listen", "8443"}}, {"write :4222", []string{"--bus", "4222"}}, {"write HOST:PORT", []string{"--listen", "here"}},
		{file, []string{"--data", file}},
	} {
		var out, errs strings.Builder
		if code := run(t.Context(), append([]string{"server"}, c.args...), nil, &out, &errs); code == exitClean || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%v: exit %d: %s", c.args, code, errs.String())
		}
	}
}
