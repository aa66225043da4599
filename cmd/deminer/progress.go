package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/deminer/deminer/internal/scan"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// progress draws one line of bars on standard error while a scan runs, and wipes it at the end. Off a terminal it draws nothing.
type progress struct {
	w      io.Writer
	width  int // characters that fit without a wrap
	mu     sync.Mutex
	order  []string
	stages map[string]scan.Stage
	begin  time.Time
	last   time.Time
}

func newProgress(cmd *cobra.Command, f *flags) *progress {
	p := &progress{stages: map[string]scan.Stage{}, begin: time.Now()}
	if fd, ok := terminal(cmd.ErrOrStderr()); ok && !f.quiet && !f.plain && !f.json && os.Getenv("TERM") != "dumb" {
		p.w, p.width = cmd.ErrOrStderr(), 79
		if w, _, err := term.GetSize(fd); err == nil && w > 1 {
			p.width = w - 1
		}
	}
	return p
}

// step takes note of a stage; it may be called from several goroutines.
func (p *progress) step(s scan.Stage) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.stages[s.Name]; !known {
		p.order = append(p.order, s.Name)
	}
	p.stages[s.Name] = s
	if time.Since(p.last) < 60*time.Millisecond {
		return
	}
	p.last = time.Now()
	var parts []string
	for _, name := range p.order[max(0, len(p.order)-4):] {
		parts = append(parts, bar(p.stages[name]))
	}
	line := []rune(fmt.Sprintf("  %s  %.1f s", strings.Join(parts, "  "), time.Since(p.begin).Seconds()))
	fmt.Fprintf(p.w, "\r\x1b[K%s", string(line[:min(len(line), p.width)])) // a line that wraps could not be wiped
}

// end wipes the line.
func (p *progress) end() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

const barWidth = 8

func bar(s scan.Stage) string {
	if s.Total == 0 {
		if s.Done > 0 {
			return fmt.Sprintf("%s %d", s.Name, s.Done)
		}
		return s.Name + " …"
	}
	full := min(barWidth, s.Done*barWidth/s.Total)
	return fmt.Sprintf("%s %d ▕%s%s▏", s.Name, s.Total, strings.Repeat("█", full), strings.Repeat("░", barWidth-full))
}
