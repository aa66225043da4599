package match

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/deminer/deminer/sigma"
	"golang.org/x/tools/txtar"
)

// Limits of sample files, which are data like the rules.
const (
	maxSamples = 1 << 20  // bytes of one sample file
	maxSample  = 16 << 20 // bytes of one sample, with its padding
)

// Tested is what the samples of one rule said.
type Tested struct {
	Rule   string   `json:"rule"`
	File   string   `json:"file"`             // file of the rules it is in
	Line   int      `json:"line"`             // number of its first line
	Hits   int      `json:"hits"`             // samples that must hit
	Misses int      `json:"misses"`           // samples that must not
	Faults []string `json:"faults,omitempty"` // what is wrong, safe text; without any the rule does what its samples say
}

// Sampled reports whether the rule has a sample of each kind.
func (t *Tested) Sampled() bool { return t.Hits > 0 && t.Misses > 0 }

// Test runs every YARA and Sigma rule of a set that was loaded of one directory over its samples there: samples/yara/RULE.txtar and
// samples/sigma/ID.txtar, or samples/sigma/FILE.txtar for the only rule of FILE.yml. A part of a sample file whose name
// begins with hit must hit, one whose name begins with miss must not. Lists need no samples: each line is its own.
// The error is not nil only if the context ended.
func (s *Set) Test(ctx context.Context, fsys fs.FS) ([]Tested, error) {
	sources := map[string]sigma.LogSource{}
	for _, r := range s.sigma.List() {
		sources[r.File+":"+strconv.Itoa(r.Line)] = r.Source
	}
	alone := map[string]int{}
	for _, r := range s.list {
		alone[r.File]++
	}
	var out []Tested
	for _, r := range s.list {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var names []string
		var ask func([]byte) ([]Hit, error)
		_, name, _ := strings.Cut(r.ID, "/")
		switch r.Format {
		case "yara":
			names = []string{name}
			ask = func(b []byte) ([]Hit, error) { return s.File(ctx, bytes.NewReader(b), int64(len(b))) }
		case "sigma":
			names = []string{name}
			if alone[r.File] == 1 {
				names = append(names, strings.TrimSuffix(path.Base(r.File), path.Ext(r.File)))
			}
			source := sources[r.File+":"+strconv.Itoa(r.Line)]
			ask = func(b []byte) ([]Hit, error) { return s.replay(b, source) }
		default:
			continue
		}
		out = append(out, sampled(fsys, r, names, ask))
	}
	return out, nil
}

// sampled asks for every sample of a rule.
func sampled(fsys fs.FS, r Rule, names []string, ask func([]byte) ([]Hit, error)) Tested {
	t := Tested{Rule: r.ID, File: r.File, Line: r.Line}
	fault := func(format string, args ...any) { t.Faults = append(t.Faults, fmt.Sprintf(format, args...)) }
	text, err := sampleFile(fsys, r.Format, names)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			fault("samples cannot be read: %v", err)
		}
		return t
	}
	for _, f := range txtar.Parse(text).Files {
		want := strings.HasPrefix(f.Name, "hit")
		if !want && !strings.HasPrefix(f.Name, "miss") {
			fault("sample %q: a name begins with hit or miss", f.Name)
			continue
		}
		if want {
			t.Hits++
		} else {
			t.Misses++
		}
		b, err := sampleOf(f)
		if err != nil {
			fault("sample %q: %v", f.Name, err)
			continue
		}
		hits, err := ask(b)
		if err != nil {
			fault("sample %q: %v", f.Name, err)
			continue
		}
		got := false
		for _, h := range hits {
			got = got || h.Rule == r.ID
		}
		if got != want {
			fault("sample %q %s", f.Name, map[bool]string{true: "does not hit", false: "hits"}[want])
		}
	}
	return t
}

func sampleFile(fsys fs.FS, format string, names []string) ([]byte, error) {
	for _, n := range names {
		name := path.Join("samples", format, n+".txtar")
		if !fs.ValidPath(name) || strings.Contains(n, "/") {
			continue
		}
		st, err := fs.Stat(fsys, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		case !st.Mode().IsRegular() || st.Size() > maxSamples:
			return nil, fmt.Errorf("%s is no regular file of at most %d bytes", name, maxSamples)
		}
		return fs.ReadFile(fsys, name)
	}
	return nil, fs.ErrNotExist
}

// sampleOf applies the attributes behind a sample's name: hex (the text is hexadecimal), type=N (put into an ELF header of
// that type), pad=N (filled up with zero bytes to that size).
func sampleOf(f txtar.File) ([]byte, error) {
	b := []byte(f.Data)
	for _, w := range strings.Fields(f.Name)[1:] {
		k, v, _ := strings.Cut(w, "=")
		if k == "hex" && v == "" {
			raw, err := hex.DecodeString(strings.Join(strings.Fields(string(b)), ""))
			if err != nil {
				return nil, err
			}
			b = raw
			continue
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > maxSample {
			return nil, fmt.Errorf("attribute %q: want a number up to %d", w, maxSample)
		}
		switch k {
		case "pad":
			b = append(b, make([]byte, max(0, n-len(b)))...)
		case "type":
			const magic = 7 // bytes of the mark and what follows it in e_ident
			head := make([]byte, 64)
			copy(head, b[:min(magic, len(b))])
			binary.LittleEndian.PutUint16(head[16:], uint16(n))
			b = append(head, b[min(magic, len(b)):]...)
		default:
			return nil, fmt.Errorf("unknown attribute %q: hex, pad=N and type=N are known", w)
		}
	}
	return b, nil
}
