package jail

import (
	"math"
	"strings"
	"testing"
)

const fail2banLib = "/usr/lib/python3/dist-packages/fail2ban"

type formulaQuestion struct {
	Factor      string       `json:"factor"`
	Formula     string       `json:"formula"`
	Multipliers string       `json:"multipliers"`
	Cases       [][2]float64 `json:"cases"`
}

// Every expression yields what fail2ban's Python makes of it, for counts far beyond doubling.
func TestFormulaIsFail2bans(t *testing.T) {
	m := startModel(t, "testdata/increment.py", fail2banLib)
	for _, c := range []struct{ factor, formula, multipliers string }{
		{},
		{factor: "1"},
		{factor: "2.0 / 2.885385"},
		{factor: "2.0 / 2.885385", formula: "ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)"},
		{formula: "ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor"},
		{formula: "ban.Time*2**ban.Count"},
		{factor: "-2**2 * -1", formula: "ban.Time * 2 ** -1 ** 2 * banFactor"},
		{formula: "ban.Time * (1 + ban.Count) ** 2.5 // 7"},
		{formula: "ban.Time * (ban.Count - 1) **(0.5)"},
		{formula: "60"},
		{formula: "ban.Time if ban.Count < 3 else 9999"},
		{formula: "min(ban.Time * (ban.Count + 1), 86400 * math.pi)"},
		{formula: "round(ban.Time * 2.5 + 0.5) + round(2.5)"},
		{factor: "1.5", multipliers: "1 2 4 8"},
		{factor: "0.1", multipliers: "1 1 1"},
		{multipliers: "1 5 30 60 300 720 1440 2880"},
	} {
		q := formulaQuestion{Factor: c.factor, Formula: c.formula, Multipliers: c.multipliers}
		for _, n := range []float64{1, 2, 3, 5, 8, 19, 20, 25} {
			q.Cases = append(q.Cases, [2]float64{600, n}, [2]float64{3601, n})
		}
		var want []float64
		m.ask(t, q, &want)
		f, err := NewFormula(c.factor, c.formula, ints(c.multipliers), nil)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		for i, one := range q.Cases {
			got, err := f.Longer(one[0], int(one[1]))
			if err != nil || math.Abs(got-want[i]) > 1e-9*want[i] {
				t.Errorf("%+v for %v: %v, %v; fail2ban %v", c, one, got, err, want[i])
			}
		}
	}
}

// What fails is refused when it is read, and what never ends ends.
func TestFormulaRefuses(t *testing.T) {
	for _, text := range []string{
		"foo", "1/0", "'x'", "ban.Time*2 +", "** 2", "2 **", "ban.Weight", "open('/etc/passwd')", "__import__('os')",
		"[x for x in range(100000000)][0]", "len([1 for a in range(3000) for b in range(3000)])", "math.sqrt(-1)",
	} {
		if f, err := NewFormula("", text, nil, nil); err == nil {
			n, _ := f.Longer(600, 1)
			t.Errorf("%s was taken: %v", text, n)
		} else if !strings.Contains(err.Error(), "bantime.formula") {
			t.Errorf("%s: %v does not name the key", text, err)
		}
	}
	if _, err := NewFormula("foo", "", nil, nil); err == nil || !strings.Contains(err.Error(), "bantime.factor") {
		t.Errorf("factor foo: %v", err)
	}
}

func TestFormulaDraws(t *testing.T) {
	f, err := NewFormula("", "ban.Time + random.random() * 100 + random.uniform(0, 10) + random.randint(1, 6)", nil, func() float64 { return 0.5 })
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Longer(600, 1); err != nil || got != 600+50+5+4 {
		t.Errorf("%v, %v", got, err)
	}
}
