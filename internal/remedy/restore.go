package remedy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// caches are where package managers keep the packages they fetched: apt, dnf, yum, zypper, apk.
func caches() []string {
	return []string{"/var/cache/apt/archives", "/var/cache/dnf", "/var/cache/libdnf5", "/var/cache/yum", "/var/cache/zypp/packages", "/var/cache/apk", "/etc/apk/cache"}
}

// Limits of looking for package files: names, directories, how deep, and how many are unpacked.
const (
	maxPackages    = 50_000
	maxPackageDirs = 2_000
	maxPackageDeep = 6
	maxTries       = 32
)

// unpackers take a file out of a package, by the ending of its name.
var unpackers = map[string]func(io.Reader, []string) ([]byte, deminer.Attr, error){".deb": debFile, ".rpm": rpmFile, ".apk": apkFile}

func restorePackaged() Verb {
	return Verb{Name: deminer.VerbRestore, Doc: "replace a file by the one its package holds", Phase: deminer.PhaseRepair,
		Ready: readyRestore, Do: doChanges, Undo: undoChanges, Holds: contentHolds}
}

// readyRestore takes the file out of a package file of the host. What a package file holds is written only if the package
// database, or the digests the package manager wrote when it was installed, know that very content.
func readyRestore(t *Tools, s deminer.Step) (any, error) {
	if t.Packages == nil {
		return nil, errors.New("restore a packaged file: there is no package database to check it against")
	}
	name, pkg := string(s.Action.Target.Path), string(s.Action.Args["package"])
	if pkg == "" {
		return nil, errors.New("restore a packaged file: no package is given")
	}
	var tried []error
	for _, dir := range slices.Concat(t.PackageFiles, caches()) {
		files, err := t.candidates(dir, pkg, string(s.Action.Args["version"]))
		if err != nil {
			tried = append(tried, err)
		}
		for _, file := range files {
			body, attr, err := t.unpack(file, name)
			if err == nil {
				err = t.verify(name, body)
			}
			if err != nil {
				tried = append(tried, fmt.Errorf("look into %q: %w", file, err))
				continue
			}
			return t.readyReplace(s, body, attr)
		}
	}
	return nil, errors.Join(append([]error{fmt.Errorf("restore %q: no package file of %s with the packaged content is on this host: give one, or reinstall the package", name, deminer.Safe(pkg))}, tried...)...)
}

func (t *Tools) verify(name string, body []byte) error {
	if p := t.Packages.CheckContent(name, bytes.NewReader(body)); p.State != deminer.Intact {
		return fmt.Errorf("its content is not the one the package database knows (%s)", p.State)
	}
	return nil
}

// candidates lists the package files of a package below a directory, the likeliest first and maxTries at most, or the file
// itself where one is given. Names are NAME_VERSION_ARCH.deb with colons written %3a, NAME-VERSION.ARCH.rpm without the epoch,
// NAME-VERSION.HASH.apk. A version that is not there leaves all of the package: the digest decides. The error joins what could
// not be listed; the answer is good all the same.
func (t *Tools) candidates(dir, pkg, version string) ([]string, error) {
	if n, err := t.Hands.Files.Look(dir); err == nil && n.Attr.Type == deminer.Regular {
		return []string{dir}, nil
	}
	pkg, _, _ = strings.Cut(pkg, ":")
	_, bare, epoch := strings.Cut(version, ":")
	if !epoch {
		bare = version
	}
	all, err := t.packageFiles(dir)
	var exact, other []string
	for _, full := range all {
		after := "-"
		if path.Ext(full) == ".deb" {
			after = "_"
		}
		switch name := path.Base(full); {
		case !strings.HasPrefix(name, pkg+after):
		case bare != "" && strings.Contains(name, bare):
			exact = append(exact, full)
		default:
			other = append(other, full)
		}
	}
	list := append(exact, other...)
	if len(list) > maxTries {
		err = errors.Join(err, fmt.Errorf("look into %q: %d package files may be of %s, tried %d: give the one", dir, len(list), deminer.Safe(pkg), maxTries))
	}
	return list[:min(len(list), maxTries)], err
}

// packageFiles lists what has the name of a package file below a directory.
func (t *Tools) packageFiles(dir string) (out []string, err error) {
	type place struct {
		dir  string
		deep int
	}
	var failed []error
	dirs, names := 0, 0
	for todo := []place{{dir, 0}}; len(todo) > 0 && dirs < maxPackageDirs && names < maxPackages; todo = todo[1:] {
		dirs++
		list, err := t.Hands.Files.List(todo[0].dir, maxPackages)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				failed = append(failed, err)
			}
			continue
		}
		names += len(list)
		for _, name := range list {
			full := path.Join(todo[0].dir, name)
			if unpackers[path.Ext(name)] != nil {
				out = append(out, full)
				continue
			}
			if n, err := t.Hands.Files.Look(full); err == nil && n.Attr.Type == deminer.Directory && todo[0].deep < maxPackageDeep {
				todo = append(todo, place{full, todo[0].deep + 1})
			}
		}
	}
	return out, errors.Join(failed...)
}

// unpack takes one file out of a package file.
func (t *Tools) unpack(file, name string) ([]byte, deminer.Attr, error) {
	take := unpackers[path.Ext(file)]
	if take == nil {
		return nil, deminer.Attr{}, errors.New("not the name of a package file: NAME.deb, NAME.rpm or NAME.apk")
	}
	f, err := t.Hands.Files.Open(file)
	if err != nil {
		return nil, deminer.Attr{}, err
	}
	defer f.Close()
	return take(f, t.aliases(name))
}

// aliases are the names under which a package may list a file: packages from before the merge of /usr say /bin/x for /usr/bin/x.
func (t *Tools) aliases(name string) []string {
	name = path.Clean("/" + name)
	out := []string{name}
	for _, dir := range []string{"/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/"} {
		if strings.HasPrefix(name, dir) {
			out = append(out, "/usr"+name)
		}
		if rest, ok := strings.CutPrefix(name, "/usr"); ok && strings.HasPrefix(rest, dir) {
			out = append(out, rest)
		}
	}
	return out
}
