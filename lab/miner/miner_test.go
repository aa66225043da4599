//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deminer/deminer/lab/marker"
	"github.com/deminer/deminer/lab/wallet"
)

func TestReadOptionsOrder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, []byte(`{"cpu":{"threads":2},"pools":[{"url":"a:1","user":"me"}],"lab":{"throttle":50}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	own := []byte(`{"cpu":{"threads":3},"lab":{"throttle":30,"touch-mib":9},"roles":{"guard":{"lab":{"idle":true}}}}`)
	for _, c := range []struct {
		name              string
		argv              []string
		threads, throttle int
		idle              bool
		pool, user        string
	}{
		{"trailer alone", []string{"/tmp/x"}, 3, 30, false, "", ""},
		{"role", []string{"/tmp/guard"}, 3, 30, true, "", ""},
		{"file over trailer", []string{"x", "-c", file}, 2, 50, false, "a:1", "me"},
		{"flags over file", []string{"x", "--config=" + file, "--threads", "1", "--throttle", "25"}, 1, 25, false, "a:1", "me"},
		{"as xmrig is called", []string{"x", "-o", "stratum+tcp://203.0.113.7:3333", "-p", "x", "--donate-level", "1", "-k", "--coin", "monero", "-t", "4"}, 4, 30, false, "stratum+tcp://203.0.113.7:3333", wallet.Make(wallet.Mainnet, 0)},
	} {
		o, err := readOptions(filepath.Base(c.argv[0]), c.argv[1:], own)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var url, user string
		if len(o.Pools) > 0 {
			url, user = o.Pools[0].URL, o.Pools[0].User
		}
		if o.CPU.Threads != c.threads || o.Lab.Throttle != c.throttle || o.Lab.Idle != c.idle || url != c.pool || user != c.user {
			t.Errorf("%s: threads %d throttle %d idle %v pool %q user %q, want %+v", c.name, o.CPU.Threads, o.Lab.Throttle, o.Lab.Idle, url, user, c)
		}
	}
	for _, bad := range [][]string{{"x", "--throttle", "0"}, {"x", "--touch-mib", "4096"}, {"x", "-c", "/none"}, {"x", "--nonsense"}} {
		if _, err := readOptions(bad[0], bad[1:], nil); err == nil {
			t.Errorf("readOptions(%q) took it", bad)
		}
	}
}

func TestTrailer(t *testing.T) {
	conf := `{"lab":{}}`
	file := append([]byte("\x7fELF and so on"), conf...)
	file = binary.LittleEndian.AppendUint32(file, uint32(len(conf)))
	file = append(file, trailerMark...)
	if got := trailer(bytes.NewReader(file), int64(len(file))); string(got) != conf {
		t.Errorf("trailer = %q, want %q", got, conf)
	}
	file[len(file)-len(trailerMark)-1] = 0x7f // a length beyond the file
	if got := trailer(bytes.NewReader(file), int64(len(file))); got != nil {
		t.Errorf("trailer with a wrong length = %q, want none", got)
	}
	if got := trailer(strings.NewReader("short"), 5); got != nil {
		t.Errorf("trailer of a short file = %q, want none", got)
	}
}

// TestMemoryShape looks at our own maps as a detector would.
func TestMemoryShape(t *testing.T) {
	if _, err := mapMemory(options{CPU: cpu{Threads: 3}, Lab: labExtra{TouchMiB: 1}}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	sizes, code, resident := map[string]int{}, 0, 0
	var perm string
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.Fields(line)
		switch {
		case len(f) >= 5 && strings.Contains(f[0], "-"):
			perm = f[1]
		case len(f) == 3 && f[0] == "Size:" && perm == "rw-p":
			sizes[f[1]]++
		case len(f) == 3 && f[0] == "Size:" && perm == "r-xp" && f[1] == "64":
			code++
		case len(f) == 3 && f[0] == "Rss:" && len(f[1]) > 6:
			resident++
		}
	}
	if sizes["2129920"] != 1 || sizes["262144"] != 1 || sizes["2048"] < 3 || code != 3 {
		t.Errorf("dataset %d, cache %d, scratchpads %d, code %d; want 1, 1, 3, 3", sizes["2129920"], sizes["262144"], sizes["2048"], code)
	}
	if resident != 0 {
		t.Error("a mapping takes more than 1 GB of real memory")
	}
}

// TestRefusesOutsideLab builds the program and runs it where there is no marker.
func TestRefusesOutsideLab(t *testing.T) {
	if marker.Check(marker.Path) == nil {
		t.Skip("needs a machine without the marker file of the lab")
	}
	bin := filepath.Join(t.TempDir(), "miner")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	out, err := exec.Command(bin, "--threads", "1").CombinedOutput()
	if x, ok := err.(*exec.ExitError); !ok || x.ExitCode() != marker.ExitCode || !strings.Contains(string(out), "refusing to run") {
		t.Errorf("outside the lab: %v %s, want exit %d and a refusal", err, out, marker.ExitCode)
	}
}
