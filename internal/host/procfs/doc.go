// Package procfs mounts a procfs of our own, for eyes and hands alike. Whoever may mount can put anything over an entry of /proc: over that
// of his process, so that it seems to be gone. Nobody can reach a mount that is attached nowhere.
package procfs
