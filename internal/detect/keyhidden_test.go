package detect

import (
	"slices"
	"testing"
)

// TestNoKeyOfTheMinutesStaysUnnamed: an intruder puts his key above the owner's, or sets the time of the file back.
func TestNoKeyOfTheMinutesStaysUnnamed(t *testing.T) {
	const want = "rogue-key weak provenance" + badKey
	above := visit(t, "", "", `"line":"ssh-ed25519 AAAAmine alice@desk","line_no":1`, `"line":"ssh-ed25519 AAAAmine alice@desk","line_no":3`)
	if !slices.Contains(above, want) {
		t.Errorf("above the owner's: %q", above)
	}
	const old = `"mtime":"2026-03-10T03:00:20Z"`
	back := visit(t, "", "", old, `"mtime":"2024-03-10T03:00:20Z","ctime":"2026-03-10T03:00:20Z"`, old, `"mtime":"2024-03-10T03:00:20Z","ctime":"2026-03-10T03:00:20Z"`)
	if !slices.Contains(back, want) {
		t.Errorf("with the time set back: %q", back)
	}
}
