package yara

import (
	"encoding/binary"
	"math"
	"strings"
)

// readers in the order of their index: size, sign and byte order follow from the name.
var readers = [...]string{"int8", "int16", "int32", "uint8", "uint16", "uint32", "int8be", "int16be", "int32be", "uint8be", "uint16be", "uint32be"}

func readerIndex(name string) int {
	for i, r := range readers {
		if r == name {
			return i
		}
	}
	return -1
}

// rule evaluates a rule once.
func (s *scanner) rule(i int) bool {
	if v := s.verdict[i]; v != 0 {
		return v > 0
	}
	ru := s.r.rules[i]
	s.verdict[i] = -1
	if ru.needs && !s.active[i] || !s.open(int32(i)) {
		return false
	}
	outer, current := s.vars, s.current
	s.vars, s.current = make([]value, ru.vars), -1
	ok := s.eval(ru.cond).truth()
	s.vars, s.current = outer, current
	if ok {
		s.verdict[i] = 1
	}
	return ok
}

// eval computes a node. Its recursion is bounded by the nesting the parser allows.
func (s *scanner) eval(e *expr) value {
	if s.steps++; s.steps > s.r.limits.Steps {
		return value{}
	}
	switch e.op {
	case opConst:
		return e.val
	case opAnd, opOr:
		for _, k := range e.kids {
			if s.eval(k).truth() == (e.op == opOr) {
				return boolValue(e.op == opOr)
			}
		}
		return boolValue(e.op == opAnd)
	case opNot:
		v := s.eval(e.kids[0])
		if v.kind == vUndef {
			return v
		}
		return boolValue(!v.truth())
	case opDefined:
		return boolValue(s.eval(e.kids[0]).kind != vUndef)
	case opFilesize:
		if s.memory {
			return value{}
		}
		return intValue(s.size + s.beyond)
	case opModule, opField, opIndex, opCall:
		return s.field(e)
	case opEntry:
		return s.entryPoint()
	case opVar:
		return s.vars[e.num]
	case opRule:
		return boolValue(s.rule(e.num))
	case opExternal:
		return s.ext[e.num]
	case opReader:
		return s.integer(e)
	case opString, opStringAt, opStringIn, opCount, opCountIn, opOffset, opLength:
		return s.strings(e)
	case opOf, opForOf, opForIn:
		return s.loops(e)
	case opNeg, opInvert:
		return unaryValue(e.op, s.eval(e.kids[0]))
	case opMatches:
		v := s.eval(e.kids[0])
		if v.kind != vString {
			return value{}
		}
		s.steps += len(v.s)
		return boolValue(v.s != "" && e.re.search(v.s)) // nothing matches an empty string, as in libyara
	}
	return binaryValue(e.op, s.eval(e.kids[0]), s.eval(e.kids[1]))
}

func unaryValue(o op, v value) value {
	switch {
	case v.kind == vFloat && o == opNeg:
		return floatValue(-v.float())
	case v.kind != vInt:
		return value{}
	case o == opNeg:
		v.i = -v.i
	default:
		v.i = ^v.i
	}
	return v
}

func binaryValue(o op, a, b value) value {
	if a.kind == vUndef || b.kind == vUndef {
		return value{}
	}
	if a.kind == vString && b.kind == vString {
		return stringOp(o, a.s, b.s)
	}
	if a.kind == vString || b.kind == vString {
		return value{}
	}
	if a.kind == vFloat || b.kind == vFloat {
		return floatOp(o, a, b)
	}
	return intOp(o, a.i, b.i)
}

func stringOp(o op, a, b string) value {
	switch o {
	case opIContains, opIStartsWith, opIEndsWith, opIEquals:
		a, b = foldString(a), foldString(b)
	}
	switch o {
	case opEq, opIEquals:
		return boolValue(a == b)
	case opNe:
		return boolValue(a != b)
	case opLt:
		return boolValue(a < b)
	case opLe:
		return boolValue(a <= b)
	case opGt:
		return boolValue(a > b)
	case opGe:
		return boolValue(a >= b)
	case opContains, opIContains:
		return boolValue(strings.Contains(a, b))
	case opStartsWith, opIStartsWith:
		return boolValue(strings.HasPrefix(a, b))
	case opEndsWith, opIEndsWith:
		return boolValue(strings.HasSuffix(a, b))
	}
	return value{}
}

func compare[T int64 | float64](o op, a, b T) (bool, bool) {
	switch o {
	case opEq:
		return a == b, true
	case opNe:
		return a != b, true
	case opLt:
		return a < b, true
	case opLe:
		return a <= b, true
	case opGt:
		return a > b, true
	case opGe:
		return a >= b, true
	}
	return false, false
}

// epsilon is the distance at which two floats count as different: the C constant DBL_EPSILON.
const epsilon = 0x1p-52

func floatOp(o op, a, b value) value {
	x, y := a.float(), b.float()
	if a.kind != vFloat {
		x = float64(a.i)
	}
	if b.kind != vFloat {
		y = float64(b.i)
	}
	switch o {
	case opEq: // libyara's measure of equality
		return boolValue(math.Abs(x-y) < epsilon)
	case opNe:
		return boolValue(math.Abs(x-y) >= epsilon)
	}
	if v, ok := compare(o, x, y); ok {
		return boolValue(v)
	}
	switch o {
	case opAdd:
		x += y
	case opSub:
		x -= y
	case opMul:
		x *= y
	case opDiv:
		x /= y
	default:
		return value{}
	}
	return floatValue(x)
}

func intOp(o op, a, b int64) value {
	if v, ok := compare(o, a, b); ok {
		return boolValue(v)
	}
	switch o {
	case opAdd:
		return intValue(a + b)
	case opSub:
		return intValue(a - b)
	case opMul:
		return intValue(a * b)
	case opDiv, opMod:
		if b == 0 || a == math.MinInt64 && b == -1 {
			return value{}
		}
		if o == opDiv {
			return intValue(a / b)
		}
		return intValue(a % b)
	case opBitAnd:
		return intValue(a & b)
	case opBitOr:
		return intValue(a | b)
	case opBitXor:
		return intValue(a ^ b)
	case opShl, opShr:
		if b < 0 {
			return value{}
		}
		if b > 63 {
			return intValue(0)
		}
		if o == opShl {
			return intValue(a << uint(b))
		}
		return intValue(a >> uint(b))
	}
	return value{}
}

// integer reads a number from the data.
func (s *scanner) integer(e *expr) value {
	at := s.eval(e.kids[0])
	if at.kind != vInt {
		return value{}
	}
	size := 1 << (e.num % 3)
	b := s.peek(at.i, size)
	if len(b) < size {
		return value{}
	}
	var order binary.ByteOrder = binary.LittleEndian
	if e.num >= 6 {
		order = binary.BigEndian
	}
	signed := e.num/3%2 == 0
	switch size {
	case 1:
		if signed {
			return intValue(int64(int8(b[0])))
		}
		return intValue(int64(b[0]))
	case 2:
		if u := order.Uint16(b); signed {
			return intValue(int64(int16(u)))
		} else {
			return intValue(int64(u))
		}
	}
	if u := order.Uint32(b); signed {
		return intValue(int64(int32(u)))
	} else {
		return intValue(int64(u))
	}
}
