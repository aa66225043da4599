package yara

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The oracle is Debian's yara 4.2.3. These helpers run it and the engine on the same rules and files and give both answers in the same words.

// oracle is the path of the program.
func oracle(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("yara")
	if err != nil {
		t.Skip("the program yara (Debian package yara) is not installed")
	}
	return path
}

// oracleScan gives what the oracle says of every file, as sorted lines "namespace:rule [tags]" and "namespace:rule $id offset+length". A file is named by its path.
func oracleScan(t testing.TB, sources []Source, externals map[string]any, files []string) (map[string][]string, error) {
	t.Helper()
	dir := t.TempDir()
	list := filepath.Join(dir, "list")
	if err := os.WriteFile(list, []byte(strings.Join(files, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-w", "-s", "-L", "-e", "-g", "-p", "1"}
	for name, v := range externals {
		args = append(args, "-d", fmt.Sprintf("%s=%v", name, v))
	}
	for i, s := range sources {
		p := filepath.Join(dir, fmt.Sprintf("%d.yar", i))
		if err := os.WriteFile(p, []byte(s.Text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, s.Namespace+":"+p)
	}
	cmd := exec.Command(oracle(t), append(args, "--scan-list", list)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil || bytes.Contains(errs.Bytes(), []byte("error")) {
		return nil, fmt.Errorf("%v: %s", err, errs.Bytes())
	}
	return oracleLines(t, &out), nil
}

func oracleLines(t testing.TB, out *bytes.Buffer) map[string][]string {
	all := map[string][]string{}
	rule, file := "", ""
	in := bufio.NewScanner(out)
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		line := in.Text()
		if strings.HasPrefix(line, "0x") {
			part := strings.SplitN(line, ":", 4)
			if len(part) != 4 {
				t.Fatalf("the oracle wrote %q", line)
			}
			all[file] = append(all[file], fmt.Sprintf("%s %s %s+%s", rule, part[2], part[0], part[1]))
			continue
		}
		end := strings.Index(line, "] ")
		if end < 0 {
			t.Fatalf("the oracle wrote %q", line)
		}
		rule, _, _ = strings.Cut(line, " ")
		file = line[end+2:]
		all[file] = append(all[file], line[:end+1])
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	for _, lines := range all {
		slices.Sort(lines)
	}
	return all
}

// engineLines gives what the engine says, in the same words.
func engineLines(res Result) (lines []string) {
	for _, m := range res.Matches {
		rule := m.Namespace + ":" + m.Rule
		lines = append(lines, fmt.Sprintf("%s [%s]", rule, strings.Join(m.Tags, ",")))
		for _, s := range m.Strings {
			lines = append(lines, fmt.Sprintf("%s %s 0x%x+%d", rule, s.ID, s.Offset, min(s.Length, 512))) // the oracle shows no more
		}
	}
	slices.Sort(lines)
	return lines
}

// difference lists lines that only one of two sorted lists has.
func difference(oracle, engine []string) (out []string) {
	for len(oracle) > 0 || len(engine) > 0 {
		switch {
		case len(engine) == 0 || len(oracle) > 0 && oracle[0] < engine[0]:
			out = append(out, "only the oracle: "+oracle[0])
			oracle = oracle[1:]
		case len(oracle) == 0 || engine[0] < oracle[0]:
			out = append(out, "only the engine: "+engine[0])
			engine = engine[1:]
		default:
			oracle, engine = oracle[1:], engine[1:]
		}
	}
	return out
}

// compareAll runs both on all files and reports the first differences; it gives the number of files that differ.
func compareAll(t testing.TB, sources []Source, externals map[string]any, files []string) (differ, lines int) {
	t.Helper()
	want, err := oracleScan(t, sources, externals, files)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Compile(Options{Externals: externals, Limits: Limits{Hits: 1_000_000, Steps: 1 << 40}}, sources...)
	if err != nil {
		t.Fatalf("the engine refuses what the oracle compiles: %.2000v", err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		res, err := r.Scan(context.Background(), data, ScanOptions{})
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		lines += len(want[f])
		if d := difference(want[f], engineLines(res)); len(d) > 0 {
			if differ++; differ <= 20 {
				t.Errorf("%s: %d differences\n%s", f, len(d), strings.Join(d[:min(len(d), 10)], "\n"))
			}
		}
	}
	return differ, lines
}

func execOutput(prog string, args ...string) (string, error) {
	out, err := exec.Command(prog, args...).CombinedOutput()
	return string(out), err
}
