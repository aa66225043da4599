//go:build !unix

package sigma

import "time"

// cpuTime is the time that went by: this system is not asked for more.
func cpuTime() time.Duration { return time.Since(began) }

var began = time.Now()
