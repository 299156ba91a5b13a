package firewall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// tools runs the programs of iptables and ipset.
type tools struct {
	ns      string
	timeout time.Duration
	own     ownPorts // netlink addresses of our iptables-nft-restore: their process ids
}

// family is IPv4 or IPv6: iptables keeps them apart.
type family int

const (
	v4 family = 4
	v6 family = 6
)

// families are those of the kernel.
func families() []family {
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		return []family{v4}
	}
	return []family{v4, v6}
}

// variant is one of the two kernel interfaces that programs named iptables change. Each has
// rules of its own, and packets pass through both.
type variant struct {
	kind   string // "nft" or "legacy"
	prefix string // of the programs behind iptables or ip6tables: "-nft", "-legacy" or ""
}

// program is the path of one of the variant's programs: "save" or "restore".
func (v variant) program(f family, what string) (string, error) {
	name := "iptables"
	if f == v6 {
		name = "ip6tables"
	}
	return find(name + v.prefix + "-" + what)
}

// find looks for a program in PATH and where root's programs are, which need not be in it.
func find(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err == nil {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, name))
	}
	return path, err
}

// run runs a program and returns what it prints. An error holds what it says.
func (t *tools) run(stdin, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), t.timeout)
	defer cancel()
	name := filepath.Base(path)
	if t.ns != "" {
		path, args = "nsenter", append([]string{"--net=" + t.ns, "--", path}, args...)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Start()
	if err == nil {
		t.own.add(uint32(cmd.Process.Pid))
		err = cmd.Wait()
	}
	said := strings.TrimSpace(stderr.String())
	switch {
	case err == nil:
		return stdout.String(), nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s: %w (%v)", name, ErrTimeout, t.timeout)
	case strings.Contains(said, "ermission denied"), strings.Contains(said, "not permitted"):
		return "", fmt.Errorf("%s: %w (%s)", name, ErrPermission, said)
	case strings.Contains(said, "The set with the given name does not exist"):
		return "", fmt.Errorf("%s: %w (%s)", name, ErrGone, said)
	}
	return "", fmt.Errorf("%s: %w: %s", name, err, said)
}

// errNoTool is wrapped where a program is not installed.
var errNoTool = errors.New("is not installed")

// findSets asks the kernel's ipset for an answer.
func (t *tools) findSets() error {
	if _, err := find("ipset"); err != nil {
		return fmt.Errorf("ipset %w: install the package ipset", errNoTool)
	}
	_, err := t.ipset("", "list", "-n")
	if err != nil && !errors.Is(err, ErrPermission) {
		return fmt.Errorf("ask the kernel for its sets: %w (the kernel modules ip_set, ip_set_hash_net and xt_set are needed)", err)
	}
	return err
}

func (t *tools) ipset(stdin string, args ...string) (string, error) {
	path, err := find("ipset")
	if err != nil {
		return "", fmt.Errorf("ipset %w", errNoTool)
	}
	return t.run(stdin, path, args...)
}

// variants are those that are installed, the one that `iptables` is first.
func (t *tools) variants() []variant {
	var found []variant
	plain := ""
	if path, err := find("iptables"); err == nil {
		out, _ := t.run("", path, "-V") // 1.8.0 and later name the kind
		plain = "legacy"
		if strings.Contains(out, "nf_tables") {
			plain = "nft"
		}
	}
	for _, v := range []variant{{"nft", "-nft"}, {"legacy", "-legacy"}, {plain, ""}} {
		known := slices.ContainsFunc(found, func(o variant) bool { return o.kind == v.kind })
		if _, err := v.program(v4, "restore"); err != nil || known || v.kind == "" {
			continue
		}
		found = append(found, v)
	}
	slices.SortStableFunc(found, func(a, b variant) int {
		return boolInt(b.kind == plain) - boolInt(a.kind == plain)
	})
	return found
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// choose finds the variant and the table to use, and says why it is that variant.
func (t *tools) choose(kind, table string) (v variant, in, why string, err error) {
	var order []variant
	var docker bool
	var problems []error
	for _, v := range t.variants() {
		if kind != "" && v.kind != kind {
			continue
		}
		saved, err := t.save(v, v4, "")
		switch {
		case err != nil:
			problems = append(problems, err)
		case saved.docker() && !docker:
			order, docker = append([]variant{v}, order...), true
		default:
			order = append(order, v)
		}
	}
	for i, v := range order {
		in, err := t.chooseTable(v, table)
		switch {
		case err != nil:
			problems = append(problems, err)
		case kind != "":
			return v, in, "asked for", nil
		case i == 0 && docker:
			return v, in, "it holds Docker's chains", nil
		case i == 0:
			return v, in, "it is what iptables is here", nil
		default:
			return v, in, "the other kind does not work here", nil
		}
	}
	if len(problems) == 0 {
		return v, "", "", fmt.Errorf("iptables %w: install the package iptables", errNoTool)
	}
	return v, "", "", fmt.Errorf("ask the kernel for the rules of iptables: %w", errors.Join(problems...))
}

// chooseTable is raw, or mangle where the kernel has no raw.
func (t *tools) chooseTable(v variant, forced string) (string, error) {
	candidates := []string{"raw", "mangle"}
	if forced != "" {
		candidates = []string{forced}
	}
	var problems []error
	for _, table := range candidates {
		_, err := t.save(v, v4, table)
		if err == nil {
			return table, nil
		}
		problems = append(problems, err)
	}
	return "", fmt.Errorf("find a table with PREROUTING before NAT: %w", errors.Join(problems...))
}

// save reads the rules of one table, or of all that exist.
func (t *tools) save(v variant, f family, table string) (saved, error) {
	path, err := v.program(f, "save")
	if err != nil {
		return nil, fmt.Errorf("find iptables-save: %w", err)
	}
	var args []string
	if table != "" {
		args = []string{"-t", table}
	}
	out, err := t.run("", path, args...)
	if err != nil {
		return nil, err
	}
	return parseSave(out), nil
}

// restore carries out a script for one table as one transaction.
func (t *tools) restore(v variant, f family, script string) error {
	path, err := v.program(f, "restore")
	if err != nil {
		return fmt.Errorf("find iptables-restore: %w", err)
	}
	// -w waits for others that change legacy rules right now; the nft kind needs no lock.
	_, err = t.run(script, path, "--noflush", "-w", "5")
	return err
}
