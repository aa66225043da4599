package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/deminer/deminer/internal/scan"
	"github.com/spf13/cobra"
)

// used is the processor time of this program, user and system.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkQuick is a quick scan of this machine from the opening of the host to the report.
func BenchmarkQuick(b *testing.B) {
	from := used(b)
	for b.Loop() {
		f := &flags{root: "/", state: b.TempDir(), quiet: true}
		_, _, err := look(b.Context(), &cobra.Command{}, f, scan.Options{Mode: scan.Quick})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((used(b)-from).Milliseconds())/float64(b.N), "cpu-ms/op")
}
