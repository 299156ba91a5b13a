package pattern

import (
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

type codeRanges [][2]rune

func (c codeRanges) each(f func(r rune)) {
	for _, x := range c {
		for r := x[0]; r <= x[1]; r++ {
			f(r)
		}
	}
}

func (c codeRanges) set() map[rune]bool {
	m := map[rune]bool{}
	c.each(func(r rune) { m[r] = true })
	return m
}

// TestUnicode compares classes and case rules of all code points that Python's Unicode version
// assigns. Newer versions only add to them.
func TestUnicode(t *testing.T) {
	needPython(t)
	script, err := os.ReadFile("testdata/unicode.py")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), python, "-c", string(script)).Output()
	if err != nil {
		t.Fatal(err)
	}
	var py struct {
		Assigned, D, S, W, Asciis, Asciiw, Start, Continue codeRanges
		Letters                                            string
		Fold                                               map[string]string
	}
	if err := json.Unmarshal(out, &py); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		want codeRanges
		got  func(rune) bool
	}{
		{`\d`, py.D, func(r rune) bool { return catDigit.has(r, false) }},
		{`\s`, py.S, func(r rune) bool { return catSpace.has(r, false) }},
		{`\w`, py.W, func(r rune) bool { return catWord.has(r, false) }},
		{`(?a)\s`, py.Asciis, func(r rune) bool { return catSpace.has(r, true) }},
		{`(?a)\w`, py.Asciiw, func(r rune) bool { return catWord.has(r, true) }},
		{"first of a name", py.Start, func(r rune) bool { return isIdentifier(string(r)) }},
		{"in a name", py.Continue, func(r rune) bool { return isIdentifier("a" + string(r)) }},
	} {
		want, bad := c.want.set(), 0
		py.Assigned.each(func(r rune) {
			if c.got(r) != want[r] && bad < 20 {
				bad++
				t.Errorf("%s, %U: %v, python %v", c.name, r, c.got(r), want[r])
			}
		})
	}
	checkFolds(t, py.Letters, py.Fold)
}

func checkFolds(t *testing.T, letters string, folds map[string]string) {
	t.Helper()
	if len(folds) < 2000 {
		t.Fatalf("only %d letters", len(folds))
	}
	bad := 0
	for code, want := range folds {
		n, err := strconv.Atoi(code)
		if err != nil {
			t.Fatal(err)
		}
		r := rune(n)
		set := newCharset([]item{{lo: r, hi: r}}, false, flagI)
		got := ""
		for _, x := range letters {
			if set.has(x) {
				got += string(x)
			}
		}
		if got != want && bad < 20 {
			bad++
			t.Errorf("(?i)%U matches %+q, python %+q", r, got, want)
		}
		if (want != string(r)) != cased(r, false) {
			t.Errorf("cased(%U) = %v, python's variants %+q", r, cased(r, false), want)
		}
	}
}
