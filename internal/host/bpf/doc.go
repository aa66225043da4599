// Package bpf asks the kernel by bpf(2), for eyes and hands alike. What is asked, and whether it changes anything, is the
// business of who calls.
package bpf
