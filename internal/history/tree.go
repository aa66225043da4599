package history

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// Node is one process of a tree of descent.
type Node struct {
	Entry    Entry   `json:"entry"` // what it was, as the history says
	Children []*Node `json:"children,omitempty"`
	// CameIn says, of the process through which somebody most likely came in or by which all was started, what kind of way it is.
	CameIn string `json:"came_in,omitempty"`
	Asked  bool   `json:"asked,omitempty"` // it is one of those the tree was made for
	// Involved: it is one of them, comes from one, or lies between one and where it came in.
	Involved bool `json:"involved,omitempty"`
}

// Limits of a tree.
const (
	maxAsked = 200 // processes a tree is made for
	maxNodes = 1000
)

// Tree gives the trees of descent of processes: those they come from and, with below, those that come from them. cut reports that
// there are more. What is damaged is named in the error, and the rest is given.
func (r *Reader) Tree(ids []deminer.ProcID, below bool) (roots []*Node, cut bool, err error) {
	t := tree{r: r, nodes: map[deminer.ProcID]*Node{}}
	for _, id := range ids {
		if len(t.nodes) >= maxNodes || t.asked == maxAsked {
			cut = true
			break
		}
		t.ask(id)
	}
	if below {
		t.below()
		cut = cut || len(t.nodes) >= maxNodes
	}
	for _, n := range t.roots {
		n.sort()
	}
	return t.roots, cut, t.err
}

type tree struct {
	r     *Reader
	nodes map[deminer.ProcID]*Node
	roots []*Node
	asked int
	err   error
}

// ask brings in a process with those it descends from.
func (t *tree) ask(id deminer.ProcID) {
	if n := t.nodes[id]; n != nil {
		n.Asked, n.Involved = true, true
		return
	}
	up, err := t.r.Lineage(id)
	if err != nil {
		t.err = err
	}
	if len(up) == 0 {
		return
	}
	t.asked++
	at, how := CameIn(up)
	var parent *Node
	for i, e := range slices.Backward(up) {
		n := t.nodes[e.Proc]
		if n == nil {
			n = t.add(e, parent)
		}
		if i == at && how != "" {
			n.CameIn = how
		}
		n.Asked, n.Involved = n.Asked || i == 0, n.Involved || i < at || i == 0
		parent = n
	}
}

func (t *tree) add(e Entry, parent *Node) *Node {
	n := &Node{Entry: e}
	t.nodes[e.Proc] = n
	if parent == nil {
		t.roots = append(t.roots, n)
	} else {
		parent.Children = append(parent.Children, n)
	}
	return n
}

// below brings in what the processes that are involved started, directly and in turn.
func (t *tree) below() {
	var todo []*Node
	for _, n := range t.nodes {
		if n.Involved {
			todo = append(todo, n)
		}
	}
	for len(todo) > 0 && len(t.nodes) < maxNodes {
		n := todo[0]
		todo = todo[1:]
		err := t.r.Query(Filter{Parent: n.Entry.Proc, Kinds: []deminer.EventKind{deminer.EventExec, deminer.EventFork, KindProcess}}, func(e Entry) bool {
			if e.Count != 0 {
				return true
			}
			if old := t.nodes[e.Proc]; old != nil {
				old.Entry = e // what it became last
				return true
			}
			one := t.add(e, n)
			one.Involved = true
			todo = append(todo, one)
			return len(t.nodes) < maxNodes
		})
		if err != nil {
			t.err = err
		}
	}
}

func (n *Node) sort() {
	slices.SortFunc(n.Children, func(a, b *Node) int { return int(min(a.Entry.Seq, 1<<62)) - int(min(b.Entry.Seq, 1<<62)) })
	for _, c := range n.Children {
		c.sort()
	}
}

// All gives a node and all below it to see.
func (n *Node) All(see func(*Node)) {
	see(n)
	for _, c := range n.Children {
		c.All(see)
	}
}

// way says what kind of way in a program is, by which others are started for somebody outside or at some time; "" if none that is
// known.
func way(name string) string {
	for kind, list := range map[string]string{
		"ssh login":      "sshd sshd-session dropbear",
		"login":          "login agetty getty su sudo doas",
		"scheduled job":  "cron crond atd anacron fcron systemd-cron",
		"web server":     "nginx apache2 httpd lighttpd caddy openresty litespeed php-fpm php-cgi uwsgi gunicorn puma unicorn passenger tomcat catalina",
		"database":       "redis-server valkey-server postgres mysqld mariadbd mongod memcached clickhouse-server",
		"container host": "containerd containerd-shim-runc-v2 containerd-shim dockerd conmon kubelet",
		"build server":   "jenkins gitlab-runner buildkitd actions-runner",
	} {
		if slices.Contains(strings.Fields(list), name) {
			return kind
		}
	}
	return ""
}

// CameIn says which of a lineage, the process first, is most likely the one through which somebody came in, and what kind of way it
// is: the nearest one that serves others, else the first below the system's own init; "" where the lineage says nothing.
func CameIn(up []Entry) (at int, how string) {
	for i := 1; i < len(up); i++ {
		base := strings.TrimRight(path.Base(string(up[i].Exe)), "0123456789.-")
		for _, n := range []string{path.Base(string(up[i].Exe)), base, strings.TrimSuffix(string(up[i].Comm), ":")} {
			if how := way(n); how != "" {
				for i+1 < len(up) && up[i+1].Exe == up[i].Exe { // its first process
					i++
				}
				return i, how
			}
		}
	}
	last := len(up) - 1
	if last >= 0 && up[last].Proc.PID == 1 {
		last--
	}
	if last < 1 {
		return 0, ""
	}
	return last, "started by it"
}
