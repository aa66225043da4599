//go:build linux

package sense

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

var objects = []string{"kernel_x86_bpfel.o", "kernel_arm64_bpfel.o"}

// TestLayout holds the places of fields in record.go against the types in both objects.
func TestLayout(t *testing.T) {
	for _, name := range objects {
		spec, err := ebpf.LoadCollectionSpec(name)
		if err != nil {
			t.Fatal(err)
		}
		var r, long *btf.Struct
		if err := spec.Types.TypeByName("record", &r); err != nil {
			t.Fatal(err)
		}
		if err := spec.Types.TypeByName("long_record", &long); err != nil {
			t.Fatal(err)
		}
		at := map[string]int{"kind": atKind, "flags": atFlags, "tgid": atTgid, "tid": atTid, "ppid": atPpid, "uid": atUID, "euid": atEUID, "mnt_ns": atMntNS,
			"target": atTarget, "when": atWhen, "start": atStart, "cgroup": atCgroup, "a": atA, "b": atB, "c": atC, "local": atLocal, "remote": atRemote,
			"local_port": atLocalPort, "remote_port": atRemotePort, "family": atFamily, "proto": atProto, "path_len": atPathLen, "data_len": atDataLen,
			"comm": atComm, "head": 0, "path": atPath, "data": atData}
		for _, m := range append(r.Members, long.Members...) {
			if want, ok := at[m.Name]; !ok && m.Name != "more" || ok && int(m.Offset.Bytes()) != want {
				t.Errorf("%s: %s is at %d, read at %d", name, m.Name, m.Offset.Bytes(), want)
			}
			delete(at, m.Name)
		}
		if len(at) != 0 || r.Size != recordSize || long.Size != longSize {
			t.Errorf("%s: not there: %v; sizes %d and %d, want %d and %d", name, at, r.Size, long.Size, recordSize, longSize)
		}
	}
}

// TestObjectsAreCurrent compiles the programs anew, where the compiler that the objects in the tree come from is at hand.
func TestObjectsAreCurrent(t *testing.T) {
	for _, tool := range []string{"clang-14", "llvm-strip-14"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("needs the program " + tool + " (Debian packages clang-14 and llvm-14)")
		}
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, line, ok := strings.Cut(string(doc), "//go:generate ")
	if !ok {
		t.Fatal("doc.go does not say how the objects are made")
	}
	dir := t.TempDir()
	line, _, _ = strings.Cut(line, "\n")
	line = strings.Replace(line, "-target", "-output-dir "+dir+" -target", 1)
	cmd := exec.Command("sh", "-c", line)
	cmd.Env = append(os.Environ(), "GOPACKAGE=sense", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	for _, name := range objects {
		for _, n := range []string{name, strings.TrimSuffix(name, ".o") + ".go"} {
			want, err := os.ReadFile(filepath.Join(dir, n))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(n); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is not what bpf/ makes: go generate ./internal/host/sense (%v)", n, err)
			}
		}
	}
}
