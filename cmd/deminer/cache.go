package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/deminer/deminer/internal/detect"
)

// cache remembers what the rules said of files that nobody wrote to since, so that an unchanged tree is read once. A file
// is known by device, inode, size, mtime and ctime; the change time cannot be set back by a program. Most files say
// nothing: those take 17 bytes.
type cache struct {
	file string
	mu   sync.Mutex
	data cached
	used bool // something new was put in
}

type cached struct {
	Rules string // digest of the rules the contents were judged with
	Quiet map[[16]byte]byte
	Loud  map[[16]byte]detect.Content
}

// kinds are the contents worth a byte.
var kinds = []string{"", "elf", "script", "text", "other"}

// maxCache bounds the file: a larger one is not ours.
const maxCache = 256 << 20

func openCache(f *flags, rules string) *cache {
	c := &cache{file: filepath.Join(f.stateDir(), "cache", "files")}
	c.data = cached{rules, map[[16]byte]byte{}, map[[16]byte]detect.Content{}}
	st, err := os.Lstat(c.file)
	if err != nil || !st.Mode().IsRegular() || st.Size() > maxCache || st.Mode().Perm()&0o077 != 0 {
		return c
	}
	r, err := os.Open(c.file)
	if err != nil {
		return c
	}
	defer r.Close()
	var old cached
	if gob.NewDecoder(r).Decode(&old) == nil && old.Rules == rules && old.Quiet != nil && old.Loud != nil {
		c.data = old
	}
	return c
}

func keyOf(k detect.FileKey) (out [16]byte) {
	h := sha256.New()
	for _, v := range []int64{int64(k.Dev), int64(k.Ino), k.Size, k.Mtime.UnixNano(), k.Ctime.UnixNano()} {
		_ = binary.Write(h, binary.LittleEndian, v)
	}
	copy(out[:], h.Sum(nil))
	return out
}

// Get implements detect.Cache.
func (c *cache) Get(k detect.FileKey) (detect.Content, bool) {
	key := keyOf(k)
	c.mu.Lock()
	defer c.mu.Unlock()
	if kind, ok := c.data.Quiet[key]; ok && int(kind) < len(kinds) {
		return detect.Content{Kind: kinds[kind]}, true
	}
	content, ok := c.data.Loud[key]
	return content, ok
}

// Put implements detect.Cache.
func (c *cache) Put(k detect.FileKey, content detect.Content) {
	key := keyOf(k)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = true
	for i, kind := range kinds {
		if kind == content.Kind && content.SHA256 == "" && len(content.Hits) == 0 {
			c.data.Quiet[key] = byte(i)
			return
		}
	}
	c.data.Loud[key] = content
}

// save writes the cache whole or not at all. Where it cannot, the next scan is slower, nothing else.
func (c *cache) save() (err error) {
	if !c.used {
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
	err = errors.Join(gob.NewEncoder(w).Encode(c.data), w.Close())
	if err == nil {
		err = os.Rename(tmp, c.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}
