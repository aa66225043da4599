//go:build linux

package deny

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

var objects = []string{"kernel_x86_bpfel.o", "kernel_arm64_bpfel.o"}

// TestLayout holds what Go reads and writes against the types in both objects.
func TestLayout(t *testing.T) {
	for _, name := range objects {
		spec, err := ebpf.LoadCollectionSpec(name)
		if err != nil {
			t.Fatal(err)
		}
		var r *btf.Struct
		if err := spec.Types.TypeByName("record", &r); err != nil {
			t.Fatal(err)
		}
		at := map[string]int{"kind": atKind, "flags": atFlags, "tgid": atTgid, "uid": atUID, "mask": atMask, "when": atWhen, "start": atStart, "cgroup": atCgroup, "cookie": atCookie, "local": atLocal,
			"remote": atRemote, "local_port": atLocalPort, "remote_port": atRemotePort, "family": atFamily, "class": atClass, "data_len": atDataLen, "comm": atComm, "data": atData}
		for _, m := range r.Members {
			if want, ok := at[m.Name]; !ok || int(m.Offset.Bytes()) != want {
				t.Errorf("%s: %s is at %d, read at %d", name, m.Name, m.Offset.Bytes(), want)
			}
			delete(at, m.Name)
		}
		if len(at) != 0 || r.Size != size {
			t.Errorf("%s: not there: %v; size %d, want %d", name, at, r.Size, size)
		}
		for m, want := range map[string][2]uintptr{kernelMapConfig: {4, unsafe.Sizeof(settings{})}, kernelMapPools: {unsafe.Sizeof(poolKey{}), unsafe.Sizeof(poolValue{})}} {
			if got := spec.Maps[m]; uintptr(got.KeySize) != want[0] || uintptr(got.ValueSize) != want[1] {
				t.Errorf("%s: %s holds %d to %d, want %v", name, m, got.KeySize, got.ValueSize, want)
			}
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
	cmd.Env = append(os.Environ(), "GOPACKAGE=deny", "CGO_ENABLED=0")
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
				t.Errorf("%s is not what bpf/ makes: go generate ./internal/host/deny (%v)", n, err)
			}
		}
	}
}
