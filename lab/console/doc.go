// Package console does in a real browser what an admin does in the console, on a lab host that really mines:
// go test -tags lab ./lab/console
package console
