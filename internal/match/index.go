package match

import (
	"cmp"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// index finds indicators by their value.
type index struct {
	exact    map[Kind]map[string]*indicator
	addrs    map[netip.Prefix][]*indicator
	bits     []int // prefix lengths in use
	paths    pathIndex
	keys     []*indicator
	specific map[string]bool // keys of miner configurations
}

func newIndex(list []*indicator) index {
	x := index{exact: map[Kind]map[string]*indicator{}, addrs: map[netip.Prefix][]*indicator{}, specific: map[string]bool{}}
	lengths := map[int]bool{}
	for _, in := range list {
		switch in.kind {
		case KindAddr:
			p, _, _ := parseAddr(in.value)
			x.addrs[p] = append(x.addrs[p], in)
			if !lengths[p.Bits()] {
				lengths[p.Bits()] = true
				x.bits = append(x.bits, p.Bits())
			}
		case KindPath:
			x.paths.add(in)
		case KindKey:
			x.keys = append(x.keys, in)
		case KindConfigKey:
			x.specific[in.value] = true
		default:
			x.put(in)
		}
	}
	x.paths.finish()
	return x
}

// programs gives the names of programs a text may start that mean something.
func (x *index) programs() (f names) {
	for _, name := range fetchers {
		f.add(name)
	}
	for _, k := range [...]Kind{KindProcess, KindMasquerade} {
		for name, in := range x.exact[k] {
			if name != "" && in.strength >= Strong {
				f.add(name)
			}
		}
	}
	return f
}

// put keeps the first indicator of a value, unless a later one names the family or weighs more.
func (x *index) put(in *indicator) {
	m := x.exact[in.kind]
	if m == nil {
		m = map[string]*indicator{}
		x.exact[in.kind] = m
	}
	key := strings.ToLower(in.value)
	if in.kind == KindWallet || in.kind == KindEnv || in.kind == KindSymbol {
		key = in.value
	}
	if old := m[key]; old == nil || old.family == "" && in.family != "" && in.strength >= old.strength {
		m[key] = in
	}
}

func (x *index) get(k Kind, key string) *indicator { return x.exact[k][key] }

// one wraps an indicator that was found.
func one(in *indicator, seen string) []Hit {
	if in == nil {
		return nil
	}
	return []Hit{in.hit(-1, seen)}
}

// domain finds the indicator of a host name: an exact host first, then every parent domain on a label boundary.
func (s *Set) domain(name string) *indicator {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if len(name) > 253 {
		return nil
	}
	var found *indicator
	if in := s.ioc.get(KindHost, name); in != nil {
		found = in
	}
	for d := name; d != ""; {
		if s.ioc.get(KindNever, d) != nil {
			return nil
		}
		if in := s.ioc.get(KindDomain, d); in != nil && found == nil {
			found = in
		}
		_, rest, _ := strings.Cut(d, ".")
		d = rest
	}
	return found
}

// Domain asks about a host name that was resolved, connected to or named in a TLS handshake. It matches on label boundaries only; names of the kind never are never found.
func (s *Set) Domain(name string) []Hit { return one(s.domain(name), name) }

// Addr asks about a remote end. port 0 means unknown. A port in the list of pool ports is an Info hit and no evidence.
func (s *Set) Addr(ip netip.Addr, port uint16) []Hit {
	var out []Hit
	ip = ip.Unmap()
	for _, bits := range s.ioc.bits {
		p, err := ip.Prefix(bits)
		if err != nil {
			continue
		}
		for _, in := range s.ioc.addrs[p] {
			if _, want, _ := parseAddr(in.value); want == 0 || want == port {
				out = append(out, in.hit(-1, netip.AddrPortFrom(ip, port).String()))
			}
		}
	}
	if port != 0 {
		out = append(out, one(s.ioc.get(KindPort, strconv.Itoa(int(port))), strconv.Itoa(int(port)))...)
	}
	return out
}

// Pool is an address, or a network, of a mining pool; port 0 is any.
type Pool struct {
	Net  netip.Prefix
	Port uint16
}

// Pools lists the addresses of mining pools that are a strong sign or a proof, sorted.
func (s *Set) Pools() (out []Pool) {
	for p, list := range s.ioc.addrs {
		for _, in := range list {
			if _, port, _ := parseAddr(in.value); in.class == Mining && in.strength >= Strong {
				out = append(out, Pool{p, port})
			}
		}
	}
	slices.SortFunc(out, func(a, b Pool) int { return cmp.Or(a.Net.Compare(b.Net), cmp.Compare(a.Port, b.Port)) })
	return out
}

// ProcessName asks about comm, argv[0] or an exe path: the base name is compared whole, without regard to case. A comm is cut to 15 bytes by the kernel, which is honored.
// Kernel-thread names come as "ioc/masquerade" and mean something only for a user-space program.
func (s *Set) ProcessName(name string) []Hit {
	base := strings.ToLower(strings.TrimSuffix(path.Base(name), " (deleted)"))
	base = strings.Trim(base, "[]")
	if in := s.ioc.get(KindProcess, base); in != nil {
		return one(in, name)
	}
	return one(s.ioc.get(KindMasquerade, base), name)
}

// Hash asks about the SHA-256 of a file in hexadecimal.
func (s *Set) Hash(sha256 string) []Hit {
	return one(s.ioc.get(KindHash, strings.ToLower(sha256)), sha256)
}

// Key asks about an SSH key: its base64 blob, its comment, or a whole line of authorized_keys. Comments are compared whole, blobs by their beginning.
func (s *Set) Key(key string) []Hit {
	var out []Hit
	for _, word := range strings.Fields(key) {
		for _, in := range s.ioc.keys {
			if word == in.value || !in.whole && strings.HasPrefix(in.value, "AAAA") && strings.HasPrefix(word, in.value) {
				out = append(out, in.hit(-1, word))
			}
		}
	}
	return out
}

// Named asks about a name of one kind: KindUnit, KindAccount, KindModule, KindImage, KindEnv, KindSymbol or KindWallet. The name of an image is compared without its tag or digest.
func (s *Set) Named(k Kind, name string) []Hit {
	key := name
	switch k {
	case KindImage:
		key, _, _ = strings.Cut(key, "@")
		if i := strings.LastIndexByte(key, ':'); i > strings.LastIndexByte(key, '/') {
			key = key[:i]
		}
		key = strings.TrimPrefix(strings.ToLower(key), "docker.io/")
	case KindUnit, KindAccount, KindModule:
		key = strings.ToLower(key)
	}
	return one(s.ioc.get(k, key), name)
}
