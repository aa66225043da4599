package detect

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAPaddedPageIsNotPassedOver: a shell is not out of sight because its page is large.
func TestAPaddedPageIsNotPassedOver(t *testing.T) {
	file := filepath.Join(t.TempDir(), "host.txtar")
	text := "A web shell before nine megabytes of nothing.\n-- /var/www/html/p.php --\n<?php " + evil + "\n" + strings.Repeat("//"+strings.Repeat("x", 1021)+"\n", 9<<10) + "-- @snapshot --\n{\"taken\":\"2026-03-12T03:00:00Z\"}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	found, _ := run(t, file)
	var said []string
	for _, f := range found {
		said = append(said, say(f))
	}
	if !slices.Contains(said, "web-shell strong content file:/var/www/html/p.php") {
		t.Errorf("said %q", said)
	}
}
