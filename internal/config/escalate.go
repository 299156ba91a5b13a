package config

import (
	"slices"
	"strings"
)

// readEscalate reads what a ban closes, step by step.
func (r *jailReader) readEscalate() {
	v, ok := r.value("escalate")
	if !ok || v.Text() == "" || slices.Contains([]string{"0", "off", "false", "no"}, strings.ToLower(v.Text())) {
		return
	}
	steps := strings.FieldsFunc(strings.ToLower(v.Text()), func(c rune) bool { return strings.ContainsRune(", \t\n", c) })
	if !slices.Equal(steps, []string{"ports", "host"}) {
		r.fail(fault(v.Pos(), "write escalate = ports, host, or off", "escalate: %s is neither off nor the steps of a ban: ports, host", quote(v.Text())))
		return
	}
	r.jail.Escalate = true
	if other := r.doc.sections[r.jail.Name+"/host"]; other != nil {
		r.fail(fault(other.pos, "give it another name", "a jail %q cannot be beside %q, which escalates: the bans of all ports are kept under that name",
			r.jail.Name+"/host", r.jail.Name))
	}
}

// escalate finds a jail where it does nothing.
func (k *checker) escalate(j *Jail) {
	if j.Escalate && !slices.ContainsFunc(j.Actions, func(a Action) bool { return a.Native }) {
		k.say(Warning, j, j.Where("escalate"), "write banaction = gaol",
			"escalate of jail %q does nothing: what actions of action.d close is their own matter", j.Name)
	}
}
