package pattern

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const longLine = 64 << 10

// pumped repeats text[from:to] in place until the text is size bytes long.
func pumped(text string, from, to, size int) string {
	part := text[from:to]
	return text[:from] + strings.Repeat(part, max(1, (size-len(text))/len(part))) + text[to:]
}

// attack is an expression with the line that hurts it.
type attack struct {
	re   *Regexp
	line string
}

// attacks are expressions of fail2ban's filters that cost backtracking engines seconds or ages
// (regex.md §5): a part to find the expression by, and the line; what is pumped stands between
// bars.
func attacks(t testing.TB) (list []attack) {
	t.Helper()
	c := readCorpus(t)
	for _, a := range [][2]string{
		{`asterisk(?:\(\S+\))?[\]\)]?:? \d+ \S+ (?:[^\[\]\s]+|(?:\[(?:[^\]"]*|"[^"]*")*\])+)`, ` host asterisk 55555 - [|"a" b=|]`},
		{`sshd(?:\(\S+\))?[\]\)]?:? \d+ \S+ (?:[^\[\]\s]+|(?:\[(?:[^\]"]*|"[^"]*")*\])+)`, ` host sshd 55555 - [|a"b" |]`},
		{`^(?:Aborted login|Disconnected|`, `Disconnected|: a|`},
		{`smtp: (?:[^\[]+ )*`, `smtp: |a |`},
		{`smtp: (?:[^\[]+ )*`, `smtp: |a 1.1.1.1 |`},
		{`NOTICE\s+\[(?!recidive\])`, ` fail2ban.actions [1]: NOTICE [x]|] Ban |`},
		{`NOTICE\s+\[(?!recidive\])`, `|fail2ban |`},
		{`Invalid username or password`, ` msg="Invalid username or password"| a="b"|`},
		{`nvalid) user`, `Invalid user |a from |`},
		{`Connection (?:closed|reset)`, `Connection closed by| 1.1.1.1|`},
		{`"(GET|POST).*\?.*\=http`, `1.2.3.4 - - "|GET /? HTTP/|`},
		{`user <(?P<user>.*?)>`, `|user <a> |`},
		{`\(TCP|UDP\) Blocked`, `|/1.2.3.4 Port: 1 |`},
	} {
		for _, r := range c.Regexes {
			if !strings.Contains(r.Expr, a[0]) {
				continue
			}
			re, err := Compile(r.Expr, Options{Multiline: r.Multiline})
			if err != nil {
				t.Fatal(err)
			}
			part := strings.Split(a[1], "|")
			text := strings.Join(part, "")
			list = append(list, attack{re, pumped(text, len(part[0]), len(part[0])+len(part[1]), longLine) + "\n"})
			break
		}
	}
	if len(list) < 9 {
		t.Fatalf("only %d of the expressions were found", len(list))
	}
	return list
}

// maxPerByte is how many steps per byte of a hostile line are allowed. Twenty were seen.
const maxPerByte = 60

func TestReDoS(t *testing.T) {
	var mem Memory
	for _, a := range attacks(t) {
		_, err := a.re.Search(&mem, a.line)
		if perByte := float64(mem.Steps) / float64(len(a.line)); err != nil || perByte > maxPerByte {
			t.Errorf("%.1f steps per byte, %v: %q on %.40q", perByte, err, a.re, a.line)
		}
	}
}

// TestStepsOnPumpedSamples pumps parts of sample lines that match, as somebody would who knows
// the filter.
func TestStepsOnPumpedSamples(t *testing.T) {
	c := readCorpus(t)
	g := seed(t)
	var mem Memory
	worst, aborts := 0.0, 0
	for _, r := range c.Regexes {
		re, err := Compile(r.Expr, Options{Multiline: r.Multiline})
		if err != nil {
			t.Fatal(err)
		}
		var samples []string
		for _, text := range c.Texts {
			if spans, _ := re.Search(&mem, text); spans != nil {
				samples = append(samples, text)
			}
		}
		for range min(len(samples), 8) {
			text := samples[g.IntN(len(samples))]
			from := g.IntN(len(text) - 1)
			line := pumped(text, from, min(len(text), from+1+g.IntN(12)), longLine)
			_, err := re.Search(&mem, line+"!\n")
			if errors.Is(err, ErrBudget) {
				aborts++
			}
			perByte := float64(mem.Steps) / float64(len(line))
			worst = max(worst, perByte)
			if re.Bounded() && mem.Steps > stepBudget+longLine || !re.Bounded() && (err != nil || perByte > maxPerByte) {
				t.Errorf("%.1f steps per byte, %v: %q on %.120q", perByte, err, re, line)
			}
		}
	}
	t.Logf("worst: %.1f steps per byte; %d searches with backreferences were given up", worst, aborts)
}

// TestStepsAreLinear: whatever the expression, without backreferences the steps are bounded by
// its size times the text's, with one constant.
func TestStepsAreLinear(t *testing.T) {
	const perInstruction = 12
	g := &generator{Rand: seed(t)}
	var mem Memory
	worst := 0.0
	for range 20000 {
		g.groups, g.closed = 0, nil
		re, err := Compile(g.alternatives(3), Options{Multiline: g.IntN(4) == 0})
		if err != nil || re.Bounded() {
			continue
		}
		part := g.text() + "a"
		text := g.text() + strings.Repeat(part, 3000/len(part)) + g.text()
		if _, err := re.Search(&mem, text); err != nil {
			t.Errorf("%q: %v", re, err)
		}
		steps := float64(mem.Steps) / float64(len(text)) / float64(len(re.code.get().ins))
		if worst = max(worst, steps); steps > perInstruction {
			t.Errorf("%.1f steps per byte and instruction: %q on %.60q", steps, re, text)
		}
	}
	t.Logf("worst: %.1f steps per byte and instruction", worst)
}

func TestBudget(t *testing.T) {
	re, err := Compile(`^(.*).*(.*).*\1\2!$`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var mem Memory
	if _, err := re.Search(&mem, strings.Repeat("ab", 500)+"!x"); !errors.Is(err, ErrBudget) || !re.Bounded() {
		t.Errorf("error %v after %d steps, want ErrBudget", err, mem.Steps)
	}
	want := []int32{0, 7, 0, 2, 4, 4}
	if spans, err := re.Search(&mem, "ababab!"); err != nil || !slices.Equal(spans, want) {
		t.Errorf("after ErrBudget: %v, %v, want %v", spans, err, want)
	}
}

// TestNoAllocation: a warm memory serves every expression and line without allocating.
func TestNoAllocation(t *testing.T) {
	c := readCorpus(t)
	var mem Memory
	check := func(expr, text string, multiline bool) {
		re, err := Compile(expr, Options{Multiline: multiline})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = re.Search(&mem, text)
		if n := testing.AllocsPerRun(5, func() { _, _ = re.Search(&mem, text) }); n > 0 {
			t.Errorf("%v allocations: %q on %q", n, re, text)
		}
	}
	for i, r := range c.Regexes {
		check(r.Expr, c.Texts[c.Natural[i][1]], r.Multiline)
	}
	check(`(?i)([a-zà-ÿ\w]+)(?=\1?)(?<!x)(?>É)\1`, "aÉéÉaéé\u212a", false)
}

// TestMemoryIsBounded: what a line of 64 KiB costs, and that it is given back.
func TestMemoryIsBounded(t *testing.T) {
	c := readCorpus(t)
	line := strings.Repeat("a: [b] ", longLine/7)
	most := 0
	for _, r := range c.Regexes {
		re, err := Compile(r.Expr, Options{Multiline: r.Multiline})
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, re.code.get().planes)
		var mem Memory
		_, _ = re.Search(&mem, line)
		if size := cap(mem.memo)*8 + cap(mem.stack)*16; size > 2<<20 {
			t.Errorf("%d bytes are kept by %q", size, re)
		}
	}
	t.Logf("at most %d planes: %d KiB for a line of 64 KiB", most, most*longLine/8>>10)
	if most*longLine/8 > 2<<20 {
		t.Errorf("%d planes are more than Memory's comment says", most)
	}
	re, err := Compile(`^(?:(a)|(\S)|(.))*!`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var mem Memory
	if _, _ = re.Search(&mem, line+"!"); cap(mem.stack)*16 > 1<<20 {
		t.Errorf("a stack of %d frames is kept", cap(mem.stack))
	}
	re, err = Compile(strings.Repeat(`(?:a|b?)*`, 3000), Options{})
	if err != nil || re.code.get().planes > maxPlanes || !re.Bounded() {
		t.Errorf("%v: %d planes, bounded %v", err, re.code.get().planes, re.Bounded())
	}
}

func BenchmarkReDoS(b *testing.B) {
	for i, a := range attacks(b) {
		b.Run(fmt.Sprintf("%d:%.20s", i, a.line), func(b *testing.B) {
			var mem Memory
			for b.Loop() {
				_, _ = a.re.Search(&mem, a.line)
			}
			b.ReportMetric(float64(mem.Steps)/float64(len(a.line)), "steps/B")
			b.ReportMetric(float64(a.re.code.get().planes*len(a.line)/8>>10), "memo-KiB")
		})
	}
}
