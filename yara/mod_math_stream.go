package yara

import "math"

// streamed is a figure that depends on the order of the bytes.
type streamed interface {
	add(b []byte)
	result() value
}

func onStream(fresh func() streamed) *typ {
	ranged := func(c *call) value {
		f := fresh()
		if !c.eachOf(c.args[0].i, c.args[1].i, f.add) {
			return value{}
		}
		return f.result()
	}
	text := func(c *call) value {
		f := fresh()
		f.add([]byte(c.args[0].s))
		return f.result()
	}
	return fn(overload{"ii", typFloat, ranged}, overload{"s", typFloat, text})
}

// correlation is the serial correlation coefficient as libyara computes it: the last byte is paired with itself, not with the first.
type correlation struct {
	n, last    float64
	t1, t2, t3 float64
}

func (c *correlation) add(b []byte) {
	for _, x := range b {
		f := float64(x)
		c.t1 += c.last * f
		c.t2 += f
		c.t3 += f * f
		c.last = f
	}
	c.n += float64(len(b))
}

func (c *correlation) result() value {
	t1 := c.t1 + c.last*c.last
	t2 := c.t2 * c.t2
	scc := c.n*c.t3 - t2
	if scc == 0 {
		return floatValue(-100000)
	}
	return floatValue((c.n*t1 - t2) / scc)
}

// monteCarlo estimates pi with points of six bytes; its figure is the relative error of the estimate.
type monteCarlo struct {
	part      [6]byte
	have      int
	all, hits float64
}

func (m *monteCarlo) add(b []byte) {
	const radius = (1<<24 - 1) * (1<<24 - 1)
	for _, x := range b {
		m.part[m.have] = x
		if m.have++; m.have < 6 {
			continue
		}
		m.have = 0
		p := m.part
		mx := float64(int(p[0])<<16 | int(p[1])<<8 | int(p[2]))
		my := float64(int(p[3])<<16 | int(p[4])<<8 | int(p[5]))
		m.all++
		if mx*mx+my*my <= radius {
			m.hits++
		}
	}
}

func (m *monteCarlo) result() value {
	if m.all == 0 {
		return value{}
	}
	return floatValue(math.Abs((4*m.hits/m.all - math.Pi) / math.Pi))
}
