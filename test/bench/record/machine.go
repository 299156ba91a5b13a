package record

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine is what figures were measured on: processors, kernel, and the versions of the programs.
func Machine() string {
	cpu := "unknown CPU"
	info, _ := os.ReadFile("/proc/cpuinfo")
	if _, behind, ok := strings.Cut(string(info), "model name\t: "); ok {
		cpu, _, _ = strings.Cut(behind, "\n")
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("Measured %s on %d CPUs (%s), kernel %s, %s, fail2ban %s, %s, %s, gaol %s.",
		time.Now().Format("2006-01-02"), Processors(), cpu, strings.TrimSpace(string(kernel)), runtime.Version(),
		firstLine("fail2ban-server", "--version"), firstLine("nft", "--version"), firstLine("rg", "--version"),
		firstLine("git", "describe", "--tags", "--always", "--dirty"))
}

// Processors is how many the machine has, whichever of them this process may use.
func Processors() int {
	info, _ := os.ReadFile("/proc/cpuinfo")
	return max(strings.Count("\n"+string(info), "\nprocessor\t:"), 1)
}

func firstLine(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "(" + err.Error() + ")"
	}
	text, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimPrefix(strings.TrimPrefix(text, "Fail2Ban v"), "fail2ban ")
}

// load is how many programs wanted to run in the last minute.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// CPUs shares out the processors this process may use: the last is for what is measured, the
// others are for what measures. Both are in taskset(1)'s words; "" where there is one only.
func CPUs() (measuring, measured string) {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil || set.Count() < 2 {
		return "", ""
	}
	var all []string
	for n := 0; len(all) < set.Count(); n++ {
		if set.IsSet(n) {
			all = append(all, fmt.Sprint(n))
		}
	}
	return strings.Join(all[:len(all)-1], ","), all[len(all)-1]
}

// Pinned puts taskset(1) in front of a command, unless cpus is "".
func Pinned(cpus string, args ...string) []string {
	if cpus == "" {
		return args
	}
	return append([]string{"taskset", "-c", cpus}, args...)
}

// Build makes the program gaol of this tree.
func Build(to string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, "gaol/cmd/gaol")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build gaol: %w\n%s", err, out)
	}
	return nil
}
