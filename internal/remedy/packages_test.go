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

// buildDeb makes a package with dpkg-deb that holds /usr/bin/ls.
func buildDeb(t *testing.T, packed, content string) []byte {
	t.Helper()
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/x/DEBIAN", 0o755))
	must(t, os.MkdirAll(dir+"/x/usr/bin", 0o755))
	must(t, os.WriteFile(dir+"/x/DEBIAN/control", []byte("Package: coreutils\nVersion: 1:9.1-1\nArchitecture: amd64\nMaintainer: x <x@example.org>\nDescription: x\n"), 0o644))
	must(t, os.WriteFile(dir+"/x/usr/bin/ls", []byte(content), 0o755))
	must(t, os.Chmod(dir+"/x/usr/bin/ls", 0o755|os.ModeSetuid))
	if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-Z"+packed, "-b", dir+"/x", dir+"/x.deb").CombinedOutput(); err != nil {
		t.Fatalf("the test needs Debian's package dpkg: dpkg-deb: %v: %s", err, out)
	}
	b, err := os.ReadFile(dir + "/x.deb")
	must(t, err)
	return b
}

// packageKind is one kind of packages and where a cache of them has the one that is meant: forged may lie beside good.
type packageKind struct {
	name, version, forged, good string
	build                       func(t *testing.T, content string) []byte
}

func packageKinds() []packageKind {
	const deb, rpm, apk = "/var/cache/apt/archives/coreutils_1%3a9.1-1", "/var/cache/dnf/baseos-0a1b/packages/coreutils-9.1-1.noarch.rpm", "/var/cache/apk/coreutils-9.1-r1.0a1b2c3d.apk"
	kinds := []packageKind{{"apk", "0:9.1-1", apk, apk, func(t *testing.T, c string) []byte { return buildAPK(t, c) }}}
	for _, packed := range []string{"xz", "gzip", "zstd", "none"} {
		kinds = append(kinds, packageKind{"deb/" + packed, "1:9.1-1", deb + "_amd64.deb", deb + "+b2_amd64.deb", func(t *testing.T, c string) []byte { return buildDeb(t, packed, c) }})
	}
	for name, payload := range map[string]string{"gzip": "w9.gzdio", "xz": "w2.xzdio", "zstd": "w3.zstdio", "bzip2": "w9.bzdio", "lzma": "w2.lzdio"} {
		kinds = append(kinds, packageKind{"rpm/" + name, "0:9.1-1", rpm, rpm, func(t *testing.T, c string) []byte { return buildRPM(t, payload, c) }})
	}
	return kinds
}

// TestRestorePackaged restores from the caches of all package managers and from a file that is named, whatever else lies there,
// and believes only what the package database vouches for.
func TestRestorePackaged(t *testing.T) {
	good, forged := strings.Repeat("the real ls\n", 3000), strings.Repeat("another wrapper\n", 99)
	for _, k := range packageKinds() {
		t.Run(k.name, func(t *testing.T) {
			w := newWorld(t, false)
			w.runner.Tools.Packages = knows("/bin/ls", good)
			w.write(t, "/bin/ls", "a wrapper that hides", 0o755)
			w.write(t, "/var/cache/apt/archives/lock", "", 0o640)
			w.write(t, "/pkgs/coreutils_1%3a9.1-1_amd64.deb", "not a package", 0o644)
			step := do(deminer.VerbRestore, file("/bin/ls"), "package", "coreutils", "version", k.version)
			if err := w.run(planOf("none", step)); err == nil || !strings.Contains(err.Error(), "reinstall") {
				t.Errorf("without a package file: %v, want advice", err)
			}
			w.write(t, k.forged, string(k.build(t, forged)), 0o644)
			if err := w.run(planOf("bad", step)); err == nil || !strings.Contains(err.Error(), "package database") {
				t.Errorf("with a forged package: %v", err)
			}
			holds("/bin/ls", "a wrapper that hides")(t, w)
			pkg := k.build(t, good)
			w.write(t, k.good, string(pkg), 0o644)
			w.age(t)
			before := tree(t, w.root)
			w.mustRun(t, planOf("p", step))
			holds("/bin/ls", good)(t, w)
			w.mustUndo(t, "p")
			same(t, before, tree(t, w.root))

			// A file that is gone comes back as packaged, from the cache and from a package file that is named.
			must(t, os.Remove(w.root+"/bin/ls"))
			for _, from := range []string{"cache", "named"} {
				if from == "named" {
					must(t, os.RemoveAll(w.root+"/var/cache"))
					named := "/root/anything" + filepath.Ext(k.good)
					w.write(t, named, string(pkg), 0o600)
					w.runner.Tools.PackageFiles = []string{named}
				}
				before = tree(t, w.root)
				w.mustRun(t, planOf(from, step))
				if d, _ := describe(w.root + "/bin/ls"); !strings.HasPrefix(d, "104755 0:0 ") {
					t.Errorf("%s: restored as %.40s", from, d)
				}
				holds("/bin/ls", good)(t, w)
				w.mustUndo(t, from)
				same(t, before, tree(t, w.root))
			}
		})
	}
}
