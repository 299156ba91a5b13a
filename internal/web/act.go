package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gaol/internal/control"
)

// deed is a command that somebody is about to give: it is asked about once before it is done.
// Everything stands in the address of its form, so that no odd byte of an id is lost in a field.
type deed struct {
	Do, Jail, ID, For, Reason string
}

func deedOf(r *http.Request) deed {
	q := r.URL.Query()
	return deed{q.Get("do"), q.Get("jail"), strings.TrimSpace(q.Get("id")), strings.TrimSpace(q.Get("for")), strings.TrimSpace(q.Get("reason"))}
}

// Target is the address of the form that does it.
func (d deed) Target() string {
	return "/act?" + url.Values{"do": {d.Do}, "jail": {d.Jail}, "id": {d.ID}, "for": {d.For}, "reason": {d.Reason}}.Encode()
}

// Sentence says what will be done.
func (d deed) Sentence() string {
	length := "for as long as the jail bans"
	if d.For != "" {
		length = "for " + d.For
	}
	if d.For == "-1" {
		length = "for ever"
	}
	switch d.Do {
	case "ban":
		return fmt.Sprintf("Ban %s in the jail %s, %s.", d.ID, d.Jail, length)
	case "unban":
		if d.Jail == "" {
			return fmt.Sprintf("Lift every ban of %s, and forget what was counted.", d.ID)
		}
		return fmt.Sprintf("Lift the ban of %s in the jail %s, and forget what was counted.", d.ID, d.Jail)
	case "allow":
		if d.For == "" {
			length = "until you take it back"
		}
		return fmt.Sprintf("Let nobody ban %s, %s. Bans that hit it are lifted.", d.ID, length)
	}
	return fmt.Sprintf("Take %s off the list of who is never banned.", d.ID)
}

// command is what the daemon is told.
func (d deed) command() (control.Command, error) {
	if d.ID == "" {
		return nil, &control.Error{Fault: control.Invalid, Msg: "no address was named", Hint: "write an address such as 203.0.113.66, or a network"}
	}
	length, err := readLength(d.For)
	if err != nil {
		return nil, err
	}
	switch d.Do {
	case "ban":
		return control.Ban{Jail: d.Jail, ID: d.ID, For: length, Reason: d.Reason}, nil
	case "unban":
		return control.Unban{Jail: d.Jail, ID: d.ID}, nil
	case "allow":
		return control.Allow{ID: d.ID, For: length, Reason: d.Reason}, nil
	case "disallow":
		return control.Disallow{ID: d.ID}, nil
	}
	return nil, &control.Error{Fault: control.Invalid, Msg: fmt.Sprintf("nothing is called %q", d.Do)}
}

// readLength reads 600, 10m, 8h, 2d, 1w or -1; nil where it is empty.
func readLength(text string) (*time.Duration, error) {
	if text == "" {
		return nil, nil
	}
	wrong := &control.Error{Fault: control.Invalid, Msg: fmt.Sprintf("%q is no length of time", text), Hint: "write 600, 10m, 8h, 2d, or -1 for ever"}
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	number, unit := text, time.Second
	if u, ok := units[text[len(text)-1]]; ok {
		number, unit = text[:len(text)-1], u
	}
	var n int64
	if _, err := fmt.Sscanf(number+"\n", "%d\n", &n); err != nil || n > int64(100*365*24*time.Hour/unit) {
		return nil, wrong
	}
	d := time.Duration(n) * unit
	if n < 0 {
		d = -1
	}
	return &d, nil
}

// confirm asks once more.
func (s *site) confirm(w http.ResponseWriter, r *http.Request, one *guest) {
	d := deedOf(r)
	if _, err := d.command(); err != nil {
		s.fail(w, one, err)
		return
	}
	title := map[string]string{"ban": "Ban", "unban": "Lift the ban", "allow": "Never ban", "disallow": "Take off the list"}[d.Do]
	s.render(w, one, http.StatusOK, "act", title, map[string]any{"Deed": d, "Back": d.back()})
}

// back is where to go after a deed, or instead of it.
func (d deed) back() string {
	if d.Do == "disallow" {
		return "/allowed"
	}
	return "/offender?id=" + url.QueryEscape(d.ID)
}

func (s *site) act(w http.ResponseWriter, r *http.Request, one *guest) {
	d := deedOf(r)
	c, err := d.command()
	if err != nil {
		s.fail(w, one, err)
		return
	}
	// What was confirmed is done, also when the browser goes away.
	reply, err := s.daemon.Do(context.WithoutCancel(r.Context()), c)
	if err != nil {
		s.fail(w, one, err)
		return
	}
	s.sessions.say(one.session, d.outcome(reply))
	http.Redirect(w, r, d.back(), http.StatusSeeOther)
}

func (d deed) outcome(r control.Reply) string {
	switch {
	case d.Do == "ban" && r.Outcome == control.Unchanged:
		return d.ID + " is banned in " + d.Jail + " already; nothing was changed."
	case d.Do == "ban":
		text := d.ID + " is banned in " + d.Jail
		for _, b := range r.Bans {
			text += ", until " + showEnd(b.End)
		}
		return strings.Replace(text, "until for ever", "for ever", 1) + "."
	case d.Do == "unban" && len(r.Bans) == 0:
		return d.ID + " was not banned."
	case d.Do == "unban" && len(r.Covering) > 0:
		return d.ID + " is let out, but " + r.Covering[0].ID + " in " + r.Covering[0].Jail + " still keeps it out."
	case d.Do == "unban":
		return d.ID + " is not banned any more."
	case d.Do == "allow":
		return "Nobody bans " + d.ID + " now."
	}
	return d.ID + " may be banned again."
}
