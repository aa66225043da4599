package detect

import (
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/hosttest"
)

// TestOneSignCountsOnce: an owner's script that fetches an update from an inner server, started by cron, gets strong
// findings of one class only, so that nothing can convict it.
func TestOneSignCountsOnce(t *testing.T) {
	h, err := hosttest.Parse([]byte(`-- /usr/local/bin/update.sh --
#!/bin/sh
curl -fsS http://10.0.0.5/update.sh | sh
-- @attr --
/usr/local/bin/update.sh mode=755
-- @snapshot --
{"footholds":[{"mechanism":"cron","id":"PL-01","path":"/etc/cron.d/update","line":"0 4 * * * root /usr/local/bin/update.sh","command":"/usr/local/bin/update.sh","targets":["/usr/local/bin/update.sh"],"target_own":[{"state":"unowned"}]},
 {"mechanism":"cron","id":"PL-01","path":"/etc/cron.d/two","line":"0 4 * * * root curl -fsS http://10.0.0.5/two.sh | sh","command":"curl -fsS http://10.0.0.5/two.sh | sh"}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	classes := map[deminer.Class]bool{}
	p := newPass(t, h, func(f deminer.Finding) {
		if f.Tier == deminer.Proof {
			t.Errorf("proof: %s", say(f))
		}
		if f.Tier == deminer.Strong {
			classes[f.Class] = true
		}
	})
	for _, d := range All() {
		if err := d.Run(t.Context(), p); err != nil {
			t.Error(err)
		}
	}
	if len(classes) != 1 || !classes[deminer.ByPersist] {
		t.Errorf("strong signs of the classes %v, want of persistence only", classes)
	}
}
