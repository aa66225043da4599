//go:build linux

package scenario

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
)

const (
	trailerMark = "DEMINER-LAB-CONF"  // as lab/miner reads it
	hideMark    = "DEMINER-LAB-HIDE=" // as lab/preload/hide.c has it
	hideRoom    = 512 - len(hideMark) - 1
)

// Attach returns the miner program with its configuration appended, as RedTail and
// others carry theirs.
func Attach(program []byte, options map[string]any) ([]byte, error) {
	if len(options) == 0 {
		return program, nil
	}
	conf, err := json.Marshal(options)
	if err != nil {
		return nil, fmt.Errorf("encode miner options: %w", err)
	}
	out := append(bytes.Clone(program), conf...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(conf)))
	return append(out, trailerMark...), nil
}

// Hiding returns the preload library with the names that it hides written in.
func Hiding(library []byte, names []string) ([]byte, error) {
	list := strings.Join(names, "\n") + "\n"
	at := bytes.Index(library, []byte(hideMark+"\x00"))
	if at < 0 || len(list) > hideRoom {
		return nil, fmt.Errorf("no room for %d names in the preload library", len(names))
	}
	out := bytes.Clone(library)
	copy(out[at+len(hideMark):], list)
	return out, nil
}
