package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // what apps for one-time codes use (RFC 6238)
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

const codeLife = 30 // seconds

// codeAt is the one-time code of a step of 30 seconds (RFC 6238).
func codeAt(secret string, step int64) (string, error) {
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		return "", fmt.Errorf("read the secret of one-time codes: %w", err)
	}
	m := hmac.New(sha1.New, key)
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(step))
	m.Write(b[:])
	sum := m.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000), nil
}

// codeStep gives the step that a code belongs to, of those now, just before and just after; 0 of none.
func codeStep(secret, code string, now time.Time) int64 {
	code = strings.ReplaceAll(code, " ", "")
	for step := now.Unix()/codeLife - 1; step <= now.Unix()/codeLife+1; step++ {
		if want, err := codeAt(secret, step); err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			return step
		}
	}
	return 0
}

// NewCodes makes a secret for one-time codes; nothing is asked for before [House.UseCodes]. address is what a camera reads.
func NewCodes(who Who) (secret, address string) {
	var b [20]byte
	rand.Read(b[:])
	secret = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:])
	return secret, "otpauth://totp/deminer:" + url.PathEscape(who.Name) + "?secret=" + secret + "&issuer=deminer"
}

// UseCodes asks for a code at each log-in of a person from now on, if the one given shows that the app has the secret; an empty
// secret asks for none any more.
func (h *House) UseCodes(ctx context.Context, who Who, secret, code string) error {
	p, err := h.opt.Store.Person(ctx, who.Name)
	if err != nil {
		return err
	}
	back, err := h.try(ctx, "name:"+who.Name, nameTries)
	if err != nil {
		return err
	}
	what, key := "use codes", secret
	if secret == "" {
		what, key = "use no codes", p.Secret
	}
	step := codeStep(key, code, h.now())
	if key == "" || step <= p.Used {
		return fmt.Errorf("%w: the code is wrong", ErrRules)
	}
	back()
	if err := h.opt.Log(ctx, who, what, who.Name, ""); err != nil {
		return err
	}
	if taken, err := h.opt.Store.SetCodes(ctx, who.Name, secret, step); err != nil || taken {
		return err
	}
	return fmt.Errorf("%w: the code was used meanwhile", ErrRules)
}

// HasCodes reports whether a person is asked for a code at each log-in.
func (h *House) HasCodes(ctx context.Context, who Who) (bool, error) {
	p, err := h.opt.Store.Person(ctx, who.Name)
	return p.Secret != "", err
}
