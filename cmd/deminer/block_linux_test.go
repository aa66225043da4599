package main

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hands"
	"github.com/deminer/deminer/internal/journal"
	"github.com/deminer/deminer/internal/remedy"
	"github.com/spf13/cobra"
)

// blockedNet is a firewall in memory; bad is what lifting an address answers.
type blockedNet struct {
	list []host.Block
	bad  map[string]error
}

func (n *blockedNet) Block(b host.Block) error { n.list = append(n.list, b); return nil }
func (n *blockedNet) Lift(b host.Block) error {
	n.list = slices.DeleteFunc(n.list, b.Same)
	return n.bad[b.String()]
}
func (n *blockedNet) List() ([]host.Block, error) { return n.list, nil }

func blockOf(addr string) host.Block {
	return host.Block{Addr: netip.MustParseAddrPort(addr), Until: time.Now().Add(time.Hour)}
}

// TestLiftSaysWhatWasNotBlocked: what is in force is lifted and named, what is not is an error, also beside what is.
func TestLiftSaysWhatWasNotBlocked(t *testing.T) {
	for name, c := range map[string]struct {
		lift      []string
		json      bool
		out, errs string
		code      int
	}{
		"in force":   {[]string{"10.0.0.1:1"}, false, "10.0.0.1:1 is not blocked any more\n", "", exitClean},
		"not there":  {[]string{"10.0.0.9:9"}, false, "", "no such block is in force: 10.0.0.9:9", exitError},
		"one of two": {[]string{"10.0.0.9:9", "10.0.0.1:1"}, false, "10.0.0.1:1 is not blocked any more\n", "no such block is in force: 10.0.0.9:9", exitError},
		"as JSON":    {[]string{"10.0.0.9:9"}, true, "{\"done\":[]}", "no such block is in force: 10.0.0.9:9", exitError},
		"fails":      {[]string{"10.0.0.1:1", "10.0.0.2:2", "10.0.0.3:3"}, false, "10.0.0.1:1 is not blocked any more\n", "lift 10.0.0.2:2: the kernel says no", exitError},
	} {
		dir, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		net := &blockedNet{list: []host.Block{blockOf("10.0.0.1:1"), blockOf("10.0.0.2:2"), blockOf("10.0.0.3:3")}, bad: map[string]error{"10.0.0.2:2": errors.New("the kernel says no")}}
		r := &remedy.Runner{Journal: &journal.Store{Dir: dir, Lock: hands.Lock}}
		r.Tools.State, r.Tools.Hands = dir, &host.Hands{Net: net}
		var blocks []host.Block
		for _, l := range c.lift {
			blocks = append(blocks, blockOf(l))
		}
		var out bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetOut(&out)
		err = (&flags{json: c.json}).lift(cmd, r, blocks)
		got, text := exitClean, ""
		var coded *coded
		if errors.As(err, &coded) {
			got, text = coded.code, coded.Error()
		}
		plain := out.String()
		if c.json {
			plain = strings.Join(strings.Fields(plain), "")
		}
		if got != c.code || text != c.errs || plain != c.out {
			t.Errorf("%s: %d %q, output %q", name, got, text, out.String())
		}
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestNoBlocksAreAList: who reads JSON gets a list where nothing is blocked, not null.
func TestNoBlocksAreAList(t *testing.T) {
	for json, want := range map[bool]string{true: "[]\n", false: "nothing is blocked\n"} {
		var out bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetOut(&out)
		if err := (&flags{json: json}).blocks(cmd, nil); err != nil || out.String() != want {
			t.Errorf("json %v: %q, %v", json, out.String(), err)
		}
	}
}
