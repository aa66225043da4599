// Package contract is what the agent promises its host, and keeps by itself: it says when it is up and that its loop really
// turns (systemd's notify protocol), stays within the memory and the processors of its control group, makes way when the host
// is short of either, cannot be looked into by others, gives up the system calls it never needs, and leaves a trail that tells
// the next one when and how it ended.
//
// Nothing here judges, and nothing is changed on the host but the agent's own control group ([Enter]) and files in its own
// directories.
package contract
