package main

import (
	"runtime/debug"
	"testing"
)

func TestBuiltFrom(t *testing.T) {
	vcs := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: "8034afe0123456789"}, {Key: "vcs.time", Value: "2026-11-27T07:04:14Z"}, {Key: "vcs.modified", Value: modified}}
	}
	for want, info := range map[string]debug.BuildInfo{
		"v1.2.3":                                {Main: debug.Module{Version: "v1.2.3"}, Settings: vcs("false")},
		"dev-20261127070414-8034afe01234":       {Main: debug.Module{Version: "(devel)"}, Settings: vcs("false")},
		"dev-20261127070414-8034afe01234+dirty": {Settings: vcs("true")},
		"dev-abc":                               {Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "x"}}},
		unversioned:                             {},
	} {
		if got := builtFrom(&info); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
