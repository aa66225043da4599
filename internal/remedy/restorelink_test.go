//go:build linux

package remedy_test

import (
	"errors"
	"os"
	"testing"

	"github.com/deminer/deminer"
)

// TestReplacingFollowsNoLink: an intruder put a link where the file was that is to be restored. What it leads to is another's.
func TestReplacingFollowsNoLink(t *testing.T) {
	for _, step := range []deminer.Step{
		do(deminer.VerbRestore, file("/usr/bin/ls"), "package", "coreutils", "version", "9.1-r1"),
		do(deminer.VerbCopyFile, file("/usr/bin/ls"), "from", "/usr/bin/good"),
	} {
		w := newWorld(t, false)
		w.runner.Tools.Packages = knows("/usr/bin/ls", "good")
		w.write(t, "/var/cache/apk/coreutils-9.1-r1.0a1b2c3d.apk", string(buildAPK(t, "good")), 0o644)
		w.write(t, "/usr/bin/good", "good", 0o755)
		w.write(t, "/srv/orders.db", "all orders of the year", 0o600)
		must(t, os.Symlink("../../srv/orders.db", w.root+"/usr/bin/ls"))
		if err := w.run(planOf("p", step)); !errors.Is(err, deminer.ErrChanged) {
			t.Errorf("%s through a link: %v, want that it was changed", step.Action.Verb, err)
		}
		holds("/srv/orders.db", "all orders of the year")(t, w)
	}
}
