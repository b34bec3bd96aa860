package testenv

import "syscall"

// childAttr makes the child the leader of a group, and lets it die with us.
// Linux ties that to the thread that forked; Go's threads outlive the test
// unless a goroutine that locked its thread returns without unlocking it.
func childAttr(death syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
}
