// Package inode turns what the kernel says of an inode into deminer's words, for eyes and hands alike.
package inode
