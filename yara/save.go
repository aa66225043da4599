package yara

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Faults of a saved set.
var (
	// ErrForeign is returned for data that is not a saved set.
	ErrForeign = errors.New("not a saved set of rules")
	// ErrVersion is returned for a set that another version of this package saved in another form.
	ErrVersion = errors.New("set of rules was saved in another form")
	// ErrDamaged is returned for a saved set whose checksum does not fit.
	ErrDamaged = errors.New("saved set of rules is damaged")
)

const (
	savedMagic   = "deminer yara\n"
	savedVersion = 1
	maxSaved     = 512 << 20 // bytes of a saved set
)

// saved is what a set is made of: the sources with what they include, not the automata, so that a set can be loaded by every build that reads this form, and what is
// loaded was checked like any source.
type saved struct {
	Externals         map[string]savedValue
	Limits            Limits
	Sources, Includes []savedSource
}

// savedSource is a source; its texts need not be UTF-8.
type savedSource struct{ Name, Namespace, Text []byte }

func savedSourceOf(s Source) savedSource {
	return savedSource{[]byte(s.Name), []byte(s.Namespace), []byte(s.Text)}
}

// savedValue keeps the type of an external variable.
type savedValue struct {
	Bool   *bool    `json:",omitempty"`
	Int    *int64   `json:",omitempty"`
	Float  *float64 `json:",omitempty"`
	String []byte   `json:",omitempty"`
}

func savedOf(x any) (v savedValue) {
	switch x := x.(type) {
	case bool:
		v.Bool = &x
	case int:
		n := int64(x)
		v.Int = &n
	case int64:
		v.Int = &x
	case float64:
		v.Float = &x
	case string:
		v.String = append([]byte{}, x...)
	}
	return v
}

func (v savedValue) value() any {
	switch {
	case v.Bool != nil:
		return *v.Bool
	case v.Int != nil:
		return *v.Int
	case v.Float != nil:
		return *v.Float
	}
	return string(v.String)
}

// Save writes the set with a version and a checksum (SHA-256). Load reads it.
func (r *Rules) Save(w io.Writer) error {
	out := saved{Externals: map[string]savedValue{}, Limits: r.limits}
	for name, x := range r.made.Externals {
		out.Externals[name] = savedOf(x)
	}
	for _, s := range r.sources {
		out.Sources = append(out.Sources, savedSourceOf(s))
	}
	for name, text := range r.includes {
		out.Includes = append(out.Includes, savedSourceOf(Source{Name: name, Text: text}))
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("save rules: %w", err)
	}
	sum := sha256.Sum256(body)
	head := append([]byte(savedMagic), 0, savedVersion)
	head = append(head, sum[:]...)
	head = binary.BigEndian.AppendUint64(head, uint64(len(body)))
	if _, err = w.Write(append(head, body...)); err != nil {
		return fmt.Errorf("save rules: %w", err)
	}
	return nil
}

// Load reads what Save wrote and compiles it. Nothing outside of it is read: included sources are in it. The checksum tells damage, not intent; who must trust a set
// signs it. Errors wrap ErrForeign, ErrVersion or ErrDamaged, or are those of Compile.
func Load(rd io.Reader) (*Rules, error) {
	head := make([]byte, len(savedMagic)+2+sha256.Size+8)
	if _, err := io.ReadFull(rd, head); err != nil || string(head[:len(savedMagic)]) != savedMagic {
		return nil, fmt.Errorf("load rules: %w", ErrForeign)
	}
	rest := head[len(savedMagic):]
	if version := binary.BigEndian.Uint16(rest); version != savedVersion {
		return nil, fmt.Errorf("load rules: %w: version %d, this is %d", ErrVersion, version, savedVersion)
	}
	size := binary.BigEndian.Uint64(rest[2+sha256.Size:])
	if size > maxSaved {
		return nil, fmt.Errorf("load rules: %w: %d bytes", ErrDamaged, size)
	}
	body, err := io.ReadAll(io.LimitReader(rd, int64(size)+1))
	sum := sha256.Sum256(body)
	if err != nil || uint64(len(body)) != size || !bytes.Equal(sum[:], rest[2:2+sha256.Size]) {
		return nil, fmt.Errorf("load rules: %w", ErrDamaged)
	}
	var s saved
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, fmt.Errorf("load rules: %w: %w", ErrDamaged, err)
	}
	opt := Options{Limits: s.Limits, Externals: map[string]any{}}
	for name, v := range s.Externals {
		opt.Externals[name] = v.value()
	}
	includes := map[string]string{}
	for _, i := range s.Includes {
		includes[string(i.Name)] = string(i.Text)
	}
	var sources []Source
	for _, x := range s.Sources {
		sources = append(sources, Source{string(x.Name), string(x.Namespace), string(x.Text)})
	}
	return compile(opt, includes, sources)
}
