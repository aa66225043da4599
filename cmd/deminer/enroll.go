package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/trust"
	"github.com/spf13/cobra"
)

func newEnroll(f *flags) *cobra.Command {
	var server, token string
	var forget, once bool
	c := &cobra.Command{
		Use:   "enroll",
		Short: "Join this host to a server, with a token from its console",
		Long: `Makes a key for this host, which never leaves it, and has the server know the host by it. The
token says which server is the right one: another one is told nothing. deminer agent, also one
that runs already, then tells the server what it finds and takes its orders.

A token that begins with @ is the name of a file that holds one, env:NAME is the variable that does,
and - reads it from standard input.`,
		Example: "  deminer enroll --server deminer.example:8443 --token deminer1.abc...\n  deminer enroll --forget       tell no server any more",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.root != "/" {
				return fail(exitUsage, "leave out --root", "a system that does not run has no agent that could be enrolled")
			}
			s, err := openStore(f, true)
			if err != nil {
				return err
			}
			defer s.close()
			if forget {
				if err := trust.Forget(s.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return fail(exitError, "", "forget the server: %w", err)
				}
				return f.told(cmd, []string{"this host"}, "%s tells no server any more; the server knows it until it is revoked there")
			}
			if id, err := trust.Load(s.dir); once && err == nil {
				return f.told(cmd, []string{id.Host}, "enrolled as %s at "+deminer.Safe(id.Server)+" already: left as it is")
			}
			return enroll(cmd, f, s, server, token)
		},
	}
	c.Flags().StringVar(&server, "server", "", "the server's `HOST:PORT`, as in the address of its console")
	c.Flags().StringVar(&token, "token", "", "the `TOKEN` that the console shows under Hosts")
	c.Flags().BoolVar(&once, "once", false, "leave a host as it is that is enrolled, at whatever server")
	c.Flags().BoolVar(&forget, "forget", false, "leave the server")
	return c
}

func enroll(cmd *cobra.Command, f *flags, s *store, server, token string) error {
	if server == "" || token == "" {
		return fail(exitUsage, "the console of the server shows the whole command under Hosts", "--server and --token are needed")
	}
	server = strings.TrimSuffix(strings.TrimPrefix(server, "https://"), "/") // as a browser shows it
	if _, _, err := net.SplitHostPort(server); err != nil {
		return fail(exitUsage, "such as deminer.example:8443", "--server wants HOST:PORT: %w", err)
	}
	text, err := tokenOf(cmd, token)
	if err != nil {
		return fail(exitUsage, "give a file that holds a token", "read the token: %w", plainly(err))
	}
	name, err := os.Hostname()
	if err != nil {
		return fail(exitError, "", "name of this host: %w", err)
	}
	id, err := trust.Enroll(cmd.Context(), s.dir, server, text, name, time.Now())
	switch {
	case errors.Is(err, trust.ErrWait):
		return fail(exitError, "then call deminer enroll again with the same token", "%w", err)
	case errors.Is(err, trust.ErrToken):
		return fail(exitError, "make another token in the console, under Hosts", "%w", err)
	case err != nil:
		return fail(exitError, "is the address right, and does the server run? deminer enroll may be called again with the same token", "%w", err)
	}
	next := "its agent takes it up within seconds"
	if !agentRuns(s) {
		next = "no agent runs here: deminer service install"
	}
	return f.told(cmd, []string{id.Host}, "enrolled as %s at "+deminer.Safe(server)+"; "+next)
}

// tokenOf reads a token that is given as a file, in the environment or on standard input: then it does not stand in the list of processes.
func tokenOf(cmd *cobra.Command, token string) (string, error) {
	if variable, ok := strings.CutPrefix(token, "env:"); ok {
		text := strings.TrimSpace(os.Getenv(variable))
		if text == "" {
			return "", errors.New("the environment has no " + deminer.Safe(variable))
		}
		return text, nil
	}
	name, file := strings.CutPrefix(token, "@")
	if token == "-" {
		name, file = "/dev/stdin", true
		if in, ok := cmd.InOrStdin().(*os.File); !ok || in != os.Stdin {
			var b [4096]byte
			n, err := cmd.InOrStdin().Read(b[:])
			return strings.TrimSpace(string(b[:n])), err
		}
	}
	if !file {
		return token, nil
	}
	in, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer in.Close()
	var b [4096]byte
	n, err := in.Read(b[:])
	return strings.TrimSpace(string(b[:n])), err
}

// serverChecks tells doctor which server the host belongs to, and how many messages wait for it; nothing where it belongs to none.
func serverChecks(s *store) []check {
	id, err := trust.Load(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []check{{"server", false, deminer.Safe(err.Error())}}
	}
	list, _ := fs.ReadDir(s.dir.FS(), "link/spool") // none before the agent ran
	const many = 100
	text := fmt.Sprintf("enrolled at %s as %s; %d messages wait for it", deminer.Safe(id.Server), id.Host, len(list))
	if len(list) > many {
		text += ": is it there, and does the agent run?"
	}
	return []check{{"server", len(list) <= many, text}}
}
