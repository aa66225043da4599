package yara

import "encoding/binary"

// Gates are the parts of conditions that need no string and no module: the size of the data, bytes at fixed places, external variables. A rule with a gate that is false
// cannot hold, so its strings need not be verified. Equal gates of many rules are one and are asked once a scan.

// gates gives a copy of a condition that is kept, in which gates that are equal to one of another rule are that one, and adds the gates of the condition to the list.
func (b *builder) gates(e *expr, list *[]int32) *expr {
	if e.op == opAnd {
		e = b.kept.node(e)
		for i, k := range e.kids {
			e.kids[i] = b.gates(k, list)
		}
		return e
	}
	key, ok := e.fixed(nil)
	if !ok || e.op == opConst {
		return b.kept.condition(e)
	}
	id, known := b.gateIDs[string(key)]
	if !known {
		id = int32(len(b.r.gates))
		b.gateIDs[string(key)] = id
		b.r.gates = append(b.r.gates, b.kept.condition(e))
	}
	*list = append(*list, id)
	return b.r.gates[id]
}

// fixed appends a name of the expression, equal for equal expressions; ok is false when it needs more than a gate may.
func (e *expr) fixed(key []byte) (_ []byte, ok bool) {
	key = append(key, byte(e.op))
	switch {
	case e.op == opConst:
		key = append(key, byte(e.val.kind))
		key = binary.LittleEndian.AppendUint64(key, uint64(e.val.i))
		key = binary.LittleEndian.AppendUint32(key, uint32(len(e.val.s)))
		return append(key, e.val.s...), e.val.kind <= vBool
	case e.op == opFilesize:
		return key, true
	case e.op == opExternal || e.op == opReader:
		key = binary.LittleEndian.AppendUint32(key, uint32(e.num))
	case e.op > opIEquals:
		return key, false
	}
	key = append(key, byte(len(e.kids)))
	for _, k := range e.kids {
		if key, ok = k.fixed(key); !ok {
			return key, false
		}
	}
	return key, true
}

// commonGate gives the gate that keeps most grams from being looked for when it is false, or -1.
func (r *Rules) commonGate() int32 {
	count := make([]int, len(r.gates))
	for i := range r.refs {
		for _, g := range r.rules[r.refs[i].rule].gates {
			count[g]++
		}
	}
	best := int32(-1)
	for g, n := range count {
		if n > len(r.refs)/8 && (best < 0 || n > count[best]) {
			best = int32(g)
		}
	}
	return best
}

// gated tells whether a rule has the gate.
func (ru *rule) gated(gate int32) bool {
	for _, g := range ru.gates {
		if g == gate {
			return true
		}
	}
	return false
}

const (
	unknown int8 = iota
	yes
	no
)

// gate tells whether a gate is true for the data.
func (s *scanner) gate(g int32) bool {
	if s.gates[g] == unknown {
		s.gates[g] = no
		if s.eval(s.r.gates[g]).truth() {
			s.gates[g] = yes
		}
	}
	return s.gates[g] == yes
}

// open tells whether all gates of a rule are true.
func (s *scanner) open(rule int32) bool {
	if s.opened[rule] == unknown {
		s.opened[rule] = yes
		for _, g := range s.r.rules[rule].gates {
			if !s.gate(g) {
				s.opened[rule] = no
				break
			}
		}
	}
	return s.opened[rule] == yes
}

// peek gives n bytes at off, at most 8, or fewer at the end of the data. They are void with the next call.
func (s *scanner) peek(off int64, n int) []byte {
	if off < 0 || off >= s.size {
		return nil
	}
	n = int(min(int64(n), s.size-off))
	switch at := off - s.bufAt; {
	case s.mem != nil:
		return s.mem[off:][:n]
	case at >= 0 && at+int64(n) <= int64(s.bufLen):
		return s.buf[at:][:n]
	}
	k, err := s.data.ReadAt(s.few[:n], off)
	if err != nil && k == 0 {
		return nil
	}
	return s.few[:k]
}
