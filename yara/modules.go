package yara

// modules are what a source may import.
var modules = map[string]*module{
	"console":  consoleModule(),
	"elf":      elfModule(),
	"filetype": filetypeModule(),
	"hash":     hashModule(),
	"math":     mathModule(),
	"pe":       peModule(),
	"string":   stringModule(),
	"time":     timeModule(),
}
