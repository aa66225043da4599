package remedy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// debCache is where apt keeps the packages it fetched.
const debCache = "/var/cache/apt/archives"

// maxPackages bounds how many package files are looked through in one directory.
const maxPackages = 50_000

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
	for _, dir := range append(t.PackageFiles, debCache) {
		files, err := t.candidates(dir, pkg, string(s.Action.Args["version"]))
		if err != nil {
			tried = append(tried, err)
			continue
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

// candidates lists the package files of a package in a directory by name: NAME_VERSION_ARCH.deb with colons written %3a,
// NAME-VERSION.ARCH.rpm. A version that is not there leaves all of the package: the digest decides.
func (t *Tools) candidates(dir, pkg, version string) ([]string, error) {
	names, err := t.Hands.Files.List(dir, maxPackages)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	pkg, _, _ = strings.Cut(pkg, ":")
	var exact, other []string
	for _, name := range names {
		switch full := path.Join(dir, name); {
		case !strings.HasPrefix(name, pkg+"_") && !strings.HasPrefix(name, pkg+"-"), path.Ext(name) != ".deb" && path.Ext(name) != ".rpm":
		case version != "" && strings.Contains(name, strings.ReplaceAll(version, ":", "%3a")):
			exact = append(exact, full)
		default:
			other = append(other, full)
		}
	}
	return append(exact, other...), nil
}

// unpack takes one file out of a package file.
func (t *Tools) unpack(file, name string) ([]byte, deminer.Attr, error) {
	if path.Ext(file) == ".rpm" {
		return nil, deminer.Attr{}, errors.New("rpm package files are not read yet: reinstall the package")
	}
	f, err := t.Hands.Files.Open(file)
	if err != nil {
		return nil, deminer.Attr{}, err
	}
	defer f.Close()
	return debFile(f, t.aliases(name))
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
