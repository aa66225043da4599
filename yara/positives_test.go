package yara

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// positives makes a file for every rule of the sources out of its own strings, and of every third one that is changed or cut.
func positives(t *testing.T, sources []Source) (paths []string) {
	g := rand.New(rand.NewPCG(5, 6))
	dir := t.TempDir()
	write := func(data []byte) {
		p := filepath.Join(dir, fmt.Sprintf("p%d", len(paths)))
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	heads := [][]byte{nil, tinyPE(), tinyPE(), tinyELF(), []byte("#!/bin/sh\n"), []byte("MZ"), []byte("\x7fELF\x02\x01\x01\x00"), []byte("<?php ")}
	for _, s := range sources {
		src, _ := parse(s.Name, s.Text)
		for _, r := range src.rules {
			data := append([]byte(nil), heads[g.IntN(len(heads))]...)
			for _, d := range r.strings {
				for range 1 + g.IntN(2) {
					data = append(data, stringOf(g, d)...)
					data = append(data, []string{"", "\x00", " ", "\n", "\x00\x00\x00", "abc", "."}[g.IntN(7)]...)
				}
			}
			write(data)
			if len(paths)%3 == 0 && len(data) > 0 {
				write(damaged(g, data, 1+g.IntN(20)))
			}
		}
	}
	return paths
}

// stringOf makes bytes that a string should be found in.
func stringOf(g *rand.Rand, d stringDecl) []byte {
	var out []byte
	if d.kind == textString {
		out = []byte(d.text)
	} else {
		out = nodeBytes(g, d.re, nil)
	}
	m := d.mods
	if m.wide && (!m.ascii || g.IntN(2) == 0) {
		out = []byte(widened(string(out)))
	}
	if m.base64 || m.base64wide {
		forms := base64Forms(string(out), d.alphabet)
		out = []byte(forms[g.IntN(len(forms))])
		if !m.base64 {
			out = []byte(widened(string(out)))
		}
	}
	if m.xor {
		key := byte(int(m.xorMin) + g.IntN(int(m.xorMax)-int(m.xorMin)+1))
		for i := range out {
			out[i] ^= key
		}
	}
	for i, c := range out {
		if m.nocase && g.IntN(2) == 0 && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') {
			out[i] = c ^ 0x20
		}
	}
	return out
}

// nodeBytes makes bytes an expression matches; assertions are left to luck.
func nodeBytes(g *rand.Rand, n *node, out []byte) []byte {
	if len(out) > 1<<16 {
		return out
	}
	switch n.op {
	case nSet:
		return append(out, memberOf(g, n.set))
	case nRow:
		for i := range len(n.lit) {
			out = append(out, memberOf(g, n.cell(i).bytes()))
		}
	case nCat:
		for _, s := range n.subs {
			out = nodeBytes(g, s, out)
		}
	case nAlt:
		return nodeBytes(g, n.subs[g.IntN(len(n.subs))], out)
	case nRepeat:
		times := n.min
		if n.max < 0 || n.max > n.min {
			times += g.IntN(3)
		}
		if n.max >= 0 {
			times = min(times, n.max)
		}
		for range times {
			out = nodeBytes(g, n.subs[0], out)
		}
	}
	return out
}

// memberOf picks a byte of a set, letters rather than others.
func memberOf(g *rand.Rand, s byteSet) byte {
	start := g.IntN(256)
	if g.IntN(3) > 0 {
		start = 'a' + g.IntN(26)
	}
	for i := range 256 {
		if b := byte(start + i); s.has(b) {
			return b
		}
	}
	return 0
}
