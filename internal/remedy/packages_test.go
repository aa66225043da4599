//go:build linux

package remedy_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deminer/deminer"
)

// buildRPM makes a package with rpmbuild that holds /usr/bin/ls, a hard link to it, and something before both.
func buildRPM(t *testing.T, payload, content string) []byte {
	t.Helper()
	dir := t.TempDir()
	spec := `Name: coreutils
Version: 9.1
Release: 1
Summary: x
License: x
BuildArch: noarch
%description
x
%install
mkdir -p %{buildroot}/usr/bin
printf before > %{buildroot}/usr/bin/a
cp ` + dir + `/content %{buildroot}/usr/bin/ls
chmod 4755 %{buildroot}/usr/bin/ls
ln %{buildroot}/usr/bin/ls %{buildroot}/usr/bin/zls
%files
/usr/bin/*
`
	must(t, os.WriteFile(dir+"/x.spec", []byte(spec), 0o644))
	must(t, os.WriteFile(dir+"/content", []byte(content), 0o644))
	out, err := exec.Command("rpmbuild", "-bb", "--define", "_topdir "+dir, "--define", "_binary_payload "+payload, "--define", "_build_id_links none", "--define", "__brp_mangle_shebangs %{nil}", dir+"/x.spec").CombinedOutput()
	if err != nil {
		t.Fatalf("the test needs Debian's package rpm: rpmbuild: %v: %s", err, out)
	}
	names, _ := filepath.Glob(dir + "/RPMS/*/*.rpm")
	if len(names) != 1 {
		t.Fatalf("rpmbuild made %v: %s", names, out)
	}
	b, err := os.ReadFile(names[0])
	must(t, err)
	return b
}

// buildAPK makes a package as abuild does: a signature, a description and files, each a gzip stream with a cut of one tar archive.
func buildAPK(t testing.TB, content string) []byte {
	t.Helper()
	var out bytes.Buffer
	part := func(last bool, files ...tar.Header) {
		var plain bytes.Buffer
		w := tar.NewWriter(&plain)
		for _, h := range files {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(content))
			must(t, w.WriteHeader(&h))
			_, err := w.Write([]byte(content))
			must(t, err)
		}
		if last {
			must(t, w.Close())
		} else {
			must(t, w.Flush())
		}
		z := gzip.NewWriter(&out)
		_, err := z.Write(plain.Bytes())
		must(t, err)
		must(t, z.Close())
	}
	part(false, tar.Header{Name: ".SIGN.RSA.x.rsa.pub", Mode: 0o644})
	part(false, tar.Header{Name: ".PKGINFO", Mode: 0o644})
	part(true, tar.Header{Name: "usr/bin/a", Mode: 0o755}, tar.Header{Name: "usr/bin/ls", Mode: 0o4755, Format: tar.FormatPAX, PAXRecords: map[string]string{"APK-TOOLS.checksum.SHA1": strings.Repeat("0", 40)}})
	return out.Bytes()
}

// TestRestoreFromOtherPackages does what TestRestorePackaged does for packages of other systems, from their caches and from a file that is named.
func TestRestoreFromOtherPackages(t *testing.T) {
	good, forged := strings.Repeat("the real ls\n", 3000), strings.Repeat("another wrapper\n", 99)
	type kind struct {
		name, cache string
		build       func(t *testing.T, content string) []byte
	}
	kinds := []kind{{"apk", "/var/cache/apk/coreutils-9.1-r1.0a1b2c3d.apk", func(t *testing.T, c string) []byte { return buildAPK(t, c) }}}
	for name, payload := range map[string]string{"gzip": "w9.gzdio", "xz": "w2.xzdio", "zstd": "w3.zstdio", "bzip2": "w9.bzdio", "lzma": "w2.lzdio"} {
		kinds = append(kinds, kind{"rpm/" + name, "/var/cache/dnf/baseos-0a1b/packages/coreutils-9.1-1.noarch.rpm", func(t *testing.T, c string) []byte { return buildRPM(t, payload, c) }})
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			w := newWorld(t, false)
			w.runner.Tools.Packages = knows("/bin/ls", good)
			w.write(t, "/bin/ls", "a wrapper that hides", 0o755)
			step := do(deminer.VerbRestore, file("/bin/ls"), "package", "coreutils", "version", "0:9.1-1")
			w.write(t, k.cache, string(k.build(t, forged)), 0o644)
			if err := w.run(planOf("bad", step)); err == nil || !strings.Contains(err.Error(), "package database") {
				t.Errorf("with a forged package: %v", err)
			}
			holds("/bin/ls", "a wrapper that hides")(t, w)
			pkg := k.build(t, good)
			w.write(t, k.cache, string(pkg), 0o644)
			w.age(t)
			before := tree(t, w.root)
			w.mustRun(t, planOf("p", step))
			holds("/bin/ls", good)(t, w)
			w.mustUndo(t, "p")
			same(t, before, tree(t, w.root))

			// A file that is gone comes back as packaged, here from a package file that is named.
			must(t, os.RemoveAll(w.root+"/var/cache"))
			must(t, os.Remove(w.root+"/bin/ls"))
			named := "/root/anything" + filepath.Ext(k.cache)
			w.write(t, named, string(pkg), 0o600)
			w.runner.Tools.PackageFiles = []string{named}
			before = tree(t, w.root)
			w.mustRun(t, planOf("q", step))
			if d, _ := describe(w.root + "/bin/ls"); !strings.HasPrefix(d, "104755 0:0 ") {
				t.Errorf("restored as %.40s", d)
			}
			w.mustUndo(t, "q")
			same(t, before, tree(t, w.root))
		})
	}
}
