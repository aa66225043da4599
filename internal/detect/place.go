package detect

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/deminer/deminer"
)

// place is what a path says about where a file lies.
type place struct {
	temp   bool   // a directory anyone may write to, or one that is emptied at boot
	hidden string // the element that hides it, "" when none does
}

func (pl place) odd() bool { return pl.temp || pl.hidden != "" }

func (pl place) words() string {
	switch {
	case pl.hidden != "":
		return "in a hidden place (" + q(pl.hidden) + ")"
	case pl.temp:
		return "in a place for temporary files"
	}
	return "in an ordinary place"
}

// placeOf classifies an absolute path.
func placeOf(name string) place {
	var pl place
	pl.temp = deminer.Temporary(name)
	// Tools keep hidden directories in homes; among the system's own files there is no place for one.
	system := underAny(name, "/bin", "/sbin", "/usr", "/lib", "/lib64", "/etc", "/boot") && !under(name, "/usr/local")
	for rest, elem := strings.Trim(name, "/"), ""; rest != "" && pl.hidden == ""; {
		elem, rest, _ = strings.Cut(rest, "/")
		if strangeName(elem) || strings.HasPrefix(elem, ".") && (!toolDirs[elem] || system) && elem != ".build-id" {
			pl.hidden = elem
		}
	}
	return pl
}

// toolDirs are hidden directories in which language tools and editors keep programs of their users.
var toolDirs = set(".local", ".cargo", ".rustup", ".nvm", ".npm", ".npm-global", ".pyenv", ".rbenv", ".rvm", ".asdf", ".sdkman",
	".volta", ".bun", ".deno", ".dotnet", ".nuget", ".go", ".gvm", ".venv", ".virtualenvs", ".conda", ".poetry", ".pipx",
	".vscode-server", ".vscode", ".cursor-server", ".windsurf-server", ".jetbrains", ".cache", ".config", ".linuxbrew", ".opam",
	".ghcup", ".cabal", ".stack", ".juliaup", ".julia", ".gradle", ".m2", ".ansible", ".terraform.d", ".terraform", ".krew",
	".kube", ".docker", ".minikube", ".pm2", ".yarn", ".pnpm", ".nodenv", ".phpenv", ".composer", ".gem", ".bundle", ".git",
	".next", ".tox", ".mix", ".steam", ".wine", ".mozilla", ".snapshots", ".nix-profile", ".nix-defexpr", ".n", ".fly", ".foundry",
	".solana", ".avm", ".proto", ".tfenv", ".goenv", ".jenv", ".sonar", ".acme.sh", ".ollama", ".claude", ".bin", ".bazel")

// strangeName reports names made to be overlooked: dots only, blanks at an end, a leading minus, characters that do not
// show, bytes that are no text.
func strangeName(s string) bool {
	if s == "" || s == "." || s == ".." || ordinary(s) {
		return false
	}
	if strings.Trim(s, ". ") == "" || strings.TrimSpace(s) != s || strings.HasPrefix(s, "-") || !utf8.ValidString(s) {
		return true
	}
	for _, c := range s {
		if c == '…' || !unicode.IsPrint(c) {
			return true
		}
	}
	return strings.HasPrefix(s, "..")
}

// ordinary reports names of letters, digits and the usual marks inside: nearly all of them.
func ordinary(s string) bool {
	if s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '-' || c > '9') && c != '_' && c != '+' {
			return false
		}
	}
	return true
}

func under(name, dir string) bool {
	return len(name) > len(dir) && name[len(dir)] == '/' && name[:len(dir)] == dir
}

func underAny(name string, dirs ...string) bool {
	for _, d := range dirs {
		if under(name, d) {
			return true
		}
	}
	return false
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// called names a process to a person.
func called(pr *deminer.Process) string {
	return fmt.Sprintf("process %d (%s)", pr.ID.PID, deminer.Cut(pr.Name(), 32))
}
