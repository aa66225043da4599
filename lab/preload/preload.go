// Package preload carries the C source of the lab's imitation hiding library.
package preload

import _ "embed"

// Source is hide.c.txt. It hides nothing on a machine that lacks the lab's marker file.
//
//go:embed hide.c.txt
var Source string
