package persist

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// Layout of /etc/ld.so.cache (glibc, sysdeps/generic/dl-cache.h): a header of 48 bytes that begins with the magic and the
// number of libraries, then 24 bytes a library, whose second and third words are the offsets of name and path.
const (
	cacheMagic  = "glibc-ld.so.cache1.1"
	oldMagic    = "ld.so-1.7.0\x00" // header 16 bytes, 12 a library; the new cache follows, aligned to 8 or 4
	cacheHeader = 48
	cacheEntry  = 24
	maxCache    = 32 << 20 // bytes
	maxLibs     = 200_000
)

// cacheLib is a library in the cache.
type cacheLib struct{ name, path string }

// errCache: the content is no linker cache, or is cut short.
var errCache = errors.New("not a linker cache")

// listLdCache lists the libraries the linker cache takes from directories where neither a distribution nor ld.so.conf put them.
func listLdCache(l *Lister) {
	const name = "/etc/ld.so.cache"
	b, err := host.ReadFile(l.Host.FS, name, maxCache)
	if err != nil {
		l.Fail(name, err)
		return
	}
	libs, err := parseLdCache(b)
	if err != nil {
		l.Fail(name, err)
		return
	}
	for _, lib := range libs {
		dir := path.Dir(lib.path)
		if below(dir, []string{"/lib", "/usr/lib", "/lib64", "/usr/lib64", "/lib32", "/usr/lib32", "/libx32", "/usr/libx32"}) && !hidden(dir) {
			continue
		}
		if !l.Exists(lib.path) {
			continue // the loader looks on in the usual directories
		}
		f := deminer.Foothold{Path: deminer.Raw(lib.path), Name: lib.name, User: "every user", Trigger: "start of a program that needs " + lib.name,
			Targets: []string{lib.path}, Odd: []string{"listed in " + name}}
		if why := oddPlace(lib.path); why != "" {
			f.Odd = append(f.Odd, why)
		}
		l.Add(f)
	}
}

// parseLdCache gives the libraries of a linker cache in either format.
func parseLdCache(b []byte) ([]cacheLib, error) {
	at := 0
	if bytes.HasPrefix(b, []byte(oldMagic)) {
		at = bytes.Index(b, []byte(cacheMagic))
	}
	if at < 0 || !bytes.HasPrefix(b[min(at, len(b)):], []byte(cacheMagic)) || len(b)-at < cacheHeader {
		return nil, errCache
	}
	b = b[at:]
	var order binary.ByteOrder = binary.LittleEndian
	n := uint64(order.Uint32(b[len(cacheMagic):]))
	if n*cacheEntry > uint64(len(b)-cacheHeader) {
		order = binary.BigEndian
		n = uint64(order.Uint32(b[len(cacheMagic):]))
	}
	if n*cacheEntry > uint64(len(b)-cacheHeader) || n > maxLibs {
		return nil, errCache
	}
	var out []cacheLib
	for i := range n {
		e := b[cacheHeader+i*cacheEntry:]
		lib := cacheLib{cString(b, order.Uint32(e[4:])), cString(b, order.Uint32(e[8:]))}
		if strings.HasPrefix(lib.path, "/") && !slices.Contains(out[max(0, len(out)-4):], lib) {
			out = append(out, lib)
		}
	}
	return out, nil
}

// cString is the text at an offset up to the next zero byte, at most 4096 bytes.
func cString(b []byte, at uint32) string {
	if uint64(at) >= uint64(len(b)) {
		return ""
	}
	b = b[at:min(uint64(len(b)), uint64(at)+4096)]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return string(b[:i])
	}
	return ""
}
