package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"

	"gaol/internal/engine"
	"gaol/internal/event"
)

// timeLayout is how times are shown: local, as fail2ban shows them.
const timeLayout = "2006-01-02 15:04:05"

// printJSON prints v for a program. Control and formatting characters, which log text may hold
// and a terminal may obey, are written as \u escapes.
func printJSON(out io.Writer, v any) error {
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err := io.WriteString(out, escapeJSON(text.String()))
	return err
}

// escapeJSON escapes what does not print, as JSON strings may have it. Such characters stand
// only inside of strings, apart from the line ends that the encoder set.
func escapeJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// table prints rows in columns. Cells hold text from logs and configurations, so that they are
// made printable here, at the last moment, and none can be forgotten.
func table(out io.Writer, rows [][]string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if cell == "" {
				cell = "-"
			}
			row[i] = engine.Printable(cell)
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// printBans prints bans as a table, with their jails where withJail is set.
func printBans(out io.Writer, bans []event.Ban, withJail bool) error {
	head := []string{"ID", "SINCE", "UNTIL", "FAILURES", "WHY"}
	if withJail {
		head = append([]string{"JAIL"}, head...)
	}
	rows := [][]string{head}
	for _, b := range bans {
		row := []string{b.ID, showTime(b.Start), showEnd(b), fmt.Sprint(b.Count), why(b)}
		if withJail {
			row = append([]string{b.Jail}, row...)
		}
		rows = append(rows, row)
	}
	return table(out, rows)
}

// why says what led to a ban, in few words, and first what is unusual about it.
func why(b event.Ban) string {
	if b.Scope == event.AllPorts {
		b.Scope = ""
		return "all ports; " + why(b)
	}
	if !b.Manual {
		return or(b.Regex, b.Reason) // found in the kernel, taken over from fail2ban
	}
	if b.Reason == "" {
		return "by hand"
	}
	return "by hand: " + b.Reason
}

func showTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(timeLayout)
}

func showEnd(b event.Ban) string {
	if b.End.IsZero() {
		return "for ever"
	}
	return showTime(b.End)
}

// showSpan shows a duration as the configuration would say it: 10m, 1h30m, 2d.
func showSpan(d time.Duration) string {
	if d < 0 {
		return "for ever"
	}
	day := 24 * time.Hour
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	text := d.String() // 1h0m0s
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// plural is "1 ban" or "2 bans".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
