// Command conf5 prints the man page gaol.conf(5): the one table of gaol's own keys, as
// docs/configuration.md has it.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"gaol/internal/config"
)

func main() {
	if err := write(os.Stdout, config.Keys()); err != nil {
		fmt.Fprintln(os.Stderr, "conf5:", err)
		os.Exit(1)
	}
}

const head = `.Dd November 24, 2026
.Dt GAOL.CONF 5
.Os
.Sh NAME
.Nm gaol.conf
.Nd gaol's own keys in fail2ban's configuration
.Sh DESCRIPTION
.Xr gaol 8
reads the configuration of fail2ban, whose language
.Xr jail.conf 5
describes, and in the same language these keys more.
A fail2ban that reads the same files passes over them.
Files are looked for in
.Pa /etc/gaol ,
else in
.Pa /etc/fail2ban ;
of a file
.Pa NAME.conf ,
.Pa NAME.d/*.conf ,
.Pa NAME.local
and
.Pa NAME.d/*.local
are read in this order, and later ones win.
`

const tail = `.Sh FILES
.Bl -tag -width Ds
.It Pa /etc/fail2ban/gaol.local
What an admin writes of the daemon's keys.
.It Pa /etc/fail2ban/jail.local
What an admin writes of the jails' keys.
.El
.Sh SEE ALSO
.Xr jail.conf 5 ,
.Xr gaol 8
.Pp
/usr/share/doc/gaol/configuration.md has examples.
`

// write prints the page: the daemon's keys, then those of a jail.
func write(w io.Writer, keys []config.Key) error {
	var page strings.Builder
	page.WriteString(head)
	section := ""
	for _, k := range keys {
		if k.Section != section {
			if section != "" {
				page.WriteString(".El\n")
			}
			section = k.Section
			fmt.Fprintf(&page, ".Sh %s\n.Bl -tag -width Ds\n", title(k))
		}
		fmt.Fprintf(&page, ".It Cm %s\n%s.\n", escape(k.Name), escape(sentences(k.Doc)))
		if k.Default != "" {
			fmt.Fprintf(&page, "The default is\n.Ql %s .\n", escape(k.Default))
		}
		fmt.Fprintf(&page, "Since %s.\n", escape(k.Since))
	}
	page.WriteString(".El\n" + tail)
	_, err := io.WriteString(w, page.String())
	return err
}

func title(k config.Key) string {
	if k.Section == "jail" {
		return "KEYS OF A JAIL, OR [DEFAULT], IN JAIL.CONF"
	}
	return "KEYS OF [" + strings.ToUpper(k.Section) + "] IN " + strings.ToUpper(k.File)
}

// sentences begins a line with each sentence, as mandoc(1) wants it.
func sentences(text string) string { return strings.ReplaceAll(upper(text), ". ", ".\n") }

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// escape keeps roff from taking text for requests or escapes.
func escape(text string) string {
	text = strings.ReplaceAll(text, `\`, `\e`)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
