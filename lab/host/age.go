//go:build linux

package host

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// age lists, as a debugfs script, what makes every file of a mounted tree as old as its content: birth and change time
// become the modification time. A real server was installed long before it was broken into; a lab image was not.
func age(tree string) (string, error) {
	var script strings.Builder
	installed := time.Date(2023, 6, 1, 9, 0, 0, 0, time.UTC) // when the lab's server is said to have been set up
	err := filepath.WalkDir(tree, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := os.Lstat(name)
		if err != nil {
			return err
		}
		ino := st.Sys().(*syscall.Stat_t).Ino
		born := st.ModTime().UTC()
		if born.After(installed) && time.Since(born) < 24*time.Hour {
			born = installed // written while the image was made
		}
		at := born.Format("20060102150405")
		fmt.Fprintf(&script, "set_inode_field <%d> crtime %s\nset_inode_field <%d> ctime %s\n", ino, at, ino, at)
		return nil
	})
	return script.String(), err
}

// applyAge runs the script on an unmounted image.
func applyAge(ctx context.Context, image, script string) error {
	file := image + ".age"
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		return err
	}
	defer os.Remove(file)
	return run(ctx, "debugfs", "-w", "-f", file, image)
}
