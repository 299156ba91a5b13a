package pattern

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"
)

// python is Debian's: the one that fail2ban runs under.
const python = "/usr/bin/python3"

type request struct {
	Expr       string   `json:"p"`
	Multiline  bool     `json:"m,omitempty"`
	IgnoreCase bool     `json:"i,omitempty"`
	Texts      []string `json:"t,omitempty"`
}

type answer struct {
	Error   string    `json:"e"`
	Pos     int       `json:"pos"`
	Groups  int       `json:"g"`
	Matches [][]int32 `json:"m"`
	Hangs   []int     `json:"h"`
}

// oracle is a running Python that answers requests in order.
type oracle struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func newOracle(t testing.TB) *oracle {
	t.Helper()
	needPython(t)
	// Given as text, so that go test's cache knows that the result depends on the script.
	script, err := os.ReadFile("testdata/oracle.py")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", string(script))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &oracle{in, bufio.NewReaderSize(out, 1<<20)}
}

func needPython(t testing.TB) {
	t.Helper()
	if _, err := os.Stat(python); err == nil {
		return
	}
	const how = "the oracle needs " + python + ": scripts/packages test"
	if os.Getenv("CI") == "true" {
		t.Fatal(how)
	}
	t.Skip(how)
}

func (o *oracle) ask(r request) (a answer, err error) {
	line, err := json.Marshal(r)
	if err != nil {
		return a, err
	}
	if _, err := o.in.Write(append(line, '\n')); err != nil {
		return a, fmt.Errorf("ask python: %w", err)
	}
	reply, err := o.out.ReadBytes('\n')
	if err != nil {
		return a, fmt.Errorf("read python's answer: %w", err)
	}
	return a, json.Unmarshal(reply, &a)
}

// comparison is one worker's side of the comparison with Python.
type comparison struct {
	mem    Memory
	eager  Memory // uses its memo from the first step on
	auto   Memory // uses the automaton from the first search on
	aborts int    // searches that ended with ErrBudget
}

// compare gives what differs between Python's answer and ours, "" if nothing does. texts are
// those that Python searched.
func (c *comparison) compare(r request, texts []string, a answer) string {
	re, err := Compile(r.Expr, Options{Multiline: r.Multiline, IgnoreCase: r.IgnoreCase})
	if err != nil || a.Error != "" {
		return compareErrors(err, a)
	}
	if got := len(re.Names()) - 1; got != a.Groups {
		return fmt.Sprintf("groups: %d, python %d", got, a.Groups)
	}
	c.eager.eager, c.mem.auto, c.eager.auto, c.auto.auto = true, autoNever, autoNever, autoAlways
	want := map[int][]int32{}
	for _, m := range a.Matches {
		want[int(m[0])] = m[1:]
	}
	for i, text := range texts {
		if slices.Contains(a.Hangs, i) {
			continue
		}
		got, err := re.Search(&c.mem, text)
		if errors.Is(err, ErrBudget) && re.Bounded() {
			c.aborts++
			continue
		}
		if err != nil || !slices.Equal(got, want[i]) || (got == nil) != (want[i] == nil) {
			return fmt.Sprintf("on %q: %v %v, python %v", text, got, err, want[i])
		}
		// The memo has to agree, which short lines make no use of.
		got, err = re.Search(&c.eager, text)
		if err == nil && (!slices.Equal(got, want[i]) || (got == nil) != (want[i] == nil)) {
			return fmt.Sprintf("on %q with memo: %v, python %v", text, got, want[i])
		}
		got, err = re.Search(&c.auto, text)
		if err == nil && (!slices.Equal(got, want[i]) || (got == nil) != (want[i] == nil)) {
			return fmt.Sprintf("on %q with automaton: %v, python %v", text, got, want[i])
		}
	}
	return ""
}

func compareErrors(err error, a answer) string {
	var e *SyntaxError
	switch {
	case err == nil:
		return "accepted, python: " + a.Error
	case a.Error == "":
		return "refused, python accepts: " + err.Error()
	case !errors.As(err, &e):
		return "not a SyntaxError: " + err.Error()
	case e.Error() != a.Error || e.Pos != a.Pos:
		return fmt.Sprintf("error %q (%d), python %q (%d)", e.Error(), e.Pos, a.Error, a.Pos)
	}
	return ""
}

// seed gives the seed of random tests: GAOL_SEED, "fresh" for a new one, else a fixed one.
func seed(t testing.TB) *rand.Rand {
	t.Helper()
	n := uint64(1)
	switch text := os.Getenv("GAOL_SEED"); text {
	case "":
	case "fresh":
		n = uint64(time.Now().UnixNano())
	default:
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("GAOL_SEED: %v", err)
		}
	}
	t.Logf("GAOL_SEED=%d", n)
	return rand.New(rand.NewPCG(n, 0))
}
