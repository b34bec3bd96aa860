package faults

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Programs read the clock by functions that the kernel maps into each process, the vDSO. A process whose
// clock jumps gets others there, which ask the kernel and add something to the wall clock. So it is with
// any program, whether it is Go's or C's, and as it is when a machine's clock is set: the monotonic clock
// goes on as before.
type vdso struct {
	pid       int
	from, to  uint64
	functions map[string]elf.Symbol
	mem       *os.File
}

// clockCodes are the functions, for amd64, up to the eight bytes that are added, and from there on.
var clockCodes = map[string][2][]byte{
	"__vdso_clock_gettime": {
		{0xb8, 228, 0, 0, 0, 0x0f, 0x05, // clock_gettime(edi, rsi)
			0x85, 0xff, 0x75, 0x0d, // of another clock than CLOCK_REALTIME: return
			0x48, 0xba}, // rdx = …
		{0x48, 0x01, 0x16, 0xc3}}, // tv_sec += rdx
	"__vdso_gettimeofday": {
		{0xb8, 96, 0, 0, 0, 0x0f, 0x05, // gettimeofday(rdi, rsi)
			0x48, 0x85, 0xff, 0x74, 0x0d, // nowhere to put it: return
			0x48, 0xba},
		{0x48, 0x01, 0x17, 0xc3}},
	"__vdso_time": {
		{0xb8, 201, 0, 0, 0, 0x0f, 0x05, // rax = time(rdi)
			0x48, 0xba},
		{0x48, 0x01, 0xd0, // rax += rdx
			0x48, 0x85, 0xff, 0x74, 0x03, 0x48, 0x89, 0x07, 0xc3}}, // put it, where there is a place
}

// setClock makes the wall clock of a process of ours run ahead of the machine's, or behind it, by whole seconds.
func setClock(pid int, ahead time.Duration) error {
	if runtime.GOARCH != "amd64" {
		return fmt.Errorf("there is no other clock for processes on %s", runtime.GOARCH)
	}
	v, err := openVDSO(pid)
	if err != nil {
		return fmt.Errorf("the clock of process %d: %w", pid, err)
	}
	defer func() { _ = v.mem.Close() }()
	if err := v.atRest(func() error { return v.write(ahead) }); err != nil {
		return fmt.Errorf("the clock of process %d: %w", pid, err)
	}
	return nil
}

// openVDSO finds the functions in a process.
func openVDSO(pid int) (*vdso, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	v := &vdso{pid: pid, functions: map[string]elf.Symbol{}}
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			if _, err := fmt.Sscanf(line, "%x-%x", &v.from, &v.to); err != nil {
				return nil, err
			}
		}
	}
	if v.to == 0 {
		return nil, fmt.Errorf("it has no vDSO")
	}
	if v.mem, err = os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0); err != nil {
		return nil, err
	}
	if err := v.symbols(); err != nil {
		_ = v.mem.Close()
		return nil, err
	}
	return v, nil
}

func (v *vdso) symbols() error {
	image := make([]byte, v.to-v.from)
	if _, err := v.mem.ReadAt(image, int64(v.from)); err != nil {
		return err
	}
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return err
	}
	all, err := file.DynamicSymbols()
	for _, s := range all {
		v.functions[s.Name] = s
	}
	return err
}

// atRest does something while the process stands still outside of these functions.
func (v *vdso) atRest(do func() error) error {
	defer func() { _ = syscall.Kill(v.pid, syscall.SIGCONT) }()
	for range 200 {
		if err := syscall.Kill(v.pid, syscall.SIGSTOP); err != nil {
			return err
		}
		time.Sleep(2 * time.Millisecond)
		outside, err := v.outside()
		if err != nil {
			return err
		}
		if outside {
			return do()
		}
		_ = syscall.Kill(v.pid, syscall.SIGCONT)
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("it does not stand still")
}

// outside tells whether all threads have stopped, and none in these functions.
func (v *vdso) outside() (bool, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", v.pid))
	if err != nil {
		return false, err
	}
	for _, thread := range threads {
		text, err := os.ReadFile(filepath.Clean(thread))
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(text))
		at, err := strconv.ParseUint(fields[len(fields)-1], 0, 64)
		if err != nil || at >= v.from && at < v.to { // "running"
			return false, nil //nolint:nilerr // try again
		}
	}
	return true, nil
}

func (v *vdso) write(ahead time.Duration) error {
	for name, code := range clockCodes {
		f, ok := v.functions[name]
		whole := binary.LittleEndian.AppendUint64(bytes.Clone(code[0]), uint64(int64(ahead/time.Second)))
		whole = append(whole, code[1]...)
		if !ok || f.Size < uint64(len(whole)) {
			return fmt.Errorf("its %s is %d bytes, which is too little room for another", name, f.Size)
		}
		if _, err := v.mem.WriteAt(whole, int64(v.from+f.Value)); err != nil {
			return err
		}
	}
	return nil
}
