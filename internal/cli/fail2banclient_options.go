package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// fail2banOptions are the options of fail2ban-client and fail2ban-server (§5.3).
type fail2banOptions struct {
	conf, socket, pidfile, pname      string
	loglevel, logtarget, syslogsocket string
	str2sec                           string
	timeout                           time.Duration
	dump, test, interactive           bool
	foreground, async, force          bool
	help, shortVersion, longVersion   bool
	verbose                           int
}

// parse reads options up to the first word that is none, as getopt(3) does where POSIX asks
// for it: `set sshd bantime -1` has no option.
func (o *fail2banOptions) parse(args []string) (rest []string, err error) {
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			break
		}
		if long, ok := strings.CutPrefix(arg, "--"); ok {
			name, value, given := strings.Cut(long, "=")
			if to := o.text(name); to != nil || name == "timeout" {
				if !given && len(args) == 0 {
					return nil, fmt.Errorf("option --%s needs a value", name)
				}
				if !given {
					value, args = args[0], args[1:]
				}
				err = o.take(name, value)
			} else {
				err = o.flag(name)
			}
			if err != nil {
				return nil, err
			}
			continue
		}
		if args, err = o.short(arg[1:], args); err != nil {
			return nil, err
		}
	}
	return args, nil
}

// short reads letters that may stand together, the last one with a value.
func (o *fail2banOptions) short(letters string, args []string) ([]string, error) {
	for i, l := range letters {
		name, takes := map[rune]string{'c': "conf", 's': "socket", 'p': "pidfile"}[l]
		if !takes {
			if err := o.flag(string(l)); err != nil {
				return nil, err
			}
			continue
		}
		value := letters[i+1:]
		if value == "" {
			if len(args) == 0 {
				return nil, fmt.Errorf("option -%c needs a value", l)
			}
			value, args = args[0], args[1:]
		}
		return args, o.take(name, value)
	}
	return args, nil
}

func (o *fail2banOptions) text(name string) *string {
	switch name {
	case "conf":
		return &o.conf
	case "socket":
		return &o.socket
	case "pidfile":
		return &o.pidfile
	case "pname":
		return &o.pname
	case "loglevel":
		return &o.loglevel
	case "logtarget":
		return &o.logtarget
	case "syslogsocket":
		return &o.syslogsocket
	case "str2sec":
		return &o.str2sec
	}
	return nil
}

func (o *fail2banOptions) take(name, value string) error {
	if to := o.text(name); to != nil {
		*to = value
		return nil
	}
	s, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return fmt.Errorf("read --timeout: %w", err)
	}
	o.timeout = time.Duration(s * float64(time.Second))
	return nil
}

func (o *fail2banOptions) flag(name string) error {
	switch name {
	case "d", "dp", "dump-pretty":
		o.dump = true
	case "t", "test":
		o.test = true
	case "i":
		o.interactive = true
	case "v":
		o.verbose++
	case "q":
		o.verbose--
	case "x":
		o.force = true
	case "f":
		o.foreground = true
	case "b":
		o.foreground = false
	case "async":
		o.async = true
	case "h", "help":
		o.help = true
	case "V":
		o.shortVersion = true
	case "version":
		o.longVersion = true
	default:
		return fmt.Errorf("no option %q", name)
	}
	return nil
}
