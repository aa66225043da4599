package host

import (
	"maps"
	"slices"
	"testing"
)

func TestKin(t *testing.T) {
	parents := map[int]int{1: 0, 2: 0, 10: 1, 11: 10, 12: 11, 13: 11, 20: 1, 21: 20, 30: 2, 40: 41, 41: 40}
	for _, c := range []struct {
		of   []int
		want []int
	}{
		{[]int{11}, []int{1, 10, 11, 12, 13}},
		{[]int{13}, []int{1, 10, 11, 13}},
		{[]int{13, 21}, []int{1, 10, 11, 13, 20, 21}},
		{[]int{1}, []int{1}},
		{[]int{99}, nil},
		{[]int{40}, []int{40, 41}}, // read while one ended: no circle without end
	} {
		if got := slices.Sorted(maps.Keys(Kin(parents, c.of))); !slices.Equal(got, c.want) {
			t.Errorf("around %v: %v, want %v", c.of, got, c.want)
		}
	}
	many := map[int]int{1: 0, 3: 1}
	for pid := 10; pid < 10+2*MaxKin; pid++ {
		many[pid] = 3
	}
	if got := Kin(many, []int{3}); len(got) > MaxKin || !got[3] {
		t.Errorf("%d processes around one", len(got))
	}
}
