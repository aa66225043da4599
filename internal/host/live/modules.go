package live

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// The views of the loaded modules, as deminer.Module.Views names them.
const (
	viewProcModules = "proc/modules"
	viewSysModule   = "sys/module"
	viewKallsyms    = "kallsyms"
)

// maxModules bounds the list; a kernel has some hundred.
const maxModules = 8192

// moduleSet joins the views.
type moduleSet map[string]*deminer.Module

// see notes that a view shows a module, and gives it to be filled in.
func (s moduleSet) see(name, view string) *deminer.Module {
	m := s[name]
	if m == nil {
		if len(s) >= maxModules {
			return &deminer.Module{}
		}
		m = &deminer.Module{Name: name}
		s[name] = m
	}
	if !slices.Contains(m.Views, view) {
		m.Views = append(m.Views, view)
	}
	return m
}

// parseModules reads /proc/modules: name, size, users, who uses it, state, address, and taint letters in brackets.
func (s moduleSet) parseModules(b []byte) {
	for line := range bytes.Lines(b) {
		name, rest := nextWord(line)
		size, rest := nextWord(rest)
		if len(name) == 0 || len(size) == 0 {
			continue
		}
		m := s.see(string(name), viewProcModules)
		m.Size = unsigned(size)
		if at := bytes.LastIndexByte(rest, '('); at >= 0 {
			m.Taint = strings.Trim(string(bytes.TrimSpace(rest[at:])), "()+-")
		}
	}
}

// addSymbols takes the module tags out of lines of /proc/kallsyms: "address type name\t[module]".
func addSymbols(tags map[string]bool, b []byte) {
	for len(b) > 0 {
		at := bytes.IndexByte(b, '[')
		if at < 0 {
			return
		}
		b = b[at+1:]
		end := bytes.IndexByte(b, ']')
		if end < 0 {
			return
		}
		if end <= 64 && !tags[string(b[:end])] && len(tags) < maxModules {
			tags[string(b[:end])] = true
		}
		b = b[end:]
	}
}

// notModules are tags of kallsyms that name parts of the kernel that make code at run time.
var notModules = [...]string{"bpf", "__builtin__ftrace", "__builtin__kprobes"}

// sorted gives the modules by name.
func (s moduleSet) sorted() []deminer.Module {
	out := make([]deminer.Module, 0, len(s))
	for _, m := range s {
		out = append(out, *m)
	}
	slices.SortFunc(out, func(a, b deminer.Module) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// parseModulesDep maps module names to files, from modules.dep: "kernel/fs/ext4/ext4.ko.xz: ...". dir is put before them.
func parseModulesDep(b []byte, dir string) map[string]string {
	out := make(map[string]string)
	for line := range bytes.Lines(b) {
		file, _, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		path := string(file)
		if !strings.HasPrefix(path, "/") {
			path = dir + "/" + path
		}
		out[moduleName(path)] = path
	}
	return out
}

// moduleName is the name the kernel uses for a module's file.
func moduleName(path string) string {
	name, _, _ := strings.Cut(path[strings.LastIndexByte(path, '/')+1:], ".ko")
	return strings.ReplaceAll(name, "-", "_")
}
