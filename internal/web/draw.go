package web

import (
	"regexp"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/server"
)

// drawing is a picture of boxes and lines, made here so that no script has to.
type drawing struct {
	W, H  int
	Nodes []node
	Lines []edge
}

type node struct {
	X, Y, W, H int
	Text, Sub  string // safe text
	Kind       string // class of style
	Mark       string // sign in front of the text: never color alone
}

type edge struct {
	Path   string // of SVG
	TX, TY int
	Text   string
	Soft   bool
}

// drawLineage draws the ancestors of a process as a tree that grows downwards, the process itself last.
func drawLineage(lineage []string) (d drawing) {
	const w, h, gap, step = 520, 40, 16, 28
	n := len(lineage)
	for i := range n {
		head, sub := processLine(lineage[n-1-i])
		x, y := i*step, i*(h+gap)
		k := "step"
		if i == n-1 {
			k = "bad"
		}
		d.Nodes = append(d.Nodes, node{X: x, Y: y, W: w, H: h, Text: deminer.Cut(head, 62), Sub: deminer.Cut(sub, 80), Kind: k})
		if i > 0 {
			px, py := x-step+14, y-gap
			d.Lines = append(d.Lines, edge{Path: "M" + itoa(px) + " " + itoa(py) + "V" + itoa(y+h/2) + "H" + itoa(x)})
		}
		d.W, d.H = x+w+2, y+h+2
	}
	return d
}

var lineageLine = regexp.MustCompile(`^process (\d+) (.+?) of (\S+) runs (.*)$`)

// processLine takes a line of a lineage apart: what it is, and how it was started.
func processLine(text string) (head, sub string) {
	if m := lineageLine.FindStringSubmatch(text); m != nil {
		return m[2] + " " + m[1], m[3] + " · " + m[4]
	}
	if at := strings.Index(text, " ("); at > 0 {
		return text[:at], strings.TrimSuffix(text[at+2:], ")")
	}
	return text, ""
}

// kindOf says how a member of an incident is drawn.
var kindOf = map[deminer.Role]string{
	deminer.RoleRuns: "bad", deminer.RoleReturns: "foothold", deminer.RoleAccess: "access", deminer.RoleHides: "foothold", deminer.RoleFile: "file",
	deminer.RoleTamper: "file", deminer.RoleTalks: "net", deminer.RoleEntry: "entry",
}

// columnOf is where a member stands: time runs from left to right, from the way in to what it talks to.
var columnOf = map[deminer.Role]int{
	deminer.RoleEntry: 0, deminer.RoleAccess: 1, deminer.RoleReturns: 1, deminer.RoleHides: 2, deminer.RoleFile: 2, deminer.RoleTamper: 2,
	deminer.RoleRuns: 3, deminer.RoleTalks: 4,
}

const (
	nodeW, nodeH   = 176, 38
	columnW        = 292
	rowH           = 52
	maxColumn      = 14
	maxEdges       = 80
	maxHostsInDraw = 24
)

// drawIncident draws the members of an incident on one host. What does not fit stands in the table below it.
func drawIncident(p *server.Part) (d drawing) {
	place := map[string]int{}
	rows := [5]int{}
	used := [5]bool{}
	for i := range p.Members {
		used[columnOf[p.Members[i].Role]] = true
	}
	shift := [5]int{}
	for c, at := 0, 0; c < 5; c++ {
		shift[c] = at
		if used[c] {
			at++
		}
	}
	for i := range p.Members {
		m := &p.Members[i]
		c := columnOf[m.Role]
		if rows[c] >= maxColumn {
			continue
		}
		n := node{X: shift[c] * columnW, Y: rows[c] * rowH, W: nodeW, H: nodeH, Text: deminer.Cut(nameOf(m.Artifact), 26), Sub: string(m.Role), Kind: kindOf[m.Role]}
		if m.Grade != deminer.Convicted {
			n.Kind += " weak"
		}
		rows[c]++
		place[m.Artifact.Ref()] = len(d.Nodes)
		d.Nodes = append(d.Nodes, n)
		d.W, d.H = max(d.W, n.X+nodeW+2), max(d.H, n.Y+nodeH+2)
	}
	type pair struct {
		a, b int
		e    *deminer.Edge
	}
	var pairs []pair
	for i := range p.Edges {
		a, ok1 := place[p.Edges[i].From]
		b, ok2 := place[p.Edges[i].To]
		if ok1 && ok2 && a != b && len(pairs) < maxEdges {
			pairs = append(pairs, pair{a, b, &p.Edges[i]})
		}
	}
	// What the lines say stands where they leave a box, in the order in which they arrive.
	slices.SortStableFunc(pairs, func(x, y pair) int { return d.Nodes[x.b].Y - d.Nodes[y.b].Y })
	from := map[int]int{}
	for _, l := range pairs {
		d.Lines = append(d.Lines, curve(d.Nodes[l.a], d.Nodes[l.b], from[l.a], deminer.Cut(l.e.Verb, 18), !l.e.Hard))
		from[l.a]++
	}
	return d
}

// curve joins two boxes: from side to side, or in an arc where they stand in one column. What it says stands where it leaves, the
// nth one below those before it.
func curve(a, b node, nth int, text string, soft bool) edge {
	ay, by := a.Y+a.H/2, b.Y+b.H/2
	e := edge{TX: a.X + a.W + 6, TY: ay - 5 + nth*18, Text: text, Soft: soft}
	ax, bx, out := a.X+a.W, b.X, 0
	switch {
	case a.X == b.X:
		bx, out = b.X+b.W, 30
	case a.X > b.X:
		ax, bx = a.X, b.X+b.W
		e.TX = bx + 6
	}
	if mid := (ax + bx) / 2; out == 0 {
		e.Path = "M" + itoa(ax) + " " + itoa(ay) + "C" + itoa(mid) + " " + itoa(ay) + " " + itoa(mid) + " " + itoa(by) + " " + itoa(bx) + " " + itoa(by)
	} else {
		e.Path = "M" + itoa(ax) + " " + itoa(ay) + "C" + itoa(ax+out) + " " + itoa(ay) + " " + itoa(bx+out) + " " + itoa(by) + " " + itoa(bx) + " " + itoa(by)
	}
	return e
}

// nameOf is the short name of a thing.
func nameOf(a deminer.Artifact) string {
	switch a.Kind {
	case deminer.KindProcess:
		return a.Name + " " + itoa(a.Proc.PID)
	case deminer.KindFile, deminer.KindMount, deminer.KindLine:
		p := string(a.Path)
		if at := strings.LastIndexByte(p, '/'); at >= 0 && len(p) > 24 {
			p = "…" + p[at:]
		}
		return p
	case deminer.KindAddress, deminer.KindListener:
		return a.Addr
	case deminer.KindHost:
		return "host"
	}
	return a.Name
}

// drawSpread draws how an incident went from host to host: a column for each login further away from where it began.
func drawSpread(inc *server.Incident) (d drawing) {
	const w, h, gapX, gapY = 180, 46, 112, 24
	place, rows := map[string]int{}, map[int]int{}
	for i, p := range inc.Hosts[:min(len(inc.Hosts), maxHostsInDraw)] {
		n := node{X: p.Depth * (w + gapX), Y: rows[p.Depth] * (h + gapY), W: w, H: h, Text: deminer.Cut(p.Name, 22), Sub: p.Since.UTC().Format("2006-01-02 15:04"), Kind: "host"}
		if p.Open == 0 {
			n.Kind = "host calm"
		}
		if i == 0 {
			n.Mark = "★"
		}
		rows[p.Depth]++
		place[p.Host] = len(d.Nodes)
		d.Nodes = append(d.Nodes, n)
		d.W, d.H = max(d.W, n.X+w+2), max(d.H, n.Y+h+2)
	}
	from := map[int]int{}
	for _, e := range inc.Spread {
		a, ok1 := place[e.From]
		b, ok2 := place[e.To]
		if ok1 && ok2 {
			d.Lines = append(d.Lines, curve(d.Nodes[a], d.Nodes[b], from[a], deminer.Cut(e.User+" · "+e.Method, 18), false))
			from[a]++
		}
	}
	return d
}

// drawHosts draws the hosts of an incident in the order in which it was seen there, or how it spread where logins tell.
func drawHosts(inc *server.Incident) (d drawing) {
	if len(inc.Spread) > 0 {
		return drawSpread(inc)
	}
	const w, h, gapX, gapY, perRow = 180, 46, 56, 34, 4
	for i, p := range inc.Hosts[:min(len(inc.Hosts), maxHostsInDraw)] {
		n := node{X: i % perRow * (w + gapX), Y: i / perRow * (h + gapY), W: w, H: h, Text: deminer.Cut(p.Name, 22), Sub: p.First.UTC().Format("2006-01-02 15:04"), Kind: "host"}
		if p.Open == 0 {
			n.Kind = "host calm"
		}
		if i == 0 {
			n.Mark = "★"
		}
		if i > 0 {
			q := d.Nodes[i-1]
			if q.Y == n.Y {
				d.Lines = append(d.Lines, edge{Path: "M" + itoa(q.X+w) + " " + itoa(q.Y+h/2) + "H" + itoa(n.X)})
			} else {
				d.Lines = append(d.Lines, edge{Path: "M" + itoa(q.X+w/2) + " " + itoa(q.Y+h) + "V" + itoa(q.Y+h+gapY/2) + "H" + itoa(n.X+w/2) + "V" + itoa(n.Y)})
			}
		}
		d.Nodes = append(d.Nodes, n)
		d.W, d.H = max(d.W, n.X+w+2), max(d.H, n.Y+h+2)
	}
	return d
}
