//go:build race

package main

// raced: the race detector takes a multiple of time and memory.
const raced = true
