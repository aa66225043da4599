package pkgdb

import (
	"slices"
	"strconv"
	"testing"
)

// TestIndex: each path gives its packages and no others, up to the last number that a package can have.
func TestIndex(t *testing.T) {
	var x index
	for pkg := range uint32(200) {
		x.add("/own/"+strconv.Itoa(int(pkg)), pkg)
		x.add("/all", pkg)
	}
	x.add("/last", maxPackages-1)
	x.sort()
	for pkg := range uint32(200) {
		if name := "/own/" + strconv.Itoa(int(pkg)); !slices.Equal(x.find(name), []uint32{pkg}) || !x.has(name, pkg) || x.has(name, pkg+1) || !x.has("/all", pkg) {
			t.Errorf("%s: %v", name, x.find(name))
		}
	}
	if got := x.find("/all"); len(got) != 8 {
		t.Errorf("/all: %v", got)
	}
	if got := x.find("/last"); !slices.Equal(got, []uint32{maxPackages - 1}) || maxPackages > 1<<pkgBits {
		t.Errorf("/last: %v", got)
	}
	if got := x.find("/none"); got != nil {
		t.Errorf("/none: %v", got)
	}
}
