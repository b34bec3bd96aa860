package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// ofApart is in the environment of a process that Apart started.
const ofApart = "BELLHOP_FAULTS_APART"

// Apart runs this program once more, with other arguments, in a user and a mount namespace of its own:
// there it may mount what nobody else sees, which takes no root, and a run has disks that get full.
// It is false, and nothing was run, in a program that Apart has started, and where that is not permitted.
func Apart(ctx context.Context, out io.Writer, args ...string) (ran bool, err error) {
	if os.Getenv(ofApart) != "" {
		return false, nil
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = out, out, append(os.Environ(), ofApart+"=1")
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(os.Interrupt) }, time.Minute
	setApart(cmd)
	started := cmd.Start() == nil // where it is not, the run will tell
	if started {
		err = cmd.Wait()
	}
	return started, err
}

func setApart(cmd *exec.Cmd) {
	const sysAdmin = 21 // what mounting takes
	ids := func(own int) []syscall.SysProcIDMap {
		if os.Geteuid() == 0 { // servers may change their user
			return []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: math.MaxUint32}}
		}
		return []syscall.SysProcIDMap{{ContainerID: own, HostID: own, Size: 1}}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: ids(os.Geteuid()), GidMappings: ids(os.Getegid()), GidMappingsEnableSetgroups: os.Geteuid() == 0,
		AmbientCaps: []uintptr{sysAdmin}, Pdeathsig: syscall.SIGKILL,
	}
}

// errNotApart is of a process that may not mount.
var errNotApart = errors.New("user namespaces are not permitted here, or this process is in none of its own")

// disk is a file system of its own, in memory, on which room can end at any time.
type disk struct{ dir string }

const diskSize = 1 << 30 // only what is used is taken

// mount puts an empty disk at a folder.
func mount(dir string) (*disk, error) {
	d := &disk{dir}
	switch err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("mode=0700,size=%d", diskSize)); {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%w (%w)", errNotApart, err)
	case err != nil:
		return nil, fmt.Errorf("mounting a disk: %w", err)
	}
	return d, nil
}

// fill takes the room that is left: what is written from now on finds none (ENOSPC), but for the rest of
// a file's last page.
func (d *disk) fill() error {
	var err error
	for range 100 { // others may write between the two
		var at syscall.Statfs_t
		if err = syscall.Statfs(d.dir, &at); err != nil {
			return err
		}
		used := int64(at.Blocks-at.Bfree) * at.Bsize
		if err = d.resize(max(used, at.Bsize)); err == nil {
			return nil
		}
	}
	return err
}

// free gives the room back.
func (d *disk) free() error { return d.resize(diskSize) }

func (d *disk) resize(bytes int64) error {
	return syscall.Mount("", d.dir, "", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", bytes))
}

// unmount removes it, and all it holds.
func (d *disk) unmount() error { return syscall.Unmount(d.dir, syscall.MNT_DETACH) }

// folder is a new one, on a disk of its own where one can be mounted.
func (d *deployment) folder() (string, *disk) {
	dir := d.h.TempDir()
	room, err := mount(dir)
	switch {
	case errors.Is(err, errNotApart):
		d.noDisks = err
		return dir, nil
	case err != nil:
		d.h.Fatalf("%v", err)
	}
	d.h.Cleanup(func() {
		if err := room.unmount(); err != nil {
			d.h.Errorf("unmounting a disk: %v", err)
		}
	})
	return dir, room
}

// lacks tells whether a kind of fault takes what there is not here.
func (d *deployment) lacks(kind string) bool {
	return kind == dataFull && d.dataDisk == nil || kind == redisFull && d.redisDisk == nil
}

// full leaves no room on a disk for a while.
func (d *deployment) full(ctx context.Context, room *disk, f Fault) {
	if err := room.fill(); err != nil {
		d.h.Fatalf("filling a disk: %v", err)
	}
	sleep(ctx, f.Lasts)
	if err := room.free(); err != nil {
		d.h.Fatalf("freeing a disk: %v", err)
	}
}

// redisAgain waits until Redis takes what is written again. Where nothing may be lost (fsync always) it has
// ended itself, before it answered, when it could not write; a supervisor starts it again.
func (d *deployment) redisAgain(ctx context.Context) {
	if !d.redis.Running() {
		d.redis.Restart()
	}
	ctx = context.WithoutCancel(ctx)
	err := eventually(ctx, d.limit(5*time.Second), func() error { return d.redis.Client().Ping(ctx).Err() }) // refused as a write is
	if err != nil {
		d.h.Fatalf("redis has room again, and does not write: %v", err)
	}
}
