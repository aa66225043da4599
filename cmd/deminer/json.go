package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// write writes a value as indented JSON. A host of ten thousand processes is many megabytes of it: they are in memory once,
// without the blanks.
func (f *flags) write(cmd *cobra.Command, v any) error {
	out := &prettyJSON{w: bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10)}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	if err == nil {
		err = out.w.Flush()
	}
	if err != nil {
		return fail(exitError, "", "write JSON: %w", err)
	}
	return nil
}

// prettyJSON indents the compact JSON that is written to it by one blank a level, as json.Indent does. JSON may be read on a
// terminal, too: what reorders or hides text is written as an escape, which means the same. Each Write must end at the end of
// a value.
type prettyJSON struct {
	w      *bufio.Writer
	depth  int
	opened bool // the last byte opened an object or a list
}

var _ io.Writer = (*prettyJSON)(nil)

// Write implements io.Writer. Errors of the writer below are kept by it until it is flushed.
func (p *prettyJSON) Write(b []byte) (int, error) {
	for i := 0; i < len(b); {
		c := b[i]
		if c == '"' {
			p.open()
			n := stringEnd(b[i:])
			p.text(b[i : i+n])
			i += n
			continue
		}
		p.mark(c)
		i++
	}
	return len(b), nil
}

// mark writes one byte that is not part of a string.
func (p *prettyJSON) mark(c byte) {
	switch c {
	case '{', '[':
		p.open()
		p.opened = true
		p.depth++
		_ = p.w.WriteByte(c)
	case '}', ']':
		p.depth--
		if !p.opened {
			p.line()
		}
		p.opened = false
		_ = p.w.WriteByte(c)
	case ',':
		_ = p.w.WriteByte(c)
		p.line()
	case ':':
		_, _ = p.w.WriteString(": ")
	default:
		p.open()
		_ = p.w.WriteByte(c)
	}
}

// open begins a line behind the bracket that opened something, now that there is something in it.
func (p *prettyJSON) open() {
	if p.opened {
		p.opened = false
		p.line()
	}
}

func (p *prettyJSON) line() {
	_ = p.w.WriteByte('\n')
	for range p.depth {
		_ = p.w.WriteByte(' ')
	}
}

// text writes a string with its quotes.
func (p *prettyJSON) text(b []byte) {
	for len(b) > 0 {
		n := 0
		for n < len(b) && b[n] < 0x7f {
			n++
		}
		_, _ = p.w.Write(b[:n])
		if b = b[n:]; len(b) == 0 {
			return
		}
		c, size := utf8.DecodeRune(b)
		if b = b[size:]; unicode.IsPrint(c) {
			_, _ = p.w.WriteRune(c)
			continue
		}
		for _, unit := range utf16.Encode([]rune{c}) {
			_, _ = fmt.Fprintf(p.w, "\\u%04x", unit)
		}
	}
}

// stringEnd gives the length of the string that b begins with, its quotes included.
func stringEnd(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}
