//go:build unix && !linux

package testenv

import "syscall"

// childAttr makes the child the leader of a group. Only Linux can also tie it
// to our death.
func childAttr(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
