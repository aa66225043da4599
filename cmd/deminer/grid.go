package main

import (
	"strings"
	"unicode/utf8"

	"github.com/deminer/deminer"
	"github.com/spf13/cobra"
)

// grid writes rows under headings: aligned and cut to the width on a terminal, with a TAB between columns and uncut for a
// pipe. What it is given may be hostile.
type grid struct {
	f    *flags
	cmd  *cobra.Command
	rows [][]string
}

func (f *flags) table(cmd *cobra.Command, head ...string) *grid {
	return &grid{f: f, cmd: cmd, rows: [][]string{head}}
}

func (t *grid) row(cells ...string) {
	for i := range cells {
		cells[i] = deminer.Safe(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// flush writes the table. Columns that are empty throughout are left out; the last one takes what room is left.
func (t *grid) flush() {
	_, onTerminal := terminal(t.cmd.OutOrStdout())
	t.f.page(t.cmd).Table(t.columns(), onTerminal)
}

// columns drops those that are empty.
func (t *grid) columns() [][]string {
	out := make([][]string, len(t.rows))
	for c := range t.rows[0] {
		used := len(t.rows) == 1
		for _, r := range t.rows[1:] {
			used = used || strings.TrimSpace(r[c]) != "" && utf8.ValidString(r[c])
		}
		if used {
			for i, r := range t.rows {
				out[i] = append(out[i], r[c])
			}
		}
	}
	return out
}
