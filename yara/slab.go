package yara

// slab gives room for what is kept of a compilation, many things at a time. One by one they would lie between the garbage of it, and each hold a page of memory.
type slab[T any] struct{ free []T }

const slabSize = 256

// take gives n of them, all zero.
func (s *slab[T]) take(n int) []T {
	if n > len(s.free) {
		s.free = make([]T, max(n, slabSize))
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}

// one gives a copy of v that is kept.
func (s *slab[T]) one(v T) *T {
	list := s.take(1)
	list[0] = v
	return &list[0]
}

// all gives a copy of a list that is kept.
func (s *slab[T]) all(list []T) []T {
	if len(list) == 0 {
		return nil
	}
	out := s.take(len(list))
	copy(out, list)
	return out
}

// kept is the room of one compilation.
type kept struct {
	nodes       slab[expr]
	kids        slab[*expr]
	extras      slab[extras]
	lists       slab[int]
	gates       slab[int32]
	rules       slab[rule]
	patterns    slab[pattern]
	forms       slab[form]
	expressions slab[expression]
}

// condition copies a condition.
func (k *kept) condition(e *expr) *expr {
	if e == nil {
		return nil
	}
	e = k.node(e)
	for i := range e.kids {
		e.kids[i] = k.condition(e.kids[i])
	}
	if e.extras != nil {
		x := k.extras.one(*e.extras)
		x.list, x.quant.n = k.lists.all(x.list), k.condition(x.quant.n)
		e.extras = x
	}
	return e
}

// node copies a node and the list of its kids.
func (k *kept) node(e *expr) *expr {
	e = k.nodes.one(*e)
	e.kids = k.kids.all(e.kids)
	return e
}
