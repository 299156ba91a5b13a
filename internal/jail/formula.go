package jail

import (
	"errors"
	"fmt"
	"math"

	starlarkmath "go.starlark.net/lib/math"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// formulaSteps bounds what an expression of the configuration may compute: some thousand times
// what the formulas of fail2ban's own comments need, and over in a millisecond.
const formulaSteps = 100_000

// standardFormula is bantime.formula where none is set (§4.3): the time doubles with every ban.
const standardFormula = "ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor"

// Formula computes how long the next ban of a known offender is.
type Formula struct {
	factor      float64
	text        string
	multipliers []int // in place of text
	random      func() float64
}

// NewFormula reads bantime.factor and bantime.formula, which are Python expressions, and
// bantime.multipliers, which replace the formula. Empty ones are fail2ban's: factor 1, and time
// doubled with every ban. random yields numbers in [0,1) for the formula's random.random().
//
// The expressions are run by Starlark, which reads Python's expressions; `**`, which it lacks,
// becomes pow(). An expression that cannot be read or computed for a first repetition is an
// error.
func NewFormula(factor, formula string, multipliers []int, random func() float64) (*Formula, error) {
	f := &Formula{factor: 1, text: formula, multipliers: multipliers, random: random}
	if factor != "" {
		var err error
		if f.factor, err = f.number("bantime.factor", factor, nil); err != nil {
			return nil, err
		}
	}
	if f.text == "" {
		f.text = standardFormula
	}
	_, err := f.Longer(600, 1)
	return f, err
}

// Longer is the ban time, in seconds, of an id that was banned count times before; banTime is
// the jail's. A formula never shortens it, multipliers may (as fail2ban has it).
func (f *Formula) Longer(banTime float64, count int) (float64, error) {
	if n := len(f.multipliers); n > 0 {
		return banTime * f.factor * float64(f.multipliers[min(count, n-1)]), nil
	}
	ban := starlarkstruct.FromStringDict(starlark.String("ban"), starlark.StringDict{
		"Time": whole(banTime), "Count": starlark.MakeInt(count),
	})
	t, err := f.number("bantime.formula", f.text, starlark.StringDict{"ban": ban, "banFactor": starlark.Float(f.factor)})
	if err != nil {
		return 0, err
	}
	return max(banTime, t), nil
}

// number runs one expression; key names it in the error.
func (f *Formula) number(key, text string, names starlark.StringDict) (n float64, err error) {
	defer func() {
		if r := recover(); r != nil { // the text is the administrator's: a fault of ours must not stop the daemon
			err = fmt.Errorf("%s = %s: %v", key, text, r)
		}
	}()
	expr, err := withPow(text)
	if err != nil {
		return 0, fmt.Errorf("%s = %s: %w", key, text, err)
	}
	env := starlark.StringDict{
		"math": starlarkmath.Module, "random": f.randomModule(),
		"pow": starlark.NewBuiltin("pow", pow), "round": starlark.NewBuiltin("round", round),
	}
	for k, v := range names {
		env[k] = v
	}
	thread := &starlark.Thread{Name: key}
	thread.SetMaxExecutionSteps(formulaSteps)
	v, err := starlark.EvalOptions(&syntax.FileOptions{}, thread, key, expr, env)
	if err != nil {
		return 0, fmt.Errorf("%s = %s: %w", key, text, err)
	}
	n, ok := starlark.AsFloat(v)
	if !ok || math.IsNaN(n) {
		return 0, fmt.Errorf("%s = %s: yields %s, a number was expected", key, text, v)
	}
	return n, nil
}

// whole is a number as Python would have it: whole seconds are an int, which bit shifts need.
func whole(n float64) starlark.Value {
	if n == math.Trunc(n) && math.Abs(n) < 1<<53 {
		return starlark.MakeInt64(int64(n))
	}
	return starlark.Float(n)
}

func (f *Formula) randomModule() starlark.Value {
	draw := func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kw []starlark.Tuple) (starlark.Value, error) {
		var low, high starlark.Value = starlark.Float(0), starlark.Float(1)
		if b.Name() == "uniform" || b.Name() == "randint" {
			if err := starlark.UnpackPositionalArgs(b.Name(), args, kw, 2, &low, &high); err != nil {
				return nil, err
			}
		}
		from, ok1 := starlark.AsFloat(low)
		to, ok2 := starlark.AsFloat(high)
		if !ok1 || !ok2 || b.Name() == "random" && len(args) > 0 {
			return nil, errors.New("random: numbers were expected")
		}
		if b.Name() == "randint" {
			return starlark.MakeInt64(int64(from + math.Floor(f.random()*(to-from+1)))), nil
		}
		return starlark.Float(from + f.random()*(to-from)), nil
	}
	members := starlark.StringDict{}
	for _, name := range []string{"random", "uniform", "randint"} {
		members[name] = starlark.NewBuiltin(name, draw)
	}
	return starlarkstruct.FromStringDict(starlark.String("random"), members)
}

func pow(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kw []starlark.Tuple) (starlark.Value, error) {
	var base, exponent starlark.Value
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kw, 2, &base, &exponent); err != nil {
		return nil, err
	}
	x, ok1 := starlark.AsFloat(base)
	y, ok2 := starlark.AsFloat(exponent)
	if !ok1 || !ok2 {
		return nil, errors.New("pow: numbers were expected")
	}
	_, whole1 := base.(starlark.Int)
	_, whole2 := exponent.(starlark.Int)
	n := math.Pow(x, y)
	if whole1 && whole2 && y >= 0 {
		return whole(n), nil
	}
	return starlark.Float(n), nil
}

// round is Python's: half to even.
func round(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kw []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	digits := 0
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kw, 1, &v, &digits); err != nil {
		return nil, err
	}
	x, ok := starlark.AsFloat(v)
	if !ok {
		return nil, errors.New("round: a number was expected")
	}
	if len(args) == 1 {
		return whole(math.RoundToEven(x)), nil
	}
	scale := math.Pow10(digits)
	return starlark.Float(math.RoundToEven(x*scale) / scale), nil
}
