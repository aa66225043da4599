package remedy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/state"
)

// usualBlock is how long a block lasts unless the plan says otherwise.
const usualBlock = 24 * time.Hour

// LongestBlock is how long a block may last: longer ones are refused. A year, which may be a leap year.
const LongestBlock = 366 * 24 * time.Hour

// blocked is the undo data of a block.
type blocked struct {
	Block host.Block `json:"block"`
	Keep  bool       `json:"keep,omitempty"` // write it down for the next boot
	Had   bool       `json:"had,omitempty"`  // it was blocked before; undo leaves it
	None  string     `json:"none,omitempty"` // why there is nothing to do
}

func block() Verb {
	return Verb{Name: deminer.VerbBlock, Doc: "drop what this host sends to an address, or all that a control group sends, for a time", Phase: deminer.PhaseBlock,
		Ready: readyBlock, Do: doBlock, Undo: undoBlock, Holds: blockHolds}
}

// ParseBlock reads what can be blocked: an address as ParseBlockAddr does, the path of a control group, or "from " and a source.
func ParseBlock(text string) (host.Block, error) {
	if from, ok := strings.CutPrefix(text, "from "); ok {
		p, err := ParseSource(strings.TrimSpace(from))
		return host.Block{From: p}, err
	}
	if strings.HasPrefix(text, "/") {
		return host.Block{Cgroup: text}, checkGroup(text)
	}
	addr, err := ParseBlockAddr(text)
	return host.Block{Addr: addr}, err
}

// ParseSource reads a source: an IPv4 address, or an IPv6 network of 64 bits, of which any address stands for all. An address that a
// translator made of an IPv4 address stands for itself only.
func ParseSource(text string) (netip.Prefix, error) {
	a, err := netip.ParseAddr(text)
	if err == nil {
		return deminer.SourceOf(a), nil
	}
	p, fail := netip.ParsePrefix(text)
	if fail != nil {
		return p, fmt.Errorf("read source %q: %w", deminer.Safe(text), err)
	}
	source := deminer.SourceOf(p.Addr())
	if p.Bits() != p.Addr().BitLen() && (p.Bits() != 64 || source.Bits() != 64) {
		return p, fmt.Errorf("read source %q: only single addresses and IPv6 networks of 64 bits, not those of a translator, can be blocked", deminer.Safe(text))
	}
	return source, nil
}

// ParseBlockAddr reads "ip", "ip:port" or "[ip]:port"; port 0 means all ports. Names are not looked up.
func ParseBlockAddr(text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(a.Unmap().WithZone(""), 0), nil
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return a, fmt.Errorf("read address %q: %w", deminer.Safe(text), err)
	}
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()), nil
}

func readyBlock(t *Tools, s deminer.Step) (any, error) {
	if err := need(t.Hands.Net != nil, "block"); err != nil {
		return nil, err
	}
	b := blocked{Keep: s.Action.Args["keep"] == "yes"}
	var err error
	if s.Action.Target.Kind == deminer.KindCgroup {
		b.Keep = false // after a reboot the name may hold an owner's
		if b.Block.Cgroup, b.None, err = t.readyGroup(s); err != nil || b.None != "" {
			return b, err
		}
	} else if s.Action.Args["from"] == "yes" {
		b.Keep = false // the address may be another's by then
		if b.Block.From, err = ParseSource(s.Action.Target.Addr); err != nil {
			return nil, err
		}
	} else if b.Block.Addr, err = ParseBlockAddr(s.Action.Target.Addr); err != nil {
		return nil, err
	}
	if ip := b.Block.From.Addr(); b.Block.From.IsValid() && (ip.IsUnspecified() || ip.IsMulticast() || ip.IsLoopback() || ip.IsLinkLocalUnicast()) {
		return nil, fmt.Errorf("block %s: %w: it would cut the host off from itself or from its neighbours", b.Block, deminer.ErrProtected)
	}
	if ip := b.Block.Addr.Addr(); b.Block.Addr.IsValid() && (ip.IsUnspecified() || ip.IsMulticast() || ip.IsLoopback() && b.Block.Addr.Port() == 0) {
		return nil, fmt.Errorf("block %s: %w: it would cut the host off from itself", b.Block, deminer.ErrProtected)
	}
	span := usualBlock
	if text := string(s.Action.Args["for"]); text != "" {
		if span, err = time.ParseDuration(text); err != nil || span <= 0 || span > LongestBlock {
			return nil, fmt.Errorf("block %s: %q is no time between 1s and %s", b.Block, text, LongestBlock)
		}
	}
	list, err := t.inForce()
	if err != nil {
		return nil, err
	}
	b.Had = slices.ContainsFunc(list, b.Block.Same)
	b.Block.Until = t.now().Add(span).UTC().Truncate(time.Second)
	return b, nil
}

func doBlock(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
	b, err := take[blocked](raw)
	if err != nil {
		return "", err
	}
	if err := need(t.Hands.Net != nil, "block"); err != nil {
		return "", err
	}
	switch {
	case b.None != "":
		return "nothing to do: " + b.None, nil
	case !b.Block.Until.After(t.now()):
		return "nothing to do: its time is over", nil
	case b.Block.Cgroup != "":
		return t.blockGroup(s, b.Block)
	}
	if err := t.Hands.Net.Block(b.Block); err != nil {
		return "", err
	}
	note := "until " + b.Block.Until.Format(time.RFC3339)
	if !b.Keep {
		return note + " or the next boot", nil
	}
	return note, t.remember(b.Block, true)
}

func undoBlock(t *Tools, _ deminer.Step, raw json.RawMessage) (string, error) {
	b, err := take[blocked](raw)
	if err != nil || b.Had || b.None != "" {
		return "it was blocked before, or there was nothing to block", err
	}
	if err := need(t.Hands.Net != nil, "lift a block"); err != nil {
		return "", err
	}
	return "", t.Lift(b.Block)
}

// inForce lists the blocks in force. That control groups cannot be asked does not stop the block of an address.
func (t *Tools) inForce() ([]host.Block, error) {
	list, err := t.Hands.Net.List()
	if errors.Is(err, host.ErrUnsupported) {
		err = nil
	}
	return list, err
}

// known reports whether a block is in force or written down. Where control groups cannot all be asked, one may be.
func (t *Tools) known(b host.Block) (bool, error) {
	list, err := t.Hands.Net.List()
	if errors.Is(err, host.ErrUnsupported) && b.Cgroup != "" {
		return true, nil
	}
	if err != nil && !errors.Is(err, host.ErrUnsupported) {
		return false, err
	}
	kept, err := t.blocks()
	return slices.ContainsFunc(append(list, kept...), b.Same), err
}

// Lift takes a block away, now and for the next boot; lifting what is not there is no error.
func (t *Tools) Lift(b host.Block) error {
	if err := t.Hands.Net.Lift(b); err != nil {
		return err
	}
	return t.remember(b, false)
}

// blockFile holds the blocks that shall survive a reboot, in the state directory: the kernel forgets them.
const blockFile = "blocks.json"

// maxBlocks bounds the file, in bytes: some hundred thousand blocks.
const maxBlocks = 16 << 20

// Reapply blocks again, after a reboot, what is written down and has not run out.
func (t *Tools) Reapply() (applied int, err error) {
	list, err := t.blocks()
	if err != nil || len(list) == 0 {
		return 0, err
	}
	now, err := t.inForce()
	if err != nil {
		return 0, err
	}
	for _, b := range list {
		if !b.Until.After(t.now()) || slices.ContainsFunc(now, b.Same) {
			continue
		}
		if err := t.Hands.Net.Block(b); err != nil {
			return applied, err
		}
		applied++
	}
	return applied, nil
}

func (t *Tools) blocks() ([]host.Block, error) {
	text, err := state.Read(t.State, blockFile, maxBlocks)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, state.ErrOdd) {
		err = fmt.Errorf("%w: %w", deminer.ErrProtected, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read blocks: %w", err)
	}
	var list []host.Block
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("read blocks: %w", err)
	}
	return list, nil
}

// remember writes the list of blocks anew, without those that ran out.
func (t *Tools) remember(b host.Block, on bool) error {
	list, err := t.blocks()
	if err != nil {
		return err
	}
	if !on && !slices.ContainsFunc(list, b.Same) {
		return nil
	}
	list = slices.DeleteFunc(list, func(o host.Block) bool { return o.Same(b) || !o.Until.After(t.now()) })
	if on {
		list = append(list, b)
	}
	text, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("write blocks: %w", err)
	}
	if err := state.Replace(t.State, blockFile, text); err != nil {
		return fmt.Errorf("write blocks: %w", err)
	}
	return nil
}
