//go:build linux

package scenario

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/deminer/deminer/lab/wallet"
)

func TestEveryScenarioLoads(t *testing.T) {
	names := Names()
	if len(names) < 15 {
		t.Errorf("%d scenarios, want at least 15", len(names))
	}
	for _, name := range names {
		s, err := Load(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Name != name || s.Family == "" || s.Doc == "" {
			t.Errorf("%s: name %q, family %q or doc is not as it should be", name, s.Name, s.Family)
		}
		artefacts, processes := 0, 0
		for _, st := range s.Steps {
			if st.Artefact() {
				artefacts++
			}
			if st.Kind == Process {
				processes++
			}
			for _, text := range []string{st.Text, st.Line, st.Sh, st.Start} {
				if strings.Contains(text, "@POOL") || strings.Contains(text, "@WALLET") || strings.Contains(text, "@KEY") {
					t.Errorf("%s: %q has a word that is not replaced", name, text)
				}
			}
		}
		if artefacts < 4 || processes < 1 {
			t.Errorf("%s: %d artefacts, %d processes", name, artefacts, processes)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, bad := range []string{
		"name: x\nsteps: [{kind: nonsense}]",
		"name: x\nsteps: [{kind: line, path: /etc/hosts}]",
		"name: x\nsteps: [{kind: file, path: etc/hosts}]",
		"name: x\nsteps: [{kind: process, comm: sixteen-letters-x}]",
		"name: x\nsteps: [{kind: file, path: /x, colour: red}]",
		"name: x\nat-work: nobody\nsteps: []",
	} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("Parse took %q", bad)
		}
	}
}

func TestWordsAreWellFormed(t *testing.T) {
	out := string(expand([]byte("@WALLET3@ @KEY2@")))
	w, k, _ := strings.Cut(out, " ")
	if _, err := wallet.Check(w); err != nil {
		t.Errorf("wallet: %v", err)
	}
	if _, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k + " comment")); err != nil {
		t.Errorf("key %q: %v", k, err)
	}
}

func TestHiding(t *testing.T) {
	lib := append([]byte("\x7fELF...DEMINER-LAB-HIDE="), make([]byte, 495)...)
	out, err := Hiding(lib, []string{"a", "b"})
	if err != nil || len(out) != len(lib) || !bytes.Contains(out, []byte("HIDE=a\nb\n\x00")) {
		t.Errorf("Hiding = %q, %v", out, err)
	}
	if _, err := Hiding([]byte("none"), []string{"a"}); err == nil {
		t.Error("Hiding took a file that is not the library")
	}
	if _, err := Hiding(lib, []string{strings.Repeat("x", 600)}); err == nil {
		t.Error("Hiding took a list that does not fit")
	}
}
