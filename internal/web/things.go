package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/server"
)

type quarantineBody struct {
	List   []server.Kept
	Orders []server.Order
	Text   string
}

func (c *Console) quarantine(w http.ResponseWriter, rq *request) error {
	all, err := c.opt.Server.Vault(rq.Context(), rq.URL.Query().Get("host"))
	if err != nil {
		return err
	}
	b := quarantineBody{Text: deminer.Cut(strings.TrimSpace(rq.URL.Query().Get("q")), 100)}
	for _, k := range all {
		if strings.Contains(strings.ToLower(deminer.Safe(k.Path)+" "+k.SHA256+" "+k.HostName), strings.ToLower(b.Text)) {
			b.List = append(b.List, k)
		}
	}
	slices.SortStableFunc(b.List, func(x, y server.Kept) int { return y.Time.Compare(x.Time) })
	b.List = b.List[:min(len(b.List), 1000)]
	if b.Orders, err = c.recent(rq, deminer.OrderRestore, deminer.OrderDelete); err != nil {
		return err
	}
	return c.show(w, rq, http.StatusOK, "quarantine", page{Title: "Quarantine", Nav: "quarantine", Live: "vault orders", Body: b})
}

// recent gives the last orders of some kinds.
func (c *Console) recent(rq *request, kinds ...deminer.OrderKind) (out []server.Order, err error) {
	for _, k := range kinds {
		os, err := c.opt.Server.Orders(rq.Context(), server.OrderFilter{Kind: string(k), Limit: 10})
		if err != nil {
			return nil, err
		}
		out = append(out, os...)
	}
	slices.SortStableFunc(out, func(x, y server.Order) int { return y.Made.Compare(x.Made) })
	return out[:min(len(out), 10)], nil
}

func (c *Console) quarantineDo(w http.ResponseWriter, rq *request) error {
	kind := deminer.OrderKind(rq.PostFormValue("do"))
	if _, err := c.opt.Server.Thing(rq.Context(), rq.who, rq.PostFormValue("host"), rq.PostFormValue("id"), kind); err != nil {
		return err
	}
	return back(w, rq, "/quarantine")
}

type blocksBody struct {
	Rows   []blockRow
	Hosts  []server.Host
	Orders []server.Order
	Total  int
}

// blockRow is one thing that is blocked, on one host or many.
type blockRow struct {
	What    string
	Places  []server.Blocked
	Address bool
}

func (c *Console) blockRows(rq *request) (rows []blockRow, err error) {
	all, err := c.opt.Server.Blocks(rq.Context(), "")
	if err != nil {
		return nil, err
	}
	place := map[string]int{}
	for _, b := range all {
		i, ok := place[b.What]
		if !ok {
			i = len(rows)
			place[b.What] = i
			_, _, isAddress := addressOf(b.What)
			rows = append(rows, blockRow{What: b.What, Address: isAddress})
		}
		rows[i].Places = append(rows[i].Places, b)
	}
	return rows, nil
}

func (c *Console) blocks(w http.ResponseWriter, rq *request) error {
	rows, err := c.blockRows(rq)
	if err != nil {
		return err
	}
	b := blocksBody{Rows: rows, Total: len(rows)}
	hosts, err := c.opt.Server.HostNames(rq.Context())
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if h.Standing != server.Revoked {
			b.Hosts = append(b.Hosts, h)
		}
	}
	if b.Orders, err = c.recent(rq, deminer.OrderBlock); err != nil {
		return err
	}
	return c.show(w, rq, http.StatusOK, "blocks", page{Title: "Blocks", Nav: "blocks", Live: "blocks orders", Body: b})
}

func (c *Console) blocksDo(w http.ResponseWriter, rq *request) error {
	o := deminer.BlockOrder{What: rq.PostFormValue("what"), Keep: rq.PostFormValue("keep") == "yes", Lift: rq.PostFormValue("do") == "lift"}
	if d := rq.PostFormValue("for"); d != "" && !o.Lift {
		v, err := time.ParseDuration(d)
		if err != nil {
			return fmt.Errorf("%w: %q is no length of time", server.ErrRequest, deminer.Cut(d, 20))
		}
		o.For = deminer.Duration(v)
	}
	hosts, err := c.chosen(rq)
	if err != nil {
		return err
	}
	if _, err := c.opt.Server.Block(rq.Context(), rq.who, hosts, o); err != nil {
		return err
	}
	return back(w, rq, "/blocks")
}

// addressOf reads an address with or without a port, as a firewall in front of the hosts can block it: what agents tell goes into files that
// somebody runs, so a zone, which can be any text, is refused, and so is what would cut the firewall off from itself or its neighbors.
func addressOf(what string) (netip.Addr, uint16, bool) {
	at, err := netip.ParseAddrPort(what)
	if err != nil {
		a, err := netip.ParseAddr(what)
		if err != nil {
			return netip.Addr{}, 0, false
		}
		at = netip.AddrPortFrom(a, 0)
	}
	a := at.Addr().Unmap()
	if a.Zone() != "" || a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() {
		return netip.Addr{}, 0, false
	}
	return a, at.Port(), true
}

// export writes the blocked addresses as rules for a firewall outside of the hosts.
func (c *Console) export(w http.ResponseWriter, rq *request) error {
	rows, err := c.blockRows(rq)
	if err != nil {
		return err
	}
	format := rq.URL.Query().Get("format")
	text, kind, err := firewall(rows, format)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", "attachment; filename=deminer-blocks-"+format+".txt")
	_, err = w.Write([]byte(text))
	return err
}

// rule is one address that nothing is to be sent to, as a security group takes it.
type rule struct {
	Direction string `json:"direction"`
	Action    string `json:"action"`
	Protocol  string `json:"protocol"`
	CIDR      string `json:"cidr"`
	Port      int    `json:"port,omitempty"` // none: all
	Note      string `json:"note"`
}

// firewall writes rules in a format: "nft", "iptables", "json", "group" (a security group). What is no address is left out.
func firewall(rows []blockRow, format string) (text, kind string, err error) {
	var b strings.Builder
	rules, list := []rule{}, []string{}
	for _, r := range rows {
		a, port, ok := addressOf(r.What)
		if !ok {
			continue
		}
		family, bin := "ip", "iptables"
		if a.Is6() {
			family, bin = "ip6", "ip6tables"
		}
		switch {
		case format == "nft" && port != 0:
			fmt.Fprintf(&b, "\t\t%s daddr %s tcp dport %d counter reject\n", family, a, port)
		case format == "nft":
			fmt.Fprintf(&b, "\t\t%s daddr %s counter reject\n", family, a)
		case format == "iptables" && port != 0:
			fmt.Fprintf(&b, "%s -A FORWARD -d %s -p tcp --dport %d -j REJECT\n", bin, a, port)
		case format == "iptables":
			fmt.Fprintf(&b, "%s -A FORWARD -d %s -j REJECT\n", bin, a)
		}
		protocol, name := "all", a.String()
		if port != 0 {
			protocol, name = "tcp", netip.AddrPortFrom(a, port).String()
		}
		list = append(list, name)
		rules = append(rules, rule{"egress", "deny", protocol, netip.PrefixFrom(a, a.BitLen()).String(), int(port), "blocked by deminer"})
	}
	const plain = "text/plain; charset=utf-8"
	switch format {
	case "nft":
		return "# nft -f FILE, on the router or firewall in front of the hosts\ntable inet deminer_export {\n\tchain forward {\n\t\ttype filter hook forward priority 0;\n" + b.String() + "\t}\n}\n", plain, nil
	case "iptables":
		return "# on the router or firewall in front of the hosts\n" + b.String(), plain, nil
	case "json":
		body, err := json.MarshalIndent(map[string]any{"blocked": list}, "", "  ")
		return string(body) + "\n", "application/json", err
	case "group":
		body, err := json.MarshalIndent(map[string]any{"rules": rules}, "", "  ")
		return string(body) + "\n", "application/json", err
	}
	return "", "", server.ErrNone
}
