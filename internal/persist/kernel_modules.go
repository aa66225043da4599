package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// listModules lists what loads kernel modules at boot, what modprobe runs instead of loading one, and module files that
// lie outside /lib/modules or that no package brought.
func listModules(l *Lister) {
	listLines(l, []lineRule{
		{files: []string{"/etc/modules", "/etc/modules-load.d/*.conf", "/run/modules-load.d/*.conf", "/usr/local/lib/modules-load.d/*.conf", "/usr/lib/modules-load.d/*.conf", "/etc/initramfs-tools/modules"},
			match: moduleName, user: "root", trigger: "boot: the module is loaded", comment: "#;"},
		{files: []string{"/etc/modprobe.d/*.conf", "/etc/modprobe.conf", "/run/modprobe.d/*.conf", "/usr/local/lib/modprobe.d/*.conf", "/usr/lib/modprobe.d/*.conf", "/lib/modprobe.d/*.conf"},
			match: modprobeRuns, user: "root", trigger: "a module is loaded or removed", join: `\`},
	})
	listFiles(l, []fileRule{{files: []string{"/etc/sysconfig/modules/*.modules"}, user: "root", trigger: "every boot", exec: true, script: true}})
	for _, root := range l.firstAll(l.Glob("/usr/lib/modules", "/lib/modules", "/usr/local/lib/modules")) {
		l.walk([]place{{root, 12, 60_000}}, func(name string, e host.Entry, _ func() (deminer.Attr, error)) {
			if isModule(name) && e.Type == deminer.Regular && foreignModule(l, name) {
				addModule(l, name, "")
			}
		})
	}
	l.walk(append(dropPlaces(l), place{"/etc", 2, 5000}, place{"/usr/lib", 1, 5000}, place{"/usr/bin", 1, 10_000}, place{"/var/lib", 2, 5000}), func(name string, e host.Entry, _ func() (deminer.Attr, error)) {
		if isModule(name) && e.Type == deminer.Regular {
			addModule(l, name, "a kernel module outside /lib/modules")
		}
	})
}

func addModule(l *Lister, name, odd string) {
	f := deminer.Foothold{Path: deminer.Raw(name), Name: moduleOf(name), User: "root", Trigger: "the module is loaded by name or for a device", Targets: []string{name}}
	if odd != "" {
		f.Odd = []string{odd}
		f.Trigger = "loaded by hand or by another foothold"
	}
	if text := head(l, name, 4); !strings.HasSuffix(name, ".zst") && !strings.HasSuffix(name, ".xz") && !strings.HasSuffix(name, ".gz") && text != "\x7fELF" {
		f.Disabled = true
		f.Odd = append(f.Odd, "it is no ELF file")
	}
	l.Add(f)
}

// foreignModule reports whether a module in the tree of a kernel is not of a package; where no database can tell, whether
// it lies where packages of the kernel put none.
func foreignModule(l *Lister, name string) bool {
	if owned, known := l.Owned(name); known {
		return !owned
	}
	parts := strings.Split(name, "/modules/")
	rest := strings.SplitN(parts[len(parts)-1], "/", 3)
	return len(rest) < 3 || rest[1] != "kernel"
}

// isModule knows module files, compressed ones too.
func isModule(name string) bool {
	base := path.Base(name)
	for _, ext := range []string{".ko", ".ko.xz", ".ko.gz", ".ko.zst"} {
		if strings.HasSuffix(base, ext) {
			return true
		}
	}
	return false
}

// moduleOf is the name the kernel gives the module of a file.
func moduleOf(name string) string {
	base, _, _ := strings.Cut(path.Base(name), ".ko")
	return strings.ReplaceAll(base, "-", "_")
}

// moduleName matches a line that names one module, with options or without.
func moduleName(text string) (name, command string) {
	name, _ = cutBlank(text)
	return name, ""
}

// modprobeRuns matches the install and remove lines of modprobe.d(5); "/bin/true" and "/bin/false" only forbid a module.
func modprobeRuns(text string) (name, command string) {
	w, rest := fieldsThen(text, 2)
	if len(w) < 2 || w[0] != "install" && w[0] != "remove" || rest == "" {
		return "", ""
	}
	switch rest {
	case "/bin/true", "/bin/false", "/usr/bin/true", "/usr/bin/false":
		return "", ""
	}
	return w[0] + " " + w[1], rest
}
