package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"
)

// The version of fail2ban whose command line and report these are.
const fail2banVersion = "1.0.2"

// regexArgs is the command line of fail2ban-regex(1).
type regexArgs struct {
	log, regex, ignore string

	config, datepattern, zone, encoding string
	usedns                              string
	maxlines                            int
	out                                 string
	verbose                             int
	verboseDate, firstOnly, invert      bool
	noMissed, noIgnored                 bool
	allMatched, allMissed, allIgnored   bool
}

const regexUsage = `Usage: fail2ban-regex [OPTIONS] <LOG> <REGEX> [IGNOREREGEX]

Shows which lines of a log a fail2ban filter, or one regular expression, takes for failures.

  LOG          a log file, or a line of one
  REGEX        a jail (sshd), a filter (sshd.conf, filter.d/sshd, sshd[mode=aggressive]), the path
               of a filter file, or a failregex
  IGNOREREGEX  the path of a filter file, or an ignoreregex

Options:
`

const regexExample = `
Example: fail2ban-regex /var/log/auth.log 'sshd[mode=aggressive]'
`

// Fail2banRegex is the command line of fail2ban-regex(1), args without the program's name. It
// returns the exit status: 0 done (also where nothing matched), 2 for an option that does not
// exist, 255 for other errors. The report is on out, as the installed program writes it.
func Fail2banRegex(args []string, in io.Reader, out, errw io.Writer) int {
	var a regexArgs
	flags := a.flags(errw)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			fmt.Fprint(out, regexUsage, flags.FlagUsages(), regexExample)
			return 0
		}
		fmt.Fprintf(errw, "%s\nfail2ban-regex: error: %v\n", regexUsage[:len("Usage: fail2ban-regex [OPTIONS] <LOG> <REGEX> [IGNOREREGEX]\n")], err)
		return 2
	}
	if short, _ := flags.GetBool("short-version"); short {
		fmt.Fprintln(out, fail2banVersion)
		return 0
	}
	if long, _ := flags.GetBool("version"); long {
		fmt.Fprintln(out, "fail2ban-regex", fail2banVersion)
		return 0
	}
	if err := a.positional(flags); err != nil {
		fmt.Fprintf(errw, "ERROR: %v\n", err)
		return 255
	}
	if err := runRegex(&a, out); err != nil {
		fmt.Fprintf(out, "ERROR: %v\n", err) // part of the report, as the installed program has it
		return 255
	}
	return 0
}

func (a *regexArgs) flags(errw io.Writer) *pflag.FlagSet {
	f := pflag.NewFlagSet("fail2ban-regex", pflag.ContinueOnError)
	f.SetOutput(errw)
	f.SortFlags = false
	f.Usage = func() {}
	f.StringVarP(&a.config, "config", "c", "", "configuration directory (default /etc/gaol, else /etc/fail2ban)")
	f.StringVarP(&a.datepattern, "datepattern", "d", "", "how timestamps look")
	f.StringVar(&a.zone, "timezone", "", "time zone of timestamps that name none")
	f.StringVar(&a.zone, "TZ", "", "the same")
	f.StringVarP(&a.encoding, "encoding", "e", "", "encoding of the file (default UTF-8)")
	f.BoolP("raw", "r", false, "do not resolve host names: --usedns=raw")
	f.StringVar(&a.usedns, "usedns", "", "yes, warn, no or raw: what becomes of host names (default warn)")
	f.IntVarP(&a.maxlines, "maxlines", "L", 0, "lines that one match may span")
	f.StringP("journalmatch", "m", "", "only for systemd-journal, which gaol does not read here")
	f.StringP("log-level", "l", "", "taken and not used")
	f.BoolP("short-version", "V", false, "print the version of fail2ban this speaks")
	f.Bool("version", false, "print program and version")
	f.CountVarP(&a.verbose, "verbose", "v", "also list what each expression matched")
	f.IntVar(&a.verbose, "verbosity", 0, "the same as a number, 0 to 4")
	f.BoolVar(&a.verboseDate, "verbose-date", false, "taken and not used")
	f.BoolVar(&a.verboseDate, "VD", false, "taken and not used")
	f.BoolP("debuggex", "D", false, "taken and not used")
	f.BoolVar(&a.firstOnly, "no-check-all", false, "stop at the first failregex that matches, as the server does")
	f.StringVarP(&a.out, "out", "o", "", "print only this of each failure: row, id, ip, msg, matches, a group's name, or text with <tags>")
	f.BoolVarP(&a.invert, "invert", "i", false, "with -o: print the lines that are no failure instead")
	f.BoolVar(&a.noMissed, "print-no-missed", false, "do not list missed lines")
	f.BoolVar(&a.noIgnored, "print-no-ignored", false, "do not list ignored lines")
	f.BoolVar(&a.allMatched, "print-all-matched", false, "list all matched lines")
	f.BoolVar(&a.allMissed, "print-all-missed", false, "list all missed lines, however many")
	f.BoolVar(&a.allIgnored, "print-all-ignored", false, "list all ignored lines, however many")
	f.BoolP("log-traceback", "t", false, "taken and not used")
	f.Bool("full-traceback", false, "taken and not used")
	return f
}

// positional takes LOG REGEX [IGNOREREGEX] and checks what the options say together.
func (a *regexArgs) positional(f *pflag.FlagSet) error {
	if raw, _ := f.GetBool("raw"); raw {
		a.usedns = "raw"
	}
	switch {
	case a.noMissed && a.allMissed:
		return errors.New("--print-no-missed and --print-all-missed are mutually exclusive.")
	case a.noIgnored && a.allIgnored:
		return errors.New("--print-no-ignored and --print-all-ignored are mutually exclusive.")
	case f.NArg() != 2 && f.NArg() != 3:
		return errors.New("provide both <LOG> and <REGEX>.")
	}
	a.log, a.regex = f.Arg(0), f.Arg(1)
	if f.NArg() == 3 {
		a.ignore = f.Arg(2)
	}
	return nil
}
