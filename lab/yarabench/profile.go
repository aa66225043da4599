//go:build linux

package main

import (
	"log"
	"os"
	"runtime/pprof"
)

// profile starts a CPU profile where name is not empty, and gives what ends it.
func profile(name string) func() {
	if name == "" {
		return func() {}
	}
	f, err := os.Create(name)
	if err != nil {
		log.Fatal(err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		log.Fatal(err)
	}
	return pprof.StopCPUProfile
}
