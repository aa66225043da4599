package scan

import (
	"context"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// compared is a package database that only says whether contents were compared.
type compared struct{ host.Packages }

func (compared) Owner(string) deminer.Provenance { return deminer.Provenance{State: deminer.Owned} }
func (compared) Check(context.Context, string) deminer.Provenance {
	return deminer.Provenance{State: deminer.Intact}
}

// TestOwnersCompare: contents are compared below the given paths, and everywhere where none are given.
func TestOwnersCompare(t *testing.T) {
	for _, c := range []struct {
		only []string
		name string
		want deminer.ProvState
	}{
		{nil, "/usr/bin/a", deminer.Intact}, {[]string{}, "/usr/bin/a", deminer.Intact}, {[]string{"/srv"}, "/usr/bin/a", deminer.Owned},
		{[]string{"/srv", "/usr/"}, "/usr/bin/a", deminer.Intact}, {[]string{"/usr/bi"}, "/usr/bin/a", deminer.Owned}, {[]string{"/"}, "/usr/bin/a", deminer.Intact},
	} {
		o := newOwners(&host.Host{Packages: compared{}}, c.only)
		if got := o.check(t.Context(), c.name); got.State != c.want {
			t.Errorf("%q below %q: %v, not %v", c.name, c.only, got.State, c.want)
		}
	}
}
