//go:build !race

package main

// raced: the race detector takes a multiple of the memory.
const raced = false
