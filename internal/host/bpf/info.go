package bpf

import "bytes"

// InfoSize is how much of struct bpf_prog_info Info asks for, in bytes: up to and with the name, which Linux 4.15 has.
const InfoSize = nameAt + 16

const nameAt = 64

// Name gives the name in what Info read. Whoever loaded the program chose it.
func Name(info [InfoSize]byte) string {
	name, _, _ := bytes.Cut(info[nameAt:], []byte{0})
	return string(name)
}
