// Package hands changes a Linux host: files strictly beneath one root by descriptors, processes by pidfd, addresses by
// netlink, units by D-Bus, containers by their sockets. No program of the host is run.
//
// Nothing here decides anything: remedy says what is to be done, hands do exactly that to exactly the thing that was
// meant, or refuse.
package hands
