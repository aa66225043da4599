//go:build linux

package manifest

import (
	"fmt"
	"maps"
	"sort"
	"strings"
)

// Change is one difference between two trees.
type Change struct {
	Name string   `json:"name"`
	What []string `json:"what"` // "appeared", "vanished", or which fields differ with both values
}

// String shows the change on one line; names and values are quoted.
func (c Change) String() string {
	return fmt.Sprintf("%q: %s", c.Name, strings.Join(c.What, ", "))
}

// Strict says which fields count in a comparison.
type Strict int

// How strict a comparison is.
const (
	// Bytes compares existence, type, content, mode, owner, xattrs and flags, and
	// not times: after an intruder and a cleaner wrote a file, its old time is lost.
	Bytes Strict = iota
	// Exact also compares the modification times of all but directories.
	Exact
	// Everything also compares the modification times of directories.
	Everything
)

// Diff lists what is different in b, in the order of names.
func Diff(a, b Tree, strict Strict) []Change {
	var out []Change
	for name, x := range a {
		y, ok := b[name]
		if !ok {
			out = append(out, Change{name, []string{"vanished"}})
		} else if what := compare(x, y, strict); len(what) > 0 {
			out = append(out, Change{name, what})
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			out = append(out, Change{name, []string{"appeared"}})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

func compare(x, y Entry, strict Strict) []string {
	var what []string
	differs := func(field string, a, b any) {
		if a != b {
			what = append(what, fmt.Sprintf("%s %v, was %v", field, b, a))
		}
	}
	differs("type", x.Type, y.Type)
	differs("mode", fmt.Sprintf("%#o", x.Mode), fmt.Sprintf("%#o", y.Mode))
	differs("uid", x.UID, y.UID)
	differs("gid", x.GID, y.GID)
	differs("size", x.Size, y.Size)
	differs("sha256", x.SHA256, y.SHA256)
	differs("link", fmt.Sprintf("%q", x.Link), fmt.Sprintf("%q", y.Link))
	differs("dev", x.Dev, y.Dev)
	differs("flags", fmt.Sprintf("%#x", x.Flags), fmt.Sprintf("%#x", y.Flags))
	if !maps.Equal(x.Xattr, y.Xattr) {
		what = append(what, fmt.Sprintf("xattrs %v, were %v", y.Xattr, x.Xattr))
	}
	if strict == Everything || strict == Exact && x.Type != "dir" {
		differs("mtime", x.Mtime, y.Mtime)
	}
	return what
}
