package accounts

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// Home is one directory in which a user's own files may lie.
type Home struct {
	Dir  string
	User string // name in passwd; "" for a directory under /home that no account has
	UID  uint32 // of the account, else of the directory
}

// Homes gives each existing home directory of passwd once (the first account in the file has it), then /root, then the
// directories under /home that no account has. Homes that are the root directory or plain system directories such as
// /bin or /dev are left out: what lies there belongs to the system. Sorted by directory.
func Homes(fsys host.FS) []Home {
	text, _ := host.ReadFile(fsys, "/etc/passwd", maxFile) // Read reports what could not be read
	list, _ := parsePasswd(text)
	seen := map[string]bool{}
	var out []Home
	add := func(dir, user string, uid uint32, asOwner bool) {
		dir = path.Clean(dir)
		if seen[dir] || !strings.HasPrefix(dir, "/") || system(dir) {
			return
		}
		seen[dir] = true
		a, err := fsys.Stat(dir)
		if err != nil || a.Type != deminer.Directory {
			return
		}
		if asOwner {
			uid = a.UID
		}
		out = append(out, Home{dir, user, uid})
	}
	for _, a := range list {
		add(a.Home, a.Name, a.UID, false)
	}
	add("/root", "root", 0, false)
	entries, _ := fsys.ReadDir("/home")
	for _, e := range entries {
		add("/home/"+e.Name, "", 0, true)
	}
	slices.SortFunc(out, func(a, b Home) int { return strings.Compare(a.Dir, b.Dir) })
	return out
}

func system(dir string) bool {
	switch dir {
	case "/", "/bin", "/sbin", "/usr/bin", "/usr/sbin", "/dev", "/proc", "/sys", "/etc", "/usr", "/lib", "/nonexistent":
		return true
	}
	return false
}
