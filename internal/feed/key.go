package feed

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

const signatureSize = ed25519.SignatureSize

// purpose goes before what is signed, so that a signature made for another purpose with the same key means nothing here.
const purpose = "deminer rule bundle 1\n"

// maxKey bounds a key file in bytes.
const maxKey = 16 << 10

// The types of PEM blocks: PKCS #8 and PKIX, as openssl and others write them.
const (
	privateBlock = "PRIVATE KEY"
	publicBlock  = "PUBLIC KEY"
)

// Key is a public key that is trusted to sign bundles.
type Key struct {
	ID     string    `json:"id"`             // first 16 hexadecimal digits of the SHA-256 of the key
	Name   string    `json:"name,omitempty"` // what the operator calls it
	Public string    `json:"public"`         // the key in PEM (PKIX)
	Added  time.Time `json:"added,omitzero"` // when it was trusted here
	key    ed25519.PublicKey
}

// KeyID names a public key.
func KeyID(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(pub)
	return hex.EncodeToString(sum[:8])
}

// NewKey makes a signing key and gives both halves in PEM.
func NewKey() (private, public []byte, id string, err error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, "", fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		return nil, nil, "", fmt.Errorf("make key: %w", err)
	}
	private = pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: der})
	public, err = publicPEM(pub)
	return private, public, KeyID(pub), err
}

func publicPEM(pub ed25519.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: der}), nil
}

// block reads the only PEM block of a key file.
func block(text []byte, kind string) ([]byte, error) {
	if len(text) > maxKey {
		return nil, fmt.Errorf("more than %d bytes: not a key", maxKey)
	}
	b, rest := pem.Decode(text)
	switch {
	case b == nil:
		return nil, errors.New("not a key in PEM")
	case b.Type == "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("the key is encrypted: decrypt it for the moment of signing")
	case b.Type == privateBlock && kind == publicBlock:
		return nil, errors.New("this is the private half, which belongs to who signs alone; give the public one (.pub)")
	case b.Type != kind:
		return nil, fmt.Errorf("a PEM block of type %q, want %q", clip(b.Type), kind)
	case strings.TrimSpace(string(rest)) != "":
		return nil, errors.New("something follows the key")
	}
	return b.Bytes, nil
}

// ParsePrivate reads a private ed25519 key in PEM (PKCS #8).
func ParsePrivate(text []byte) (ed25519.PrivateKey, error) {
	der, err := block(text, privateBlock)
	if err != nil {
		return nil, err
	}
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("not a private key: %w", err)
	}
	priv, ok := k.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("not an ed25519 key")
	}
	return priv, nil
}

// ParsePublic reads a public ed25519 key in PEM (PKIX).
func ParsePublic(text []byte) (Key, error) {
	der, err := block(text, publicBlock)
	if err != nil {
		return Key{}, err
	}
	k, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return Key{}, fmt.Errorf("not a public key: %w", err)
	}
	pub, ok := k.(ed25519.PublicKey)
	if !ok {
		return Key{}, errors.New("not an ed25519 key")
	}
	again, err := publicPEM(pub)
	return Key{ID: KeyID(pub), Public: string(again), key: pub}, err
}

func sign(priv ed25519.PrivateKey, manifest []byte) []byte {
	return ed25519.Sign(priv, append([]byte(purpose), manifest...))
}

// Trust checks the signature of a bundle with the keys that are trusted; ErrUntrusted if none of them made it.
func (b *Bundle) Trust(keys []Key) (Key, error) {
	for _, k := range keys {
		if k.ID != b.Manifest.Key {
			continue
		}
		if len(k.key) != ed25519.PublicKeySize || KeyID(k.key) != k.ID || !ed25519.Verify(k.key, append([]byte(purpose), b.raw...), b.signature) {
			return Key{}, fmt.Errorf("%w: the signature is not one of key %s", ErrUntrusted, k.ID)
		}
		return k, nil
	}
	return Key{}, fmt.Errorf("%w: key %s is not trusted here", ErrUntrusted, b.Manifest.Key)
}
