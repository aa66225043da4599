//go:build linux

package deny

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// poolKey and poolValue are struct address and struct pool of bpf/pool.h.
type poolKey struct {
	Bits uint32
	IP   [16]byte
}

type poolValue struct {
	Until     uint64
	Port, Pad uint32
}

func keyOf(p netip.Prefix) poolKey {
	k := poolKey{Bits: uint32(p.Bits()), IP: p.Addr().As16()}
	if p.Addr().Is4() {
		k.Bits += 96
	}
	return k
}

func (s *sockets) addPool(p netip.Prefix, port uint16, until time.Time) error {
	if !p.IsValid() || p.Bits() == 0 || p.Addr().Is4In6() {
		return fmt.Errorf("refuse pool %q: not an address or network", p)
	}
	end, err := at(until)
	if err != nil {
		return err
	}
	if err := s.maps[kernelMapPools].Put(keyOf(p.Masked()), poolValue{Until: end, Port: uint32(port)}); err != nil {
		return fmt.Errorf("refuse pool %s: %w", p, err)
	}
	return nil
}

func (s *sockets) removePool(p netip.Prefix) error {
	if err := s.maps[kernelMapPools].Delete(keyOf(p.Masked())); err != nil && !isGone(err) {
		return fmt.Errorf("allow pool %s: %w", p, err)
	}
	return nil
}

func isGone(err error) bool { return errors.Is(err, ebpf.ErrKeyNotExist) }

// sweep forgets what is over.
func (s *sockets) sweep() {
	n, err := now()
	if err != nil {
		return
	}
	var over []poolKey
	var k poolKey
	var v poolValue
	for all := s.maps[kernelMapPools].Iterate(); all.Next(&k, &v); {
		if v.Until != 0 && v.Until <= n {
			over = append(over, k)
		}
	}
	for _, k := range over {
		_ = s.maps[kernelMapPools].Delete(k)
	}
	var ended []uint64
	var group, until uint64
	for all := s.maps[kernelMapGroups].Iterate(); all.Next(&group, &until); {
		if until <= n {
			ended = append(ended, group)
		}
	}
	for _, g := range ended {
		_ = s.cutGroup(g, 0)
	}
}

// mode sets what is done about a class.
func (s *sockets) mode(c Class, m Mode) error {
	i := slices.Index(classes[:], c)
	if i < 0 || m > Block {
		return fmt.Errorf("mode %d of class %q: not known", m, c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set.Modes[i] = m
	return s.write()
}

// cutSocket cuts one socket for as long as it is there.
func (s *sockets) cutSocket(cookie uint64) error {
	n, err := now()
	if err != nil {
		return err
	}
	if err := s.maps[kernelMapCuts].Put(cookie, n); err != nil {
		return fmt.Errorf("cut socket %d: %w", cookie, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set.Turn++
	return s.write()
}

// cutGroup has nothing sent from a control group until then; 0 ends that.
func (s *sockets) cutGroup(id, until uint64) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	groups := s.maps[kernelMapGroups]
	if until == 0 {
		if err = groups.Delete(id); isGone(err) {
			err = nil
		}
	} else {
		err = groups.Put(id, until)
	}
	if err != nil {
		return fmt.Errorf("cut control group %d: %w", id, err)
	}
	s.set.Groups = 0
	var k, v uint64
	for all := groups.Iterate(); all.Next(&k, &v); {
		s.set.Groups++
	}
	return s.write()
}

// groupID is the number of a control group.
func groupID(dir string) (uint64, error) {
	fd, err := openGroup(dir)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, &os.PathError{Op: "look at control group", Path: dir, Err: err}
	}
	return st.Ino, nil
}
