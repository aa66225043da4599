package yara

import (
	"bytes"
	"unicode/utf8"
)

// signature is how a kind of file begins.
type signature struct {
	at         int
	magic      string
	name, mime string
}

// signatures go from the particular to the general. Their bytes are from the formats' specifications.
var signatures = []signature{
	{0, "\x7fELF", "elf", "application/x-elf"},
	{0, "\xfe\xed\xfa\xce", "macho", "application/x-mach-binary"},
	{0, "\xfe\xed\xfa\xcf", "macho", "application/x-mach-binary"},
	{0, "\xce\xfa\xed\xfe", "macho", "application/x-mach-binary"},
	{0, "\xcf\xfa\xed\xfe", "macho", "application/x-mach-binary"},
	{0, "\x1f\x8b", "gzip", "application/gzip"},
	{0, "\xfd7zXZ\x00", "xz", "application/x-xz"},
	{0, "BZh", "bzip2", "application/x-bzip2"},
	{0, "\x28\xb5\x2f\xfd", "zstd", "application/zstd"},
	{0, "\x04\x22\x4d\x18", "lz4", "application/x-lz4"},
	{0, "PK\x03\x04", "zip", "application/zip"},
	{0, "PK\x05\x06", "zip", "application/zip"},
	{0, "7z\xbc\xaf\x27\x1c", "7z", "application/x-7z-compressed"},
	{0, "Rar!\x1a\x07", "rar", "application/vnd.rar"},
	{257, "ustar", "tar", "application/x-tar"},
	{0, "!<arch>\n", "ar", "application/x-archive"},
	{0, "\xed\xab\xee\xdb", "rpm", "application/x-rpm"},
	{0, "070701", "cpio", "application/x-cpio"},
	{0, "070702", "cpio", "application/x-cpio"},
	{0, "%PDF-", "pdf", "application/pdf"},
	{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole", "application/x-ole-storage"},
	{0, "{\\rtf", "rtf", "application/rtf"},
	{0, "\x89PNG\r\n\x1a\n", "png", "image/png"},
	{0, "\xff\xd8\xff", "jpeg", "image/jpeg"},
	{0, "GIF8", "gif", "image/gif"},
	{0, "SQLite format 3\x00", "sqlite", "application/vnd.sqlite3"},
	{0, "\xca\xfe\xba\xbe", "class", "application/java-vm"},
	{0, "dex\n", "dex", "application/vnd.android.dex"},
	{0, "\x00asm", "wasm", "application/wasm"},
	{0, "\xd4\xc3\xb2\xa1", "pcap", "application/vnd.tcpdump.pcap"},
	{0, "\xa1\xb2\xc3\xd4", "pcap", "application/vnd.tcpdump.pcap"},
	{0, "#!", "script", "text/x-script"},
	{0, "<?php", "php", "text/x-php"},
	{0, "<?xml", "xml", "text/xml"},
}

// filetypeModule tells what data is by how it begins: filetype.name ("elf", "pe", "gzip", "script", "text", "data", ...) and filetype.mime. It needs no database of the host.
func filetypeModule() *module {
	return &module{root: structType(fields{}.allOf(typString, "name mime")), load: func(in *input) *object {
		o := newStruct()
		name, mime := fileType(in)
		o.setStr("name", name)
		o.setStr("mime", mime)
		return o
	}, file: true}
}

func fileType(in *input) (name, mime string) {
	head := in.upTo(0, 4096)
	if len(head) == 0 {
		return "empty", "application/x-empty"
	}
	if openPE(in) != nil {
		return "pe", "application/vnd.microsoft.portable-executable"
	}
	for _, s := range signatures {
		if len(head) >= s.at+len(s.magic) && string(head[s.at:s.at+len(s.magic)]) == s.magic {
			return s.name, s.mime
		}
	}
	if bytes.HasPrefix(head, []byte("MZ")) {
		return "dos", "application/x-dosexec"
	}
	if isText(head) {
		return "text", "text/plain"
	}
	return "data", "application/octet-stream"
}

// isText takes UTF-8 without control characters for text; the last letter may be cut.
func isText(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			return len(b) < utf8.UTFMax && !utf8.FullRune(b)
		}
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' && r != '\f' && r != 0x1b || r == 0x7f {
			return false
		}
		b = b[n:]
	}
	return true
}
