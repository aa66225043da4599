package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"github.com/deminer/deminer"
	kept "github.com/deminer/deminer/internal/state"
	"github.com/spf13/cobra"
)

// address is where a server was found at its last start: what a command beside it goes by.
type address struct {
	Listen string   `json:"listen"`
	Names  []string `json:"names,omitempty"` // as they were given; none: those of this host
}

const (
	addressFile = "address.json"
	maxAddress  = 64 << 10
)

// keepAddress writes down where this server is found.
func (h *headOffice) keepAddress() error {
	a := address{h.opt.listen, h.opt.names}
	if host, _, err := net.SplitHostPort(a.Listen); err == nil {
		if _, port, err := net.SplitHostPort(h.listen.Addr().String()); err == nil {
			a.Listen = net.JoinHostPort(host, port) // port 0 is any that was free
		}
	}
	text, err := json.Marshal(a)
	if err == nil {
		err = kept.Replace(h.data, addressFile, text)
	}
	if err != nil {
		return fail(exitError, "is there room, and does --data belong to this server?", "write down the address of the server: %w", err)
	}
	return nil
}

// recall takes the address of the last start where the call gives none.
func (h *headOffice) recall(cmd *cobra.Command) error {
	text, err := kept.Read(h.data, addressFile, maxAddress)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var a address
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		return fail(exitError, "start the server anew, or give --listen and --name", "read the address of the server: %w", err)
	}
	if !cmd.Flags().Changed("listen") {
		h.opt.listen = a.Listen
	}
	if !cmd.Flags().Changed("name") {
		h.opt.names = a.Names
	}
	return nil
}

// check refuses addresses that nobody can listen at.
func (s *serving) check() error {
	for _, a := range []struct{ flag, value string }{{"--listen", s.listen}, {"--bus", s.bus}} {
		if _, _, err := net.SplitHostPort(a.value); err == nil {
			continue
		}
		hint := "write HOST:PORT, or :PORT for every address of this host"
		if a.value != "" && strings.Trim(a.value, "0123456789") == "" {
			hint = "write :" + a.value
		}
		return fail(exitUsage, hint, "%s %s is no address to listen at", a.flag, deminer.Safe(a.value))
	}
	return nil
}

// isNew says whether a data directory holds no server yet.
func isNew(data *os.Root) bool {
	_, err := data.Stat("trust")
	return errors.Is(err, fs.ErrNotExist)
}

// fingerprint names the certificate that browsers are shown, as they show it.
func (h *headOffice) fingerprint() (string, error) {
	c, err := h.shown()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(c.Certificate[0])
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":"), nil
}
