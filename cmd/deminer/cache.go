package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/deminer/deminer/internal/detect"
)

// cache remembers what the rules said of files that nobody wrote to since, and which packaged files are intact, so that an
// unchanged tree is read once. A file is known by device, inode, size, mtime and ctime; the change time cannot be set
// back by a program. It implements detect.Cache and pkgdb.Memory.
//
// On disk: a line that names the format, the digest of the rules, the number of records as 8 bytes, the records, and what
// has more to say than a byte as gob.
type cache struct {
	file  string
	rules [32]byte // digest of the rules the contents were judged with
	mu    sync.RWMutex
	files *table
	loud  map[key]detect.Content
	more  bool // something new was put into loud
}

// cacheFormat changes with everything that changes what the bytes mean.
const cacheFormat = "deminer cache 2\n"

// kinds are the contents worth a byte; loud and intact are bytes of their own.
var kinds = []string{"", "elf", "script", "text", "other"}

const (
	loud   = 0xFE // see cache.loud
	intact = 0xFF // the packaged content
)

// maxCache bounds the file: a larger one is not ours.
const maxCache = 512 << 20

func openCache(f *flags, rules string) *cache {
	c := &cache{file: filepath.Join(f.stateDir(), "cache", "files"), rules: sha256.Sum256([]byte(rules))}
	if f.fresh || c.load() != nil { // what cannot be used is written anew
		c.files, c.loud = &table{add: map[key]byte{}}, map[key]detect.Content{}
	}
	return c
}

var errCache = errors.New("not a cache of this program and these rules")

func (c *cache) load() error {
	st, err := os.Lstat(c.file)
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() || st.Size() > maxCache || st.Mode().Perm()&0o077 != 0 {
		return errCache
	}
	r, err := os.Open(c.file)
	if err != nil {
		return err
	}
	defer r.Close()
	head := make([]byte, len(cacheFormat)+len(c.rules)+8)
	if _, err := io.ReadFull(r, head); err != nil {
		return err
	}
	format, rest := head[:len(cacheFormat)], head[len(cacheFormat):]
	n := binary.LittleEndian.Uint64(rest[len(c.rules):])
	if string(format) != cacheFormat || !bytes.Equal(rest[:len(c.rules)], c.rules[:]) || n > uint64(st.Size())/recordSize {
		return errCache
	}
	records := make([]byte, n*recordSize)
	if _, err := io.ReadFull(r, records); err != nil {
		return err
	}
	if c.files, err = parseTable(records); err != nil {
		return err
	}
	if err := gob.NewDecoder(bufio.NewReader(io.LimitReader(r, maxCache))).Decode(&c.loud); err != nil || c.loud == nil {
		return errCache
	}
	return nil
}

func nameOf(k detect.FileKey) (out key) {
	var b [40]byte
	for i, v := range [...]int64{int64(k.Dev), int64(k.Ino), k.Size, k.Mtime.UnixNano(), k.Ctime.UnixNano()} {
		binary.LittleEndian.PutUint64(b[8*i:], uint64(v))
	}
	sum := sha256.Sum256(b[:])
	copy(out[:], sum[:])
	return out
}

// Get implements detect.Cache.
func (c *cache) Get(k detect.FileKey) (detect.Content, bool) {
	name := nameOf(k)
	c.mu.RLock()
	defer c.mu.RUnlock()
	kind, ok := c.files.get(name)
	switch {
	case !ok:
	case kind == loud:
		content, ok := c.loud[name]
		return content, ok
	case int(kind) < len(kinds):
		return detect.Content{Kind: kinds[kind]}, true
	}
	return detect.Content{}, false
}

// Put implements detect.Cache.
func (c *cache) Put(k detect.FileKey, content detect.Content) {
	name := nameOf(k)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, kind := range kinds {
		if kind == content.Kind && content.SHA256 == "" && len(content.Hits) == 0 {
			c.files.put(name, byte(i))
			return
		}
	}
	c.files.put(name, loud)
	c.loud[name], c.more = content, true
}

// intactKey keeps the keys of package checks apart from those of files.
func intactKey(sum [32]byte) (out key) {
	sum[0] ^= 0x5A
	copy(out[:], sum[:])
	return out
}

// Same implements pkgdb.Memory.
func (c *cache) Same(sum [32]byte) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	kind, ok := c.files.get(intactKey(sum))
	return ok && kind == intact
}

// Keep implements pkgdb.Memory.
func (c *cache) Keep(sum [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files.put(intactKey(sum), intact)
}

// save writes the cache whole or not at all. Where it cannot, the next scan is slower, nothing else. whole says that all
// files were looked at: what nobody asked for is gone, and is forgotten.
func (c *cache) save(whole bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.more && !c.files.changed(whole) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(c.file), 0o700); err != nil {
		return err
	}
	tmp := fmt.Sprintf("%s.%d", c.file, os.Getpid())
	w, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = errors.Join(c.write(w, whole), w.Close())
	if err == nil {
		err = os.Rename(tmp, c.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

func (c *cache) write(w io.Writer, whole bool) error {
	records := c.files.bytes(whole)
	t, err := parseTable(records)
	if err != nil {
		return err
	}
	for k := range c.loud {
		if kind, ok := t.get(k); !ok || kind != loud {
			delete(c.loud, k)
		}
	}
	head := append([]byte(cacheFormat), c.rules[:]...)
	head = binary.LittleEndian.AppendUint64(head, uint64(t.len()))
	for _, part := range [][]byte{head, records} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	out := bufio.NewWriter(w)
	return errors.Join(gob.NewEncoder(out).Encode(c.loud), out.Flush())
}
