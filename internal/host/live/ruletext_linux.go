//go:build linux

package live

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
)

// ruleWriter turns the expressions of a rule into words close to nft's. What it does not know it names.
type ruleWriter struct {
	family nftables.TableFamily
	words  []string
	loaded map[uint32]string // register -> what was loaded into it
	mask   map[uint32][]byte
	data   map[uint32][]byte // register -> constant
	l4     byte
}

func ruleText(f nftables.TableFamily, exprs []expr.Any) string {
	w := ruleWriter{family: f, loaded: map[uint32]string{}, mask: map[uint32][]byte{}, data: map[uint32][]byte{}}
	for _, e := range exprs {
		w.add(e)
	}
	return strings.Join(w.words, " ")
}

func (w *ruleWriter) say(words ...string) { w.words = append(w.words, words...) }

func (w *ruleWriter) add(e expr.Any) {
	switch e := e.(type) {
	case *expr.Counter:
	case *expr.Meta:
		w.meta(e)
	case *expr.Payload:
		if e.OperationType == expr.PayloadLoad {
			w.loaded[e.DestRegister] = w.field(e)
			delete(w.mask, e.DestRegister)
		} else {
			w.say("set", w.field(e))
		}
	case *expr.Ct:
		w.loaded[e.Register] = "ct " + ctKey(e.Key)
	case *expr.Bitwise:
		w.loaded[e.DestRegister], w.mask[e.DestRegister] = w.loaded[e.SourceRegister], e.Mask
	case *expr.Cmp:
		w.compare(e)
	case *expr.Range:
		w.say(w.loaded[e.Register], not(e.Op == expr.CmpOpNeq)+w.value(e.Register, e.FromData)+"-"+w.value(e.Register, e.ToData))
	case *expr.Lookup:
		w.say(w.loaded[e.SourceRegister], not(e.Invert)+"@"+e.SetName)
	case *expr.Immediate:
		w.data[e.Register] = e.Data
	default:
		w.action(e)
	}
}

func not(yes bool) string {
	if yes {
		return "!= "
	}
	return ""
}

// action writes what happens to a packet.
func (w *ruleWriter) action(e expr.Any) {
	switch e := e.(type) {
	case *expr.Verdict:
		w.say(verdict(e))
	case *expr.Reject:
		w.say("reject")
	case *expr.Masq:
		w.say("masquerade")
	case *expr.NAT:
		kind := "snat"
		if e.Type == expr.NATTypeDestNAT {
			kind = "dnat"
		}
		w.say(kind, "to", plainAddress(w.data[e.RegAddrMin])+port(w.data[e.RegProtoMin]))
	case *expr.Redir:
		w.say("redirect to", port(w.data[e.RegisterProtoMin]))
	case *expr.Log:
		w.say("log")
	case *expr.Match:
		w.say("match", e.Name+info(e.Info))
	case *expr.Target:
		w.say("target", e.Name+info(e.Info))
	default:
		w.say(strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", e), "*expr.")))
	}
}

func verdict(v *expr.Verdict) string {
	switch v.Kind {
	case expr.VerdictDrop:
		return "drop"
	case expr.VerdictAccept:
		return "accept"
	case expr.VerdictJump:
		return "jump " + v.Chain
	case expr.VerdictGoto:
		return "goto " + v.Chain
	case expr.VerdictReturn:
		return "return"
	case expr.VerdictQueue:
		return "queue"
	}
	return "continue"
}

func metaName(k expr.MetaKey) string {
	switch k {
	case expr.MetaKeyIIFNAME:
		return "iifname"
	case expr.MetaKeyOIFNAME:
		return "oifname"
	case expr.MetaKeyIIF:
		return "iif"
	case expr.MetaKeyOIF:
		return "oif"
	case expr.MetaKeyL4PROTO:
		return "l4proto"
	case expr.MetaKeyNFPROTO:
		return "nfproto"
	case expr.MetaKeySKUID:
		return "skuid"
	case expr.MetaKeySKGID:
		return "skgid"
	case expr.MetaKeyMARK:
		return "mark"
	case expr.MetaKeyCGROUP:
		return "cgroup"
	case expr.MetaKeyPROTOCOL:
		return "protocol"
	case expr.MetaKeyPKTTYPE:
		return "pkttype"
	}
	return fmt.Sprintf("meta-%d", k)
}

func (w *ruleWriter) meta(e *expr.Meta) {
	name := metaName(e.Key)
	if e.SourceRegister {
		w.say("set", name)
		return
	}
	w.loaded[e.Register] = name
	delete(w.mask, e.Register)
}

func ctKey(k expr.CtKey) string {
	switch k {
	case expr.CtKeySTATE:
		return "state"
	case expr.CtKeyMARK:
		return "mark"
	}
	return fmt.Sprintf("key-%d", k)
}

// field names the part of a packet.
func (w *ruleWriter) field(e *expr.Payload) string {
	at := fmt.Sprintf("@%d,%d,%d", e.Base, e.Offset*8, e.Len*8)
	switch e.Base {
	case expr.PayloadBaseTransportHeader:
		proto := map[byte]string{6: "tcp", 17: "udp"}[w.l4]
		if proto == "" {
			proto = "th"
		}
		switch [2]uint32{e.Offset, e.Len} {
		case [2]uint32{0, 2}:
			return proto + " sport"
		case [2]uint32{2, 2}:
			return proto + " dport"
		}
	case expr.PayloadBaseNetworkHeader:
		switch [2]uint32{e.Offset, e.Len} {
		case [2]uint32{12, 4}:
			return "ip saddr"
		case [2]uint32{16, 4}:
			return "ip daddr"
		case [2]uint32{9, 1}:
			return "ip protocol"
		case [2]uint32{8, 16}:
			return "ip6 saddr"
		case [2]uint32{24, 16}:
			return "ip6 daddr"
		}
	}
	return at
}

func (w *ruleWriter) compare(e *expr.Cmp) {
	what := w.loaded[e.Register]
	if (what == "l4proto" || what == "ip protocol") && len(e.Data) >= 1 && e.Op == expr.CmpOpEq {
		w.l4 = e.Data[0]
	}
	op := map[expr.CmpOp]string{expr.CmpOpNeq: "!= ", expr.CmpOpLt: "< ", expr.CmpOpLte: "<= ", expr.CmpOpGt: "> ", expr.CmpOpGte: ">= "}[e.Op]
	if m := w.mask[e.Register]; len(m) > 0 && len(e.Data) == len(m) && strings.HasPrefix(what, "ct") {
		// A flag test: "masked value is not zero".
		w.say(what, "0x"+hex.EncodeToString(m))
		return
	}
	w.say(what, op+w.value(e.Register, e.Data))
}

// value writes a constant the way its field is usually written.
func (w *ruleWriter) value(register uint32, b []byte) string {
	what := w.loaded[register]
	switch {
	case strings.HasSuffix(what, "port") && len(b) == 2:
		return strconv.Itoa(int(binary.BigEndian.Uint16(b)))
	case strings.HasSuffix(what, "addr"):
		return plainAddress(b) + prefix(b, w.mask[register])
	case strings.HasSuffix(what, "ifname"):
		name, _, _ := bytes.Cut(b, []byte{0})
		return string(name)
	case strings.HasPrefix(what, "sk") && len(b) == 4, what == "mark" && len(b) == 4:
		return strconv.FormatUint(uint64(binary.NativeEndian.Uint32(b)), 10)
	case len(b) == 1:
		return strconv.Itoa(int(b[0]))
	}
	return "0x" + hex.EncodeToString(b)
}

// plainAddress writes an address; of fewer bytes, as nft stores prefixes that end at a byte, with zeros after them.
func plainAddress(b []byte) string {
	if a, ok := netip.AddrFromSlice(b); ok {
		return a.String()
	}
	if len(b) > 0 && len(b) < 4 {
		a := [4]byte{}
		copy(a[:], b)
		return netip.AddrFrom4(a).String() + "/" + strconv.Itoa(8*len(b))
	}
	return hex.EncodeToString(b)
}

// prefix is the length of a mask, if it is one.
func prefix(b, mask []byte) string {
	if len(mask) != len(b) || len(b) == 0 {
		return ""
	}
	n := 0
	for _, c := range mask {
		for bit := byte(0x80); bit != 0 && c&bit != 0; bit >>= 1 {
			n++
		}
	}
	return "/" + strconv.Itoa(n)
}

func port(b []byte) string {
	if len(b) < 2 {
		return ""
	}
	return ":" + strconv.Itoa(int(binary.BigEndian.Uint16(b)))
}

// info writes what an extension of iptables was told, where the library knows it.
func info(i xt.InfoAny) string {
	switch i := i.(type) {
	case *xt.Tcp:
		return fmt.Sprintf(" sport %d-%d dport %d-%d", i.SrcPorts[0], i.SrcPorts[1], i.DstPorts[0], i.DstPorts[1])
	case *xt.Udp:
		return fmt.Sprintf(" sport %d-%d dport %d-%d", i.SrcPorts[0], i.SrcPorts[1], i.DstPorts[0], i.DstPorts[1])
	case *xt.Comment:
		return " " + strings.TrimRight(string(*i), "\x00")
	}
	return ""
}
