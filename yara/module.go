package yara

import "strings"

// typeKind is what an expression is known to give before any scan.
type typeKind uint8

const (
	tyAny typeKind = iota // unknown: an element of a list that may be anything
	tyInt
	tyFloat
	tyString
	tyBool
	tyRegex
	tyStruct
	tyArray
	tyDict
	tyFunc
)

var typeNames = [...]string{"value", "integer", "float", "string", "boolean", "regular expression", "structure", "array", "dictionary", "function"}

// typ describes a field of a module.
type typ struct {
	kind     typeKind
	fields   map[string]*typ // of a structure
	elem     *typ            // of an array or a dictionary
	forms    []overload      // of a function
	constant *value
}

// overload is one form of a function. args has a letter for each argument: i integer, f float, s string, b boolean, r regular expression.
type overload struct {
	args   string
	result *typ
	call   func(c *call) value
}

// call is one call of a function of a module.
type call struct {
	s    *scanner
	mod  *object
	args []value
}

// object is a structure, an array or a dictionary of a module, or a regular expression handed to a function.
type object struct {
	fields map[string]value
	items  []value
	re     *matcher
	data   any // what the module's functions work with
}

// module is a part of the condition language that knows more of the data than its bytes.
type module struct {
	root *typ
	// load reads the data of one scan; it is called when a condition first asks for a field that is not a constant. It never fails: what cannot be read stays undefined.
	load func(in *input) *object
	// file says that it reads the format of a file: of memory it knows nothing.
	file bool
}

var (
	typInt    = &typ{kind: tyInt}
	typFloat  = &typ{kind: tyFloat}
	typString = &typ{kind: tyString}
	typBool   = &typ{kind: tyBool}
	typRegex  = &typ{kind: tyRegex}
)

type fields map[string]*typ

func structType(f fields) *typ { return &typ{kind: tyStruct, fields: f} }
func arrayType(e *typ) *typ    { return &typ{kind: tyArray, elem: e} }
func dictType(e *typ) *typ     { return &typ{kind: tyDict, elem: e} }

// fn gives a function; its forms are tried in order.
func fn(forms ...overload) *typ { return &typ{kind: tyFunc, forms: forms} }

// allOf names fields of one type.
func (f fields) allOf(t *typ, names string) fields {
	for _, n := range strings.Fields(names) {
		f[n] = t
	}
	return f
}

// constants adds named numbers.
func (f fields) constants(list map[string]int64) fields {
	for n, v := range list {
		c := intValue(v)
		f[n] = &typ{kind: tyInt, constant: &c}
	}
	return f
}

// newStruct gives a structure without values: every field is undefined.
func newStruct() *object { return &object{fields: map[string]value{}} }

func (o *object) setInt(name string, v int64) { o.fields[name] = intValue(v) }
func (o *object) setStr(name, v string)       { o.fields[name] = strValue(v) }
func (o *object) set(name string, v *object)  { o.fields[name] = value{kind: vObject, obj: v} }
func (o *object) add(v *object)               { o.items = append(o.items, value{kind: vObject, obj: v}) }
func objectValue(o *object) value             { return value{kind: vObject, obj: o} }
func (o *object) setInts(list map[string]int64) {
	for n, v := range list {
		o.fields[n] = intValue(v)
	}
}

// module gives the object of a module, read once a scan.
func (s *scanner) module(i int) *object {
	if s.mods == nil {
		s.mods = make([]*object, len(s.r.modules))
	}
	if s.mods[i] == nil {
		m := s.r.modules[i]
		if m.load == nil || s.memory && m.file {
			s.mods[i] = newStruct()
		} else {
			s.mods[i] = m.load(&input{s: s, size: s.size})
		}
	}
	return s.mods[i]
}

// field evaluates a module, a field, an element or a call.
func (s *scanner) field(e *expr) value {
	if e.op == opModule {
		return objectValue(s.module(e.num))
	}
	base := s.eval(e.kids[0])
	if base.kind != vObject {
		return value{}
	}
	switch e.op {
	case opField:
		return base.obj.fields[e.name]
	case opIndex:
		at := s.eval(e.kids[1])
		switch {
		case at.kind == vString:
			return base.obj.fields[at.s]
		case at.kind == vInt && at.i >= 0 && at.i < int64(len(base.obj.items)):
			return base.obj.items[at.i]
		}
		return value{}
	}
	c := call{s: s, mod: base.obj}
	for _, k := range e.kids[1:] {
		v := s.eval(k)
		if v.kind == vUndef {
			return v
		}
		c.args = append(c.args, v)
	}
	return e.fn(&c)
}
