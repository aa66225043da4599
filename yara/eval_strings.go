package yara

import (
	"maps"
	"slices"
	"sort"
)

// maxLoop bounds the turns of one for..in loop.
const maxLoop = 1 << 22

func (s *scanner) hitsOf(num int) []hit {
	if num < 0 {
		num = s.current
	}
	if num < 0 {
		return nil
	}
	return s.found(num)
}

// between gives the hits that begin in [lo, hi].
func between(list []hit, lo, hi int64) []hit {
	a := sort.Search(len(list), func(i int) bool { return list[i].off >= lo })
	b := sort.Search(len(list), func(i int) bool { return list[i].off > hi })
	if b < a {
		return nil
	}
	return list[a:b]
}

func (s *scanner) strings(e *expr) value {
	list := s.hitsOf(e.num)
	switch e.op {
	case opString:
		return boolValue(len(list) > 0)
	case opCount:
		return intValue(int64(len(list)))
	case opStringAt, opStringIn, opCountIn:
		lo := s.eval(e.kids[0])
		hi := lo
		if len(e.kids) > 1 {
			hi = s.eval(e.kids[1])
		}
		if lo.kind != vInt || hi.kind != vInt {
			if e.op == opStringAt {
				return boolValue(false) // not undefined, as in libyara
			}
			return value{}
		}
		n := len(between(list, lo.i, hi.i))
		if e.op == opCountIn {
			return intValue(int64(n))
		}
		return boolValue(n > 0)
	}
	i := int64(1)
	if len(e.kids) > 0 {
		v := s.eval(e.kids[0])
		if v.kind != vInt {
			return value{}
		}
		i = v.i
	}
	if i < 1 || i > int64(len(list)) {
		return value{}
	}
	if e.op == opOffset {
		return intValue(list[i-1].off)
	}
	return intValue(int64(list[i-1].n))
}

// needed is the count that makes a quantifier true; what is not above zero always holds, but see exactlyNone.
func (s *scanner) needed(q quantifier, total int) (n int, ok bool) {
	switch q.word {
	case "all":
		return total, true
	case "any":
		return 1, true
	case "none":
		return 0, true
	}
	v := s.eval(q.n)
	switch {
	case v.kind == vUndef: // an undefined count means all, as in libyara
		return total, true
	case v.kind != vInt || v.i > 1<<31 || v.i < -1<<31:
		return 0, false
	case q.percent:
		return int((v.i*int64(total) + 99) / 100), true
	}
	return int(v.i), true
}

// exactlyNone tells quantifiers that hold only when nothing does: none, and a literal 0.
func exactlyNone(q quantifier, n int) bool { return n == 0 && !q.percent }

func (s *scanner) loops(e *expr) value {
	if e.op == opForIn {
		return s.forIn(e)
	}
	need, ok := s.needed(e.quant, len(e.list))
	if !ok {
		return value{}
	}
	if e.place == opStringIn && (s.eval(e.kids[0]).kind == vUndef || s.eval(e.kids[1]).kind == vUndef) {
		return value{}
	}
	count := 0
	for _, id := range e.list {
		if s.member(e, id) {
			count++
		}
		if count >= need && need > 0 || s.steps > s.r.limits.Steps {
			break
		}
	}
	if exactlyNone(e.quant, need) {
		return boolValue(count == 0)
	}
	return boolValue(count >= need)
}

// member decides one element of a set.
func (s *scanner) member(e *expr, id int) bool {
	s.steps++
	if e.op == opForOf {
		outer := s.current
		s.current = id
		v := s.eval(e.kids[0])
		s.current = outer
		return v.truth()
	}
	if e.rules {
		return s.rule(id)
	}
	if e.place == 0 {
		return s.place[id] > 0
	}
	one := *e
	one.op, one.num = e.place, id
	return s.strings(&one).truth()
}

// forIn walks a range, a list, an array or a dictionary. What has nothing to walk over, or no quantifier, is undefined.
func (s *scanner) forIn(e *expr) value {
	turns, turn := s.turns(e)
	need, ok := s.needed(e.quant, turns)
	if !ok || turns <= 0 {
		return boolValue(false)
	}
	body := e.kids[len(e.kids)-1]
	count := 0
	for i := 0; i < turns && s.steps <= s.r.limits.Steps; i++ {
		turn(i)
		if s.eval(body).truth() {
			count++
		}
		if need > 0 && count >= need {
			break
		}
	}
	if exactlyNone(e.quant, need) {
		return boolValue(count == 0)
	}
	return boolValue(count >= need)
}

// turns gives the number of turns of a loop and what sets its variables for one of them.
func (s *scanner) turns(e *expr) (n int, turn func(i int)) {
	slot := e.list[0]
	items := e.kids[:len(e.kids)-1]
	switch e.num {
	case 1:
		a, b := s.eval(items[0]), s.eval(items[1])
		if a.kind != vInt || b.kind != vInt || b.i < a.i || b.i-a.i >= maxLoop {
			return 0, nil
		}
		return int(b.i-a.i) + 1, func(i int) { s.vars[slot] = intValue(a.i + int64(i)) }
	case 2:
		v := s.eval(items[0])
		if v.kind != vObject {
			return 0, nil
		}
		if len(e.list) == 1 {
			return len(v.obj.items), func(i int) { s.vars[slot] = v.obj.items[i] }
		}
		keys := slices.Sorted(maps.Keys(v.obj.fields))
		return len(keys), func(i int) { s.vars[slot], s.vars[e.list[1]] = strValue(keys[i]), v.obj.fields[keys[i]] }
	}
	return len(items), func(i int) { s.vars[slot] = s.eval(items[i]) }
}
