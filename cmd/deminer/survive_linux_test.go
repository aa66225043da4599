package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/history"
	"golang.org/x/sys/unix"
)

// These tests run the agent as a process of its own, without a policy: it watches this host and changes nothing on it.

const ownRule = `rule own { meta: strength = "proof" class = "mining" what = "a mark of ours" strings: $a = "MARK-OF-OURS" condition: $a }`

// watcher is an agent as a process.
type watcher struct {
	t     *testing.T
	state string // its directory
	rules string
	out   string // file of what it says
	cmd   *exec.Cmd
	ended chan struct{}
}

func newWatcher(t *testing.T) *watcher {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test needs root")
	}
	dir := t.TempDir()
	w := &watcher{t: t, state: filepath.Join(dir, "state"), rules: filepath.Join(dir, "own.yar"), out: filepath.Join(dir, "out")}
	if err := errors.Join(os.Mkdir(w.state, 0o700), os.WriteFile(w.rules, []byte(ownRule), 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if w.cmd != nil {
			w.end(syscall.SIGKILL)
		}
	})
	return w
}

// start starts the agent, in mounts of its own after some lines of shell, and waits until it watches.
func (w *watcher) start(prepare string, args ...string) {
	w.t.Helper()
	out, err := os.Create(w.out)
	if err != nil {
		w.t.Fatal(err)
	}
	defer out.Close()
	w.cmd = exec.Command("sh", append([]string{"-ec", prepare + "\nexec deminer agent \"$@\"", "sh", "--state", w.state, "--policy", filepath.Join(w.state, "policy"), "--rules", w.rules}, args...)...)
	w.cmd.Stdout, w.cmd.Stderr = out, out
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	cmd, ended := w.cmd, make(chan struct{})
	w.ended = ended
	go func() { _ = cmd.Wait(); close(ended) }()
	w.says(" watches; ")
}

// end sends a signal and waits for the end.
func (w *watcher) end(sig syscall.Signal) {
	w.t.Helper()
	_ = w.cmd.Process.Signal(sig)
	select {
	case <-w.ended:
	case <-time.After(time.Minute):
		_ = w.cmd.Process.Kill()
		w.t.Error("the agent does not end")
	}
	w.cmd = nil
}

// heard is what the agent said since its start.
func (w *watcher) heard() string {
	text, err := os.ReadFile(w.out)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// until waits for something that must come.
func (w *watcher) until(what string, done func() bool) {
	w.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%s: never\nthe agent says\n%s", what, w.heard())
		}
	}
}

func (w *watcher) says(text string) {
	w.t.Helper()
	w.until("says "+text, func() bool { return strings.Contains(w.heard(), text) })
}

// alerts are those about a path, or with a title.
func (w *watcher) alerts(about string) (out []alert.Alert) {
	w.t.Helper()
	dir, err := os.OpenRoot(filepath.Join(w.state, "alerts"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer dir.Close()
	list, _ := (&alert.Book{Dir: dir}).List() // damaged ones are what the test is about
	return slices.DeleteFunc(list, func(a alert.Alert) bool { return string(a.Thing.Path) != about && a.Title != about })
}

// past reads the history as a command does.
func (w *watcher) past() *history.Reader {
	w.t.Helper()
	dir, err := os.OpenRoot(filepath.Join(w.state, "history"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { dir.Close() })
	return history.Read(dir)
}

// imitation starts a program that only waits, and whose content a rule of the test proves to be a miner's.
func (w *watcher) imitation() (path string) {
	w.t.Helper()
	path = w.content()
	cmd := exec.Command(path, "600")
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return path
}

// content is such a program that does not run.
func (w *watcher) content() (path string) {
	w.t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		w.t.Fatal(err)
	}
	content, err := os.ReadFile(sleep)
	if err != nil {
		w.t.Fatal(err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(w.state), "job")
	if err != nil {
		w.t.Fatal(err)
	}
	path = filepath.Join(dir, "worker")
	if err := os.WriteFile(path, append(content, "MARK-OF-OURS"...), 0o755); err != nil {
		w.t.Fatal(err)
	}
	return path
}

const killedTitle = "the agent was killed, or it crashed"

// TestSurvivesKills: the agent is killed with -9 again and again while programs begin. Each is one alert in the end, the history holds
// together up to each cut, the next agent says what happened, and nothing half written stays.
func TestSurvivesKills(t *testing.T) {
	w := newWatcher(t)
	w.start("")
	jobs := []string{w.imitation()}
	w.until("the first alert", func() bool { return len(w.alerts(jobs[0])) == 1 })
	for i := range 4 {
		jobs = append(jobs, w.imitation())
		time.Sleep(time.Duration(i*i) * 100 * time.Millisecond)
		w.end(syscall.SIGKILL)
		if err := w.past().Check(); err != nil {
			t.Errorf("the history after kill %d: %v", i, err)
		}
		w.start("")
	}
	for _, job := range jobs {
		w.until("an alert of "+job, func() bool { return len(w.alerts(job)) > 0 })
	}
	w.until("an alert of the kill", func() bool { return len(w.alerts(killedTitle)) == 1 })
	w.end(syscall.SIGTERM)
	for _, job := range jobs {
		if n := len(w.alerts(job)); n != 1 {
			t.Errorf("%d alerts of %s", n, job)
		}
	}
	found := false
	if err := errors.Join(w.past().Check(), w.past().Query(history.Filter{}, func(e history.Entry) bool { found = found || string(e.Exe) == jobs[0]; return !found })); err != nil || !found {
		t.Errorf("the history: %v, the first program in it: %v", err, found)
	}
	err := filepath.WalkDir(w.state, func(name string, d os.DirEntry, err error) error {
		if err == nil && (strings.HasSuffix(name, ".new") || strings.HasSuffix(name, ".damaged")) {
			t.Errorf("left behind: %s", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if list, _ := filepath.Glob("/sys/fs/bpf/deminer/*"); len(list) > 0 {
		t.Errorf("left behind: %q", list)
	}
}

// TestSurvivesAFullDisk: with no room for its state the agent tells what it finds, and what it cannot do; when there is room again, all of
// it is kept.
func TestSurvivesAFullDisk(t *testing.T) {
	w := newWatcher(t)
	if err := unix.Mount("deminer-test", w.state, "tmpfs", 0, "size=6m,mode=700"); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(w.state, "filler")
	stop := make(chan struct{})
	release := sync.OnceFunc(func() { close(stop) })
	full := make(chan error, 1)
	var filling sync.WaitGroup
	t.Cleanup(func() {
		if w.cmd != nil {
			w.end(syscall.SIGKILL)
		}
		release()
		filling.Wait()
		if err := unix.Unmount(w.state, 0); err != nil {
			t.Error(err)
		}
	})
	w.start("")
	first := w.imitation()
	w.until("the first alert", func() bool { return len(w.alerts(first)) == 1 })
	filling.Go(func() { // whatever becomes free is taken at once
		f, err := os.Create(filler)
		for err == nil {
			select {
			case <-stop:
				full <- errors.Join(f.Close(), os.Remove(filler))
				return
			default:
			}
			if _, err := f.Write(make([]byte, 4096)); err != nil {
				time.Sleep(time.Millisecond)
			}
		}
		full <- err
	})
	w.says("no space left on device")
	job := w.imitation()
	w.until("it is told", func() bool {
		for line := range strings.Lines(w.heard()) {
			if strings.Contains(line, "alert (not kept)") && strings.Contains(line, job) {
				return true
			}
		}
		return false
	})
	w.says("an alert could not be kept, it will be tried again")
	// What the last page of a file has left is room still: enough must begin to fill it, whatever else the host does.
	w.until("it says that the history cannot be written", func() bool {
		_ = exec.Command("true").Run()
		return strings.Contains(w.heard(), "the history cannot be written, it will be tried again")
	})
	if n := len(w.alerts(job)); n != 0 {
		t.Fatalf("%d alerts were kept on a full disk", n)
	}
	release()
	if err := <-full; err != nil {
		t.Fatal(err)
	}
	w.until("it is kept", func() bool { return len(w.alerts(job)) == 1 })
	w.says("the history is written again")
	if n := len(w.alerts(first)); n != 1 {
		t.Errorf("%d alerts of before", n)
	}
	w.end(syscall.SIGTERM)
	if err := w.past().Check(); err != nil {
		t.Error(err)
	}
}

// TestSurvivesDamage: whatever of its state is damaged, the agent names it and goes on with the rest.
func TestSurvivesDamage(t *testing.T) {
	w := newWatcher(t)
	w.start("")
	first := w.imitation()
	w.until("the first alert", func() bool { return len(w.alerts(first)) == 1 })
	id := w.alerts(first)[0].ID
	w.end(syscall.SIGTERM)
	in := func(parts ...string) string { return filepath.Join(append([]string{w.state}, parts...)...) }
	for name, text := range map[string]string{in("alerts", id+".json"): `{"id":`, in("guesses.json"): "[{", in("agent-life.json"): "no life", in("allow.yaml"): "- {sha256: 7",
		in("policy"): "version: 1\nrespond: {freez: proof}\n", in("journal", "20260101-000000.jsonl"): "no record\nneither\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tail, err := os.ReadFile(in("history", "tail"))
	if err != nil || len(tail) < 2000 {
		t.Fatal(err, len(tail))
	}
	tail = slices.Concat(tail[:1000], bytes.Repeat([]byte{0xff}, 64), tail[1064:])
	if err := os.WriteFile(in("history", "tail"), tail, 0o600); err != nil {
		t.Fatal(err)
	}
	w.start("")
	for _, text := range []string{"was put aside as " + id + ".json.damaged", "what was remembered of who guesses passwords: ", "the trail of the agent: ", "the policy of the agent is wrong, and nothing is refused or changed: ",
		"the history of the agent was damaged or changed: ", "20260101-000000"} {
		w.says(text)
	}
	second := w.imitation()
	for _, about := range []string{first, second, "the history of the agent was damaged or changed", "the policy of the agent is wrong, and nothing is refused or changed"} {
		w.until("an alert of "+about, func() bool { return len(w.alerts(about)) == 1 })
	}
	w.end(syscall.SIGTERM)

	// A history that cannot even be opened.
	if err := errors.Join(os.RemoveAll(in("history")), os.WriteFile(in("history"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	w.start("")
	w.says("no history is kept: ")
	third := w.imitation()
	w.until("an alert of the third", func() bool { return len(w.alerts(third)) == 1 })
	w.end(syscall.SIGTERM)
}

// TestSurvivesWithoutSensors leaves out one sensor after the other: the same program and the same foothold become the same alerts, by what
// is left, and the agent says what it sees less well or not at all.
func TestSurvivesWithoutSensors(t *testing.T) {
	best := map[string]found{}
	for _, c := range []struct{ without, says string }{
		{"", ""},
		{"ebpf", "seen less well: exec: by proc-connector"},
		{"fanotify", "seen less well: file: by polling"},
		{"ebpf,proc-connector", "seen less well: exec: by polling"},
		{"ebpf,fanotify,proc-connector,sock-diag", "seen less well: exec: by polling"},
	} {
		t.Run("without "+strings.ReplaceAll(c.without, ",", " "), func(t *testing.T) {
			w := newWatcher(t)
			var args []string
			if c.without != "" {
				args = []string{"--without", c.without}
			}
			w.start("mount -t tmpfs none /etc/cron.d", args...) // seen by this agent alone
			w.says(c.says)
			if strings.Contains(c.without, "ebpf") != strings.Contains(w.heard(), "flow, dns") || strings.Contains(c.without, "fanotify") != strings.Contains(w.heard(), "less well: file: by polling") || c.without == "" && strings.Contains(w.heard(), "less well: exec") {
				t.Errorf("the agent says\n%s", w.heard())
			}
			w.same(best, "program", w.imitation, "a program started whose content the rules know")
			n := 0
			w.same(best, "foothold", func() string {
				n++
				name := fmt.Sprintf("/etc/cron.d/job%d", n)
				line := fmt.Sprintf("0 0 31 2 * root %s 600\n", w.content()) // on a day that never comes, where no cron looks
				if err := os.WriteFile(fmt.Sprintf("/proc/%d/root%s", w.cmd.Process.Pid, name), []byte(line), 0o644); err != nil {
					t.Fatal(err)
				}
				return name
			}, "a place where code comes back was changed")
			w.end(syscall.SIGTERM)
		})
	}
}

// same does something until the agent finds it because of an event, not by chance in a look at the whole host, and compares the alert with
// that of the best sensors.
func (w *watcher) same(best map[string]found, what string, do func() string, trigger string) {
	w.t.Helper()
	for range 8 {
		about := do()
		w.until("an alert of "+about, func() bool { return len(w.alerts(about)) > 0 })
		a := w.alerts(about)[0]
		if !strings.HasPrefix(a.Trigger, trigger) {
			continue
		}
		topics := []string{}
		for _, t := range a.Topics {
			topics = append(topics, string(t))
		}
		slices.Sort(topics)
		got := found{string(a.Grade), strings.Join(topics, " "), len(w.alerts(about))}
		if want, ok := best[what]; ok && got != want {
			w.t.Errorf("%s: %+v, with all sensors %+v", what, got, want)
		} else if !ok {
			best[what] = got
		}
		return
	}
	w.t.Errorf("%s was never found by an event, but by looks at the whole host\nthe agent says\n%s", what, w.heard())
}

// found is what an alert says whatever saw it.
type found struct {
	grade, topics string
	alerts        int
}
