package vault

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"

	"filippo.io/age"
)

func object(sum string) string { return "objects/" + sum + ".age" }

// Store puts content in and gives its SHA-256 and size. Content that is there already is read back and kept once; if it
// went bad it is replaced. The content is on disk before Store returns.
func (v *Vault) Store(content io.Reader) (sum string, size int64, err error) {
	tmp := incoming
	h := sha256.New()
	pr, pw := io.Pipe()
	go func() {
		n, err := v.encrypt(pw, io.TeeReader(content, h))
		size = n
		pw.CloseWithError(err)
	}()
	if err := v.write(tmp, pr); err != nil {
		pr.CloseWithError(err)
		return "", 0, err
	}
	sum = hex.EncodeToString(h.Sum(nil))
	if v.Check(sum) == nil {
		if err := v.dir.Remove(tmp); err != nil {
			return "", 0, fmt.Errorf("store in vault: %w", err)
		}
		return sum, size, nil
	}
	if err := v.dir.Rename(tmp, object(sum)); err != nil {
		return "", 0, fmt.Errorf("store in vault: %w", err)
	}
	if err := v.sync(tmp); err != nil {
		return "", 0, fmt.Errorf("store in vault: %w", err)
	}
	return sum, size, nil
}

func (v *Vault) encrypt(to io.Writer, from io.Reader) (int64, error) {
	w, err := age.Encrypt(to, v.key.Recipient())
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(w, from)
	return n, errors.Join(err, w.Close())
}

// Check reads content to its end and compares it with its name.
func (v *Vault) Check(sum string) error {
	r, err := v.Content(sum)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return errors.Join(err, r.Close())
}

// Content opens what was stored under a SHA-256. Reading to the end answers ErrTampered instead of io.EOF when the
// content is not what the name says; nothing may be done with what was read until then. Use Check first.
func (v *Vault) Content(sum string) (io.ReadCloser, error) {
	if !isHex(sum, 64) {
		return nil, fmt.Errorf("read vault content %q: %w", sum, fs.ErrInvalid)
	}
	f, err := v.open(object(sum))
	if err != nil {
		return nil, fmt.Errorf("read vault content: %w", err)
	}
	plain, err := age.Decrypt(f, v.key)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read vault content %s: %w: %w", sum, ErrTampered, err)
	}
	return &content{plain: plain, file: f, sum: sum, hash: sha256.New()}, nil
}

type content struct {
	plain io.Reader
	file  io.Closer
	sum   string
	hash  hash.Hash
}

// Read implements io.Reader.
func (c *content) Read(b []byte) (int, error) {
	n, err := c.plain.Read(b)
	c.hash.Write(b[:n])
	switch {
	case errors.Is(err, io.EOF):
		if hex.EncodeToString(c.hash.Sum(nil)) != c.sum {
			return n, fmt.Errorf("read vault content %s: %w", c.sum, ErrTampered)
		}
	case err != nil:
		return n, fmt.Errorf("read vault content %s: %w: %w", c.sum, ErrTampered, err)
	}
	return n, err
}

// Close implements io.Closer.
func (c *content) Close() error { return c.file.Close() }
