package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Machine is where the figures come from.
type Machine struct {
	CPU        string  `json:"cpu"`
	Cores      int     `json:"cores"`
	Memory     int64   `json:"memory"` // bytes
	Kernel     string  `json:"kernel"`
	FileSystem string  `json:"file_system"`
	SyncP50    float64 `json:"sync_p50_us"` // 4 KiB written and synced
	SyncP99    float64 `json:"sync_p99_us"`
}

// lookAtMachine reads what the kernel says, and measures the disk that a folder is on.
func lookAtMachine(dir string) (m Machine, err error) {
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m, err
	}
	m.CPU, m.Cores = "unknown", runtime.NumCPU()
	for line := range strings.Lines(string(cpu)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return m, err
	}
	m.Kernel = strings.TrimSpace(string(release))
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return m, err
	}
	m.Memory = int64(info.Totalram) * int64(info.Unit)
	if m.FileSystem, err = fileSystem(dir); err != nil {
		return m, err
	}
	return m, m.timeSyncs(dir)
}

// fileSystem names what a folder is on. One in memory has no syncs, and every figure would be a lie.
func fileSystem(dir string) (string, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return "", err
	}
	known := map[int64]string{0xef53: "ext4", 0x58465342: "XFS", 0x9123683e: "Btrfs", 0x2fc12fc1: "ZFS",
		0x794c7630: "overlay", 0xf2f52010: "F2FS"}
	const tmpfs, ramfs = 0x01021994, 0x858458f6
	switch kind := int64(fs.Type); {
	case kind == tmpfs || kind == ramfs:
		return "", fmt.Errorf("%s is kept in memory: -dir names a folder on a disk", dir)
	case known[kind] != "":
		return known[kind], nil
	default:
		return fmt.Sprintf("%#x", kind), nil
	}
}

// timeSyncs writes 4 KiB and syncs them, again and again, as a commit does.
func (m *Machine) timeSyncs(dir string) error {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 4096)
	var times []time.Duration
	for range 500 {
		start := time.Now()
		if _, err := f.Write(page); err != nil {
			return err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return err
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	m.SyncP50 = microseconds(percentile(times, 0.50))
	m.SyncP99 = microseconds(percentile(times, 0.99))
	return nil
}

// toolVersions asks the programs that are not built here.
func toolVersions(ctx context.Context) (lines []string) {
	for _, tool := range [][]string{{"node", "--version"}, {"strace", "--version"}} {
		if out, err := exec.CommandContext(ctx, tool[0], tool[1:]...).Output(); err == nil {
			first, _, _ := strings.Cut(string(out), "\n")
			lines = append(lines, tool[0]+" "+first[strings.LastIndex(first, " ")+1:])
		}
	}
	if found, err := postgresProgram("postgres"); err == nil {
		if out, err := exec.CommandContext(ctx, found, "--version").Output(); err == nil {
			lines = append(lines, strings.TrimSpace(string(out)))
		}
	}
	return append(lines, nodeModules()...)
}

// nodeModules are what the peer on Node asks for, each in one version.
func nodeModules() (lines []string) {
	text, err := os.ReadFile(filepath.Join(nodeFolder, "package.json"))
	if err != nil {
		return nil // the peer is not here
	}
	var wants struct{ Dependencies map[string]string }
	if err := json.Unmarshal(text, &wants); err != nil {
		return nil
	}
	for name, version := range wants.Dependencies {
		lines = append(lines, name+" "+version)
	}
	slices.Sort(lines)
	return lines
}
