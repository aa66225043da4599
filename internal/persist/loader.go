package persist

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// maxLoader bounds the reading of a loader, which is about 250 KiB in glibc; bytes.
const maxLoader = 4 << 20

// loaders are the files of the glibc loader, each once.
func loaders(l *Lister) []string {
	return l.firstReal(l.Glob("/lib/ld-linux*.so.*", "/lib64/ld-linux*.so.*", "/lib/*/ld-linux*.so.*", "/lib/ld-2.*.so", "/lib64/ld-2.*.so", "/lib/*/ld-2.*.so", "/lib64/ld64.so.*"))
}

// readLoader gives the paths below /etc that the loader's text names; ok is false where it could not be read or is no ELF file.
func readLoader(l *Lister, name string) (names []string, ok bool) {
	b, err := host.ReadFile(l.Host.FS, name, maxLoader)
	if err != nil {
		l.Fail(name, err)
		return nil, false
	}
	if !bytes.HasPrefix(b, []byte("\x7fELF")) {
		return nil, false
	}
	for rest := b; ; {
		i := bytes.Index(rest, []byte("/etc/"))
		if i < 0 {
			return names, true
		}
		rest = rest[i:]
		n := bytes.IndexByte(rest, 0)
		if n < 0 || n > 128 {
			rest = rest[5:]
			continue
		}
		if s := string(rest[:n]); len(names) < maxTarget && !slices.Contains(names, s) {
			names = append(names, s)
		}
		rest = rest[n:]
	}
}

// patchedPreloads are the files a patched loader reads in place of /etc/ld.so.preload.
func patchedPreloads(l *Lister) []string {
	var out []string
	for _, loader := range loaders(l) {
		names, ok := readLoader(l, loader)
		if !ok || slices.Contains(names, preloadFile) {
			continue
		}
		for _, n := range names {
			if n != "/etc/ld.so.cache" && n != "/etc/ld.so.nohwcap" && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

// listLoader lists a loader whose text no longer names /etc/ld.so.preload: some rootkits patch that path to one of their own.
func listLoader(l *Lister) {
	for _, name := range loaders(l) {
		names, ok := readLoader(l, name)
		if !ok || slices.Contains(names, preloadFile) {
			continue
		}
		f := deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: "every user", Trigger: "start of every program",
			Targets: []string{}, Odd: []string{"it does not name " + preloadFile + "; it names " + strings.Join(names, ", ")}, Remove: noRecipe()}
		for _, n := range names {
			if n != "/etc/ld.so.cache" {
				f.Targets = append(f.Targets, n)
			}
		}
		if own := l.owner(name); own.Package != "" {
			f.Remove = []deminer.Action{restore(name, own)}
		}
		l.Add(f)
	}
}
