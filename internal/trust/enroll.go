package trust

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/deminer/deminer"
)

// The places of the handler.
const (
	EnrollPath = "/enroll"
	RenewPath  = "/renew"
	maxRequest = 8 << 10
)

// enrollment is what a host asks with.
type enrollment struct {
	Token string `json:"token"` // its secret part
	Name  string `json:"name"`  // that the host bears
	Key   []byte `json:"key"`   // public
	Proof []byte `json:"proof"` // signature of all of it by the key
}

func (e *enrollment) signed() []byte {
	return []byte("deminer enroll v1\x00" + hashOf(e.Token) + "\x00" + hex.EncodeToString(e.Key) + "\x00" + e.Name)
}

// renewal asks for another key for a host.
type renewal struct {
	Host  string `json:"host"`
	Old   []byte `json:"old"`   // public key that it has
	Key   []byte `json:"key"`   // public key that it is to have
	By    []byte `json:"by"`    // signature by the old one
	Proof []byte `json:"proof"` // signature by the new one
}

func (r *renewal) signed() []byte {
	return []byte("deminer renew v1\x00" + r.Host + "\x00" + hex.EncodeToString(r.Old) + "\x00" + hex.EncodeToString(r.Key))
}

// enrolled is the answer.
type enrolled struct {
	Host   string   `json:"host"`
	CA     string   `json:"ca"`     // PEM
	Orders []byte   `json:"orders"` // public key that signs orders
	Bus    []string `json:"bus"`    // HOST:PORT; without a host: the one that was asked
}

// Handler answers POST on EnrollPath and RenewPath. bus says where the bus is found, HOST:PORT or :PORT. said is told of each enrolment and
// each refusal, in safe text.
func (a *Authority) Handler(bus func() []string, said func(string)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+EnrollPath, func(w http.ResponseWriter, r *http.Request) {
		a.answer(w, r, said, func(ctx context.Context, body []byte) (enrolled, string, error) {
			var e enrollment
			if err := strict(body, &e); err != nil {
				return enrolled{}, "", err
			}
			m, err := a.enroll(ctx, e)
			return a.welcome(m.ID, bus()), fmt.Sprintf("host %s was enrolled as %s", deminer.Cut(m.Name, 60), m.ID), err
		})
	})
	mux.HandleFunc("POST "+RenewPath, func(w http.ResponseWriter, r *http.Request) {
		a.answer(w, r, said, func(ctx context.Context, body []byte) (enrolled, string, error) {
			var e renewal
			if err := strict(body, &e); err != nil {
				return enrolled{}, "", err
			}
			return a.welcome(e.Host, bus()), fmt.Sprintf("host %s has another key", deminer.Cut(e.Host, 40)), a.renew(ctx, e)
		})
	})
	return mux
}

var errRequest = errors.New("not a request of deminer's")

func strict(body []byte, v any) error {
	if len(body) > maxRequest || json.Unmarshal(body, v) != nil {
		return errRequest
	}
	return nil
}

// answer reads a request and writes the answer. Who asks with wrong tokens is soon not heard any more.
func (a *Authority) answer(w http.ResponseWriter, r *http.Request, said func(string), do func(context.Context, []byte) (enrolled, string, error)) {
	from := place(r.RemoteAddr)
	w.Header().Set("Cache-Control", "no-store")
	if a.misses.over(from) {
		http.Error(w, "too many wrong tokens from here: wait ten minutes", http.StatusTooManyRequests)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		http.Error(w, errRequest.Error(), http.StatusBadRequest)
		return
	}
	out, told, err := do(r.Context(), body)
	switch {
	case errors.Is(err, ErrToken), errors.Is(err, ErrUnknown), errors.Is(err, errRequest):
		a.misses.count(from)
		said(deminer.Cut("from "+from.Addr().String()+": "+err.Error(), 200))
		http.Error(w, err.Error(), http.StatusForbidden)
	case err != nil:
		said(deminer.Cut("an enrolment failed: "+err.Error(), 300))
		http.Error(w, "the server could not do it now", http.StatusServiceUnavailable)
	default:
		said(told)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // who is gone asks again
	}
}

func (a *Authority) welcome(host string, bus []string) enrolled {
	return enrolled{Host: host, CA: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.ca.Raw})),
		Orders: a.orders.Public().(ed25519.PublicKey), Bus: bus}
}

func (a *Authority) enroll(ctx context.Context, e enrollment) (Machine, error) {
	if len(e.Key) != ed25519.PublicKeySize || len(e.Token) > 100 || len(e.Name) > 255 || !ed25519.Verify(e.Key, e.signed(), e.Proof) {
		return Machine{}, errRequest
	}
	now := a.now().UTC()
	return a.store.Enroll(ctx, hashOf(e.Token), Machine{ID: deminer.NewID(now), Key: hex.EncodeToString(e.Key), Name: deminer.Safe(e.Name), Enrolled: now, Renewed: now}, now)
}

func (a *Authority) renew(ctx context.Context, r renewal) error {
	if !deminer.IsID(r.Host) || len(r.Old) != ed25519.PublicKeySize || len(r.Key) != ed25519.PublicKeySize ||
		!ed25519.Verify(r.Old, r.signed(), r.By) || !ed25519.Verify(r.Key, r.signed(), r.Proof) {
		return errRequest
	}
	m, err := a.store.Machine(ctx, r.Host)
	if err != nil {
		return err
	}
	if m.Revoked.IsZero() && m.Key == hex.EncodeToString(r.Key) { // the answer was lost on its way
		return nil
	}
	return a.store.Renew(ctx, r.Host, hex.EncodeToString(r.Old), hex.EncodeToString(r.Key), a.now().UTC())
}

// waitFor is how long a host waits for a server that it asks.
const waitFor = 30 * time.Second
