package main

import (
	"strings"
	"testing"

	"github.com/deminer/deminer/internal/policy"
)

// TestLongReason: no entry fills the allow list by its reason; it is refused before anything is read or changed.
func TestLongReason(t *testing.T) {
	e := policy.Entry{Reason: strings.Repeat("x", policy.MaxReason+1)}
	if err := allow(nil, nil, e); err == nil || !strings.Contains(err.Error(), "reason") {
		t.Errorf("got %v", err)
	}
}
