package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/deminer/deminer"
)

// The cost of one password: about 0.1 s of one core and 46 MiB.
const (
	hashTime   = 2
	hashMemory = 46 << 10 // KiB
	hashSize   = 32
	saltSize   = 16
)

func secret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// fit says what is wrong with a password.
func fit(password, name string) error {
	switch {
	case len([]rune(password)) < 12:
		return fmt.Errorf("%w: a password has at least 12 characters", ErrRules)
	case len(password) > 256:
		return fmt.Errorf("%w: a password has at most 256 bytes", ErrRules)
	case name != "" && strings.Contains(fold(password), name) && len(password) < len(name)+8:
		return fmt.Errorf("%w: the password is the name", ErrRules)
	}
	return nil
}

// slot waits until a password may be hashed: many at once would take the memory of the host.
func (h *House) slot(ctx context.Context) (free func(), err error) {
	select {
	case h.slots <- true:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (h *House) hash(ctx context.Context, password string) (string, error) {
	free, err := h.slot(ctx)
	if err != nil {
		return "", err
	}
	defer free()
	salt := make([]byte, saltSize)
	rand.Read(salt)
	sum := argon2.IDKey([]byte(password), salt, hashTime, hashMemory, 1, hashSize)
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, hashMemory, hashTime, b.EncodeToString(salt), b.EncodeToString(sum)), nil
}

// check reports whether a password is the one of a hash. It takes as long where there is no hash.
func (h *House) check(ctx context.Context, hash, password string) (bool, error) {
	free, err := h.slot(ctx)
	if err != nil {
		return false, err
	}
	defer free()
	var version int
	memory, passes := uint32(hashMemory), uint32(hashTime)
	salt, want := make([]byte, saltSize), []byte(nil)
	if parts := strings.Split(hash, "$"); len(parts) == 6 && parts[1] == "argon2id" {
		var err1, err2, err3 error
		_, err1 = fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=1", &version, &memory, &passes)
		salt, err2 = base64.RawStdEncoding.DecodeString(parts[4])
		want, err3 = base64.RawStdEncoding.DecodeString(parts[5])
		if err := errors.Join(err1, err2, err3); err != nil || version != argon2.Version || memory > 1<<20 || passes > 20 || passes == 0 {
			return false, fmt.Errorf("read the hash of a password: it is not what was written: %w", err)
		}
	}
	if len(password) > 256 {
		password = ""
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, 1, hashSize)
	return len(want) == hashSize && subtle.ConstantTimeCompare(got, want) == 1, nil
}

// Form is what a form of a session must carry, so that no other site can send it.
func Form(token string) string {
	m := hmac.New(sha256.New, []byte(token))
	m.Write([]byte("form"))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// IsForm reports whether a form is one of the session.
func IsForm(token, form string) bool {
	return token != "" && subtle.ConstantTimeCompare([]byte(Form(token)), []byte(form)) == 1
}

// LogOut ends a session.
func (h *House) LogOut(ctx context.Context, who Who, token string) error {
	if err := h.opt.Log(ctx, who, "log-out", who.Name, ""); err != nil {
		return err
	}
	return h.opt.Store.EndSessions(ctx, who.Name, digest(token))
}

// Sessions lists the sessions of a person.
func (h *House) Sessions(ctx context.Context, person string) ([]Session, error) {
	return h.opt.Store.Sessions(ctx, person)
}

// End ends a session of a person, by its hash ("" all of them): one's own, or as an admin that of anybody.
func (h *House) End(ctx context.Context, who Who, person, hash string) error {
	if person != who.Name {
		if err := who.May(Admin); err != nil {
			return err
		}
	}
	if err := h.opt.Log(ctx, who, "end session", person, deminer.Cut(hash, 12)); err != nil {
		return err
	}
	return h.opt.Store.EndSessions(ctx, person, hash)
}

// All lists the people. Only an admin may ask.
func (h *House) All(ctx context.Context, who Who) ([]Person, error) {
	if err := who.May(Admin); err != nil {
		return nil, err
	}
	return h.opt.Store.People(ctx)
}

// Change gives a person another role, or locks the account and ends its sessions and links. The last admin stays one.
func (h *House) Change(ctx context.Context, who Who, name string, role Role, disabled bool) error {
	if err := who.May(Admin); err != nil {
		return err
	}
	if !role.AtLeast(Viewer) {
		return fmt.Errorf("%w: there is no such role", ErrRules)
	}
	all, err := h.opt.Store.People(ctx)
	if err != nil {
		return err
	}
	admins := 0
	var one *Person
	for i := range all {
		p := &all[i]
		if p.Name == fold(name) {
			one = p
		} else if p.Role == Admin && !p.Disabled {
			admins++
		}
	}
	if one == nil {
		return ErrNobody
	}
	if admins == 0 && (role != Admin || disabled) {
		return fmt.Errorf("%w: somebody has to be an admin", ErrRules)
	}
	detail := string(role)
	if disabled {
		detail += ", locked"
	}
	if err := h.opt.Log(ctx, who, "change person", one.Name, detail); err != nil {
		return err
	}
	if err := h.opt.Store.SetRole(ctx, one.Name, role, disabled); err != nil {
		return err
	}
	if disabled {
		return errors.Join(h.opt.Store.EndLinks(ctx, one.Name), h.opt.Store.EndSessions(ctx, one.Name, ""))
	}
	return nil
}

// SetPassword changes one's own password and ends one's other sessions and one's links. Wrong old ones are counted as failed log-ins.
func (h *House) SetPassword(ctx context.Context, who Who, token, old, fresh string) error {
	p, err := h.opt.Store.Person(ctx, who.Name)
	if err != nil {
		return err
	}
	back, err := h.try(ctx, "name:"+who.Name, nameTries)
	if err != nil {
		return err
	}
	good, err := h.check(ctx, p.Hash, old)
	if err == nil && !good {
		return fmt.Errorf("%w: the old password is wrong", ErrRules)
	}
	if back(); err != nil {
		return err
	}
	if err := fit(fresh, who.Name); err != nil {
		return err
	}
	hash, err := h.hash(ctx, fresh)
	if err != nil {
		return err
	}
	if err := h.opt.Log(ctx, who, "set password", who.Name, ""); err != nil {
		return err
	}
	if err := h.opt.Store.SetHash(ctx, who.Name, hash, false); err != nil {
		return err
	}
	if err := h.opt.Store.EndLinks(ctx, who.Name); err != nil {
		return err
	}
	all, err := h.opt.Store.Sessions(ctx, who.Name)
	for _, s := range all {
		if s.Hash != digest(token) {
			err = errors.Join(err, h.opt.Store.EndSessions(ctx, who.Name, s.Hash))
		}
	}
	return err
}
