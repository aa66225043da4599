package yara

import (
	"math"
	"strconv"
)

// histogram counts the bytes of a range or a string.
type histogram struct {
	count [256]int64
	total int64
}

func (h *histogram) add(b []byte) {
	for _, c := range b {
		h.count[c]++
	}
	h.total += int64(len(b))
}

// histKey names a histogram that was counted in a scan.
type histKey struct{ off, size int64 }

// ranges is what the module math keeps for one scan.
type ranges map[histKey]*histogram

func mathModule() *module {
	mean := floatValue(127.5)
	f := fields{
		"MEAN_BYTES": {kind: tyFloat, constant: &mean},
		"in_range": fn(overload{"fff", typInt, func(c *call) value {
			return boolInt(c.args[0].float() >= c.args[1].float() && c.args[0].float() <= c.args[2].float())
		}}),
		"entropy":            onBytes(typFloat, (*histogram).entropy),
		"mean":               onBytes(typFloat, (*histogram).mean),
		"deviation":          fn(overload{"iif", typFloat, deviation}, overload{"sf", typFloat, deviation}),
		"serial_correlation": onStream(func() streamed { return &correlation{} }),
		"monte_carlo_pi":     onStream(func() streamed { return &monteCarlo{} }),
		"min":                fn(overload{"ii", typInt, func(c *call) value { return unsignedPick(c, true) }}),
		"max":                fn(overload{"ii", typInt, func(c *call) value { return unsignedPick(c, false) }}),
		"to_number":          fn(overload{"b", typInt, func(c *call) value { return intValue(boolValue(c.args[0].truth()).i) }}),
		"abs":                fn(overload{"i", typInt, absolute}),
		"count":              fn(overload{"iii", typInt, countByte}, overload{"i", typInt, countByte}),
		"percentage":         fn(overload{"iii", typFloat, percentage}, overload{"i", typFloat, percentage}),
		"mode":               fn(overload{"ii", typInt, modeOf}, overload{"", typInt, modeOf}),
		"to_string":          fn(overload{"i", typString, toText}, overload{"ii", typString, toText}),
	}
	return &module{root: structType(f), load: func(*input) *object {
		o := newStruct()
		o.data = ranges{}
		return o
	}}
}

func boolInt(b bool) value { return intValue(boolValue(b).i) }

// onBytes makes a function of a range or a string from one of a histogram.
func onBytes(result *typ, f func(*histogram) value) *typ {
	run := func(c *call) value {
		h := c.histogram(c.args)
		if h == nil {
			return value{}
		}
		return f(h)
	}
	return fn(overload{"ii", result, run}, overload{"s", result, run})
}

// histogram counts what args name: a string, an offset and a size, or nothing for all of the data.
func (c *call) histogram(args []value) *histogram {
	h := &histogram{}
	if len(args) > 0 && args[0].kind == vString {
		h.add([]byte(args[0].s))
		return h
	}
	key := histKey{0, c.s.size}
	if len(args) > 1 {
		key = histKey{args[0].i, args[1].i}
	}
	known := c.mod.data.(ranges)
	if old, ok := known[key]; ok {
		return old
	}
	if !c.eachOf(key.off, key.size, h.add) {
		h = nil
	}
	known[key] = h
	return h
}

func (h *histogram) entropy() value {
	e := 0.0
	for _, n := range h.count {
		if n > 0 {
			x := float64(n) / float64(h.total)
			e -= x * math.Log2(x)
		}
	}
	return floatValue(e)
}

func (h *histogram) mean() value {
	if h.total == 0 {
		return value{}
	}
	sum := 0.0
	for i, n := range h.count {
		sum += float64(i) * float64(n)
	}
	return floatValue(sum / float64(h.total))
}

// deviation is the mean distance of the bytes from a given mean.
func deviation(c *call) value {
	last := len(c.args) - 1
	h := c.histogram(c.args[:last])
	if h == nil || h.total == 0 {
		return value{}
	}
	sum := 0.0
	for i, n := range h.count {
		sum += math.Abs(float64(i)-c.args[last].float()) * float64(n)
	}
	return floatValue(sum / float64(h.total))
}

// unsignedPick compares as unsigned numbers, as libyara does.
func unsignedPick(c *call, least bool) value {
	a, b := c.args[0], c.args[1]
	if (uint64(a.i) < uint64(b.i)) == least {
		return a
	}
	return b
}

func absolute(c *call) value {
	if c.args[0].i < 0 {
		return intValue(-c.args[0].i)
	}
	return c.args[0]
}

func countByte(c *call) value {
	h := c.histogram(c.args[1:])
	if h == nil {
		return value{}
	}
	return intValue(h.count[byte(c.args[0].i)]) // a number past a byte is cut, as in libyara
}

func percentage(c *call) value {
	n := countByte(c)
	if n.kind == vUndef {
		return n
	}
	// libyara computes with single precision here.
	return floatValue(float64(float32(n.i) / float32(c.histogram(c.args[1:]).total)))
}

func modeOf(c *call) value {
	h := c.histogram(c.args)
	if h == nil {
		return value{}
	}
	best := 0
	for i, n := range h.count {
		if n > h.count[best] {
			best = i
		}
	}
	return intValue(int64(best))
}

func toText(c *call) value {
	base := 10
	if len(c.args) > 1 {
		base = int(c.args[1].i)
	}
	switch base {
	case 10:
		return strValue(strconv.FormatInt(c.args[0].i, 10))
	case 8, 16:
		return strValue(strconv.FormatUint(uint64(c.args[0].i), base))
	}
	return value{}
}
