package cli

import (
	"fmt"
	"slices"
	"strings"

	"gaol/internal/control"
)

// fail2banText is the value of an answer as fail2ban-client prints it (§5.3).
func fail2banText(words []string, v any) string {
	word := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	switch word(0) {
	case "ping":
		return "Server replied: " + control.Str(v)
	case "start":
		return "Jail started"
	case "stop":
		if len(words) > 1 {
			return "Jail stopped"
		}
		return "Shutdown successful"
	case "add":
		return "Added jail " + control.Str(v)
	case "flushlogs":
		return "logs: " + control.Str(v)
	case "echo":
		return strings.Join(texts(v), " ")
	case "status":
		return statusText(words, v)
	case "stats", "statistics":
		return statsText(v)
	case "get", "set":
		if text, ok := daemonText(word(1), v); ok && len(words) < 4 {
			return text
		}
		return jailText(word(0), word(1), word(2), words, v)
	}
	return control.Str(v)
}

// daemonText is a setting of the daemon; false: it is none with a text of its own.
func daemonText(key string, v any) (string, bool) {
	switch key {
	case "loglevel":
		return "Current logging level is " + control.Repr(v), true
	case "logtarget":
		return "Current logging target is:\n`- " + control.Str(v), true
	case "syslogsocket":
		return "Current syslog socket is:\n`- " + control.Str(v), true
	case "dbfile", "dbpurgeage":
		if v == nil {
			return "Database currently disabled", true
		}
		if key == "dbfile" {
			return "Current database file is:\n`- " + control.Str(v), true
		}
		return "Current database purge age is:\n`- " + control.Str(v) + "seconds", true
	}
	return "", false
}

// jailText is a setting of a jail.
func jailText(verb, jail, key string, words []string, v any) string {
	switch key {
	case "logpath", "addlogpath", "dellogpath":
		return tree("Current monitored log file(s):", "No file is currently monitored", texts(v))
	case "ignoreip", "addignoreip", "delignoreip":
		return tree("These IP addresses/networks are ignored:", "No IP address/network is ignored", texts(v))
	case "failregex", "addfailregex", "delfailregex", "ignoreregex", "addignoreregex", "delignoreregex":
		all := texts(v)
		for i := range all {
			all[i] = fmt.Sprintf("[%d]: %s", i, all[i])
		}
		return tree("The following regular expression are defined:", "No regular expression is defined", all)
	case "logencoding":
		return "Current log encoding is set to:\n" + control.Str(v)
	case "journalmatch", "addjournalmatch", "deljournalmatch":
		return journalText(v)
	case "datepattern":
		return "Current date pattern set to: " + datePatternText(v)
	case "banip":
		if verb != "get" {
			return control.Str(v)
		}
		sep := " "
		if len(words) > 3 {
			sep = words[3]
		}
		if sep == "--with-time" {
			sep = "\n"
		}
		return strings.Join(texts(v), sep)
	case "actions":
		if len(texts(v)) == 0 {
			return "No actions for jail " + jail
		}
		return "The jail " + jail + " has the following actions:\n" + strings.Join(texts(v), ", ")
	case "actionproperties", "actionmethods":
		kind := strings.TrimPrefix(key, "action")
		return fmt.Sprintf("The jail %s action %s has the following %s:\n%s", jail, words[len(words)-1], kind, strings.Join(texts(v), ", "))
	}
	return control.Str(v)
}

func datePatternText(v any) string {
	t, ok := v.(control.Tuple)
	switch {
	case !ok || len(t) != 2:
		return "Not set/required"
	case t[0] == nil:
		return control.Str(t[1])
	}
	return fmt.Sprintf("%s (%s)", control.Str(t[0]), control.Str(t[1]))
}

func journalText(v any) string {
	var rows []string
	list, _ := v.([]any)
	for _, row := range list {
		rows = append(rows, strings.Join(texts(row), " "))
	}
	if len(rows) == 0 {
		return "No journal match filter set"
	}
	return "Current match filter:\n" + strings.Join(rows, " + ")
}

// tree is a list under its title.
func tree(title, none string, items []string) string {
	if len(items) == 0 {
		return none
	}
	var b strings.Builder
	b.WriteString(title)
	for i, item := range items {
		if i < len(items)-1 {
			b.WriteString("\n|- " + item)
		} else {
			b.WriteString("\n`- " + item)
		}
	}
	return b.String()
}

// texts are the members of a list as text.
func texts(v any) []string {
	var items []any
	switch v := v.(type) {
	case []any:
		items = v
	case control.Tuple:
		items = v
	}
	all := make([]string, len(items))
	for i, one := range items {
		all[i] = control.Str(one)
	}
	return all
}

// pair is a named value of a status.
func pair(v any) (name string, value any) {
	if t, ok := v.(control.Tuple); ok && len(t) == 2 {
		return control.Str(t[0]), t[1]
	}
	return control.Str(v), nil
}

// statusText is `status`, of the daemon, of a jail or of all jails.
func statusText(words []string, v any) string {
	top, ok := v.([]any)
	if !ok {
		return control.Str(v)
	}
	all := slices.Contains(words[1:], "--all")
	if len(words) > 1 && !all {
		return "Status for the jail: " + words[1] + statusTree(top, "", "\n")
	}
	var b strings.Builder
	b.WriteString("Status")
	for i, one := range top {
		name, value := pair(one)
		each, nested := value.(control.Dict)
		branch := "|- "
		if i == len(top)-1 {
			branch = "`- "
		}
		b.WriteString("\n" + branch + name + ":")
		if !nested {
			b.WriteString("\t" + control.Str(value))
			continue
		}
		b.WriteString(" ")
		for j, p := range each {
			branch, indent := "|- ", "   |  "
			if j == len(each)-1 {
				branch, indent = "`- ", "      "
			}
			b.WriteString("\n   " + branch + "Jail: " + control.Str(p.Key))
			if items, ok := p.Value.([]any); ok {
				b.WriteString(statusTree(items, indent, "\n"))
			}
		}
	}
	return b.String()
}

// statusTree is a jail's status: groups of named values.
func statusTree(groups []any, indent, lead string) string {
	var b strings.Builder
	for i, g := range groups {
		name, value := pair(g)
		branch, inner := "|- ", "|  "
		if i == len(groups)-1 {
			branch, inner = "`- ", "   "
		}
		b.WriteString(lead + indent + branch + name)
		items, _ := value.([]any)
		for j, item := range items {
			leaf := "|- "
			if j == len(items)-1 {
				leaf = "`- "
			}
			name, value := pair(item)
			text := control.Str(value)
			if _, list := value.([]any); list {
				text = strings.Join(texts(value), " ")
			}
			b.WriteString("\n" + indent + inner + leaf + name + ":\t" + text)
		}
	}
	return b.String()
}

// statsText is a table of all jails.
func statsText(v any) string {
	jails, ok := v.(control.Dict)
	if !ok || len(jails) == 0 {
		return "No jails found."
	}
	rows := [][]string{{"Jail", "Backend", "Failed", "Total", "Banned", "Total"}}
	for _, j := range jails {
		row := []string{control.Str(j.Key)}
		items, _ := j.Value.([]any)
		for _, item := range items {
			if t, ok := item.(control.Tuple); ok {
				row = append(row, texts(t)...)
			} else {
				row = append(row, control.Str(item))
			}
		}
		rows = append(rows, row)
	}
	var b strings.Builder
	for i, row := range rows {
		if i > 0 {
			b.WriteByte('\n')
		}
		for k, cell := range row {
			if k > 0 {
				b.WriteString(" | ")
			}
			fmt.Fprintf(&b, "%-8s", cell)
		}
	}
	return b.String()
}
