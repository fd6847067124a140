package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what a server and all its children have used since they started.
type usage struct {
	cpu     time.Duration // in user and kernel mode
	written int64         // bytes handed to disks
}

// clockTicks is how many units of /proc's CPU times make a second: USER_HZ, 100 wherever Linux runs.
const clockTicks = 100

// usageOf adds up a process and its descendants, and those of them that have ended and been waited
// for: the kernel adds these to their parents.
func usageOf(pid int) (u usage, err error) {
	pids, err := descendants(pid)
	if err != nil {
		return u, err
	}
	for _, p := range pids {
		one, err := processUsage(p)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // ended just now
		}
		if err != nil {
			return u, err
		}
		u.cpu += one.cpu
		u.written += one.written
	}
	return u, nil
}

func processUsage(pid int) (u usage, err error) {
	fields, err := stat(pid)
	if err != nil {
		return u, err
	}
	var ticks int64
	for _, text := range fields[11:15] { // utime stime cutime cstime
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return u, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		ticks += n
	}
	u.cpu = time.Duration(ticks) * time.Second / clockTicks
	u.written, err = procNumber(pid, "io", "write_bytes:")
	return u, err
}

// stat is /proc/PID/stat from the third field (state) on: the second may hold spaces.
func stat(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return nil, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return fields, nil
}

// descendants are the process itself and all below it.
func descendants(pid int) ([]int, error) {
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, name := range names {
		p, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		fields, err := stat(p)
		if err != nil {
			continue // ended just now
		}
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			children[parent] = append(children[parent], p)
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// memoryOf is how much memory a server takes, in bytes: the most one process ever had (VmHWM); of
// several, which share pages, what they have now with each page counted once (Pss).
func memoryOf(pid int) (int64, error) {
	pids, err := descendants(pid)
	if err != nil {
		return 0, err
	}
	if len(pids) == 1 {
		kilobytes, err := procNumber(pid, "status", "VmHWM:")
		return kilobytes << 10, err
	}
	var sum int64
	for _, p := range pids {
		kilobytes, err := procNumber(p, "smaps_rollup", "Pss:")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil {
			return 0, err
		}
		sum += kilobytes << 10
	}
	return sum, nil
}

// procNumber reads one number from a file of /proc/PID.
func procNumber(pid int, file, name string) (int64, error) {
	path := fmt.Sprintf("/proc/%d/%s", pid, file)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			if fields := strings.Fields(rest); len(fields) > 0 {
				return strconv.ParseInt(fields[0], 10, 64)
			}
		}
	}
	return 0, fmt.Errorf("%s says nothing of %s", path, name)
}

// onDisk is how many bytes of disk a folder takes.
func onDisk(dir string) (sum int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			sum += s.Blocks * 512
		}
		return nil
	})
	return sum, err
}
