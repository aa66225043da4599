package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/deminer/deminer"
)

// TestHandles: a handle stands for one member; one that stands for two is refused, and both are named.
func TestHandles(t *testing.T) {
	name := func(i int) string { return fmt.Sprintf("/tmp/%d", i) }
	first := map[string]int{}
	a, b := 0, 0
	for i := 1; b == 0; i++ { // 24 bits: two alike after some thousand names
		h := deminer.Handle("file:" + name(i))
		if first[h] != 0 {
			a, b = first[h], i
		}
		first[h] = i
	}
	rep := &deminer.Report{Incidents: []deminer.Incident{{ID: "AAAA"}}}
	for _, i := range []int{a, b, b + 1} {
		rep.Incidents[0].Members = append(rep.Incidents[0].Members, deminer.Member{Artifact: deminer.Artifact{Kind: deminer.KindFile, Path: deminer.Raw(name(i))}})
	}
	one := choosing{skip: []string{deminer.Handle("file:" + name(b+1))}, also: []string{"file:" + name(a)}}
	if err := one.known(rep); err != nil || one.skip[0] != "file:"+name(b+1) || one.also[0] != "file:"+name(a) {
		t.Errorf("got %v %v, %v", one.skip, one.also, err)
	}
	two := choosing{skip: []string{deminer.Handle("file:" + name(a))}}
	err := two.known(rep)
	if err == nil || !strings.Contains(err.Error(), "more than one") {
		t.Errorf("an ambiguous handle gave %v and %v", two.skip, err)
	}
}
