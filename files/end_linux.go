package files

import (
	"os/exec"
	"syscall"
)

// endWithUs has the system kill a process when this one ends, however it does.
func endWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
