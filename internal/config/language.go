package config

// Language is the table of fail2ban's own options that gaol heeds, in our words, for the
// reference of all options (docs/options.md). Default is what holds where no file sets the
// option; File is fail2ban.conf, jail.conf, filter.d or action.d. What gaol adds is in Keys.
func Language() []Key {
	all := append(jailLanguage(), incrementLanguage()...)
	all = append(all, variableLanguage()...)
	all = append(all, filterLanguage()...)
	all = append(all, actionLanguage()...)
	return append(all, globalLanguage()...)
}

func jailLanguage() []Key {
	const file, section, since = "jail.conf", "jail", "0.1"
	return []Key{
		{"enabled", file, section, "false", since, "true: the jail runs"},
		{"filter", file, section, "", since, "what to look for: a file of filter.d by its name, with parameters such as sshd[mode=aggressive]"},
		{"logpath", file, section, "", since, "the logs, one a line: a path, or a glob, whose files are read from findtime back; tail behind it: from the end. container:/PATH is a file inside the jail's container"},
		{"backend", file, section, "auto", since, "auto follows files as the kernel tells, pyinotify and gamin mean the same; polling looks every second; systemd reads the journal, with journalpath and the like in brackets"},
		{"systemd_if_nologs", file, section, "true", since, "with backend = auto and no log file, the journal is read if the filter has a journalmatch"},
		{"skip_if_nologs", file, section, "false", since, "true: a jail that has no log file is left out; false: it waits for one"},
		{"journalmatch", file, section, "", since, "which entries of the journal, as journalctl takes them; fields of a line must all hold, lines and + are alternatives; empty: the filter's"},
		{"logencoding", file, section, "auto", since, "how the log is written; auto is UTF-8"},
		{"logtimezone", file, section, "", since, "zone of timestamps that name none, such as UTC+0800; empty: this machine's"},
		{"maxretry", file, section, "3", since, "so many failures within findtime lead to a ban; 5 in the embedded configuration and in Debian's"},
		{"findtime", file, section, "10m", since, "the time in which failures are counted together, and how far back a log is read at the first start"},
		{"bantime", file, section, "10m", since, "how long a ban lasts, from the last failure on; -1: for ever"},
		{"maxmatches", file, section, "5", since, "how many log lines are kept for each offender, for <matches>, status and why"},
		{"ignoreip", file, section, "", since, "who is never banned: addresses, networks, names, file:/PATH with a list of them; separated by blanks or commas"},
		{"ignoreself", file, section, "true", since, "this machine's own addresses are not counted; gaol bans them in no case"},
		{"ignorecommand", file, section, "", since, "a command, with tags such as <ip>, asked before a failure is counted: exit status 0 says that it is not to be counted"},
		{"ignorecache", file, section, "", since, `how long the answers of ignorecommand are remembered, such as key="<ip>", max-count=100, max-time=5m; empty: not at all`},
		{"usedns", file, section, "warn", since, "what becomes of a host name in a log: yes resolves it, warn resolves and says so, no takes none, raw bans it as it stands"},
		{"prefregex", file, section, "", since, "in place of the filter's"},
		{"failregex", file, section, "", since, "in place of the filter's; with %(known/failregex)s in it, added to them"},
		{"ignoreregex", file, section, "", since, "in place of the filter's, as failregex"},
		{"datepattern", file, section, "", since, "in place of the filter's"},
		{"maxlines", file, section, "1", since, "in place of the filter's: over how many lines a regex may reach"},
		{"action", file, section, "", since, "what to do, one a line: files of action.d by their names, with parameters; %(action_)s in the stock files, which is banaction"},
	}
}

func incrementLanguage() []Key {
	const file, section, since = "jail.conf", "jail", "0.1"
	return []Key{
		{"bantime.increment", file, section, "false", since, "true: who was banned before is banned for longer, and after fewer failures"},
		{"bantime.factor", file, section, "", since, "a number that the formula and the multipliers are multiplied by; empty: 1"},
		{"bantime.formula", file, section, "", since, "Python's expression for the length, of ban.Time, ban.Count and banFactor; empty: twice as long with every ban"},
		{"bantime.multipliers", file, section, "", since, "in place of the formula, what bantime is multiplied by at the second ban, the third and so on; the last holds from then on"},
		{"bantime.maxtime", file, section, "", since, "the formula's result is cut to this"},
		{"bantime.rndtime", file, section, "", since, "up to so much is added by chance, so that nobody can reckon the end"},
		{"bantime.overalljails", file, section, "false", since, "true: bans of all jails count, not only of this one"},
	}
}

// variableLanguage are options that mean something only where others refer to them, %(port)s,
// or to gaol's own ban.
func variableLanguage() []Key {
	const file, section, since = "jail.conf", "jail", "0.1"
	return []Key{
		{"port", file, section, "", since, "what is closed, as the client dials it: names, numbers, ranges, such as ssh,2222,6000:6010; empty and 0:65535: all"},
		{"protocol", file, section, "", since, "tcp, udp, tcp,udp or all; empty: tcp"},
		{"mode", file, section, "", since, "passed on to filters that have modes, by filter = NAME[mode=%(mode)s]"},
		{"banaction", file, section, "", since, "the action that bans, in action_ and its like: gaol, or a file of action.d"},
		{"banaction_allports", file, section, "", since, "the same for jails that close all ports, such as recidive"},
		{"chain", file, section, "", since, "the chain that actions for iptables work in; banaction = gaol has no use for it"},
		{"action_", file, section, "", since, "banaction with the jail's port, protocol and chain"},
		{"action_mw", file, section, "", since, "action_, and a mail with whois"},
		{"action_mwl", file, section, "", since, "action_, and a mail with whois and the log lines"},
		{"action_xarf", file, section, "", since, "action_, and a report to the network's abuse contact"},
		{"action_cf_mwl", file, section, "", since, "a ban at Cloudflare, and a mail"},
		{"action_blocklist_de", file, section, "", since, "a report to blocklist.de"},
		{"action_abuseipdb", file, section, "", since, "a report to AbuseIPDB"},
		{"destemail", file, section, "", since, "who gets the mails"},
		{"sender", file, section, "", since, "from whom they are"},
		{"mta", file, section, "", since, "with which program actions send them: sendmail or mail"},
		{"fail2ban_agent", file, section, "", since, "how reports name the program that makes them"},
	}
}

func filterLanguage() []Key {
	const file, section, since = "filter.d", definition, "0.1"
	return []Key{
		{"failregex", file, section, "", since, "what a failure looks like, one regex a line; each must name the offender with <HOST>, <ADDR> or <F-ID>, unless prefregex does"},
		{"ignoreregex", file, section, "", since, "lines that do not count although a failregex matches"},
		{"prefregex", file, section, "", since, "tried first, once for all: a line that it does not match is dropped, and what <F-CONTENT> took is what the others see"},
		{"datepattern", file, section, "", since, "how timestamps look, by strptime's names or {EPOCH}, {DATE}, {NONE} and the like; empty: some thirty usual forms are tried"},
		{"maxlines", file, section, "1", since, "over how many lines a regex may reach, with <SKIPLINES>"},
		{"journalmatch", file, section, "", since, "the entries of the journal that a jail with backend = systemd reads"},
		{"usedns", file, section, "", since, "as the jail's, for this filter; empty: the jail's"},
		{"_daemon", file, section, "", since, "the program's name, for %(__prefix_line)s of common.conf"},
		{"logtype", file, section, "", since, "file, journal, short or rfc5424: what common.conf expects before the message; empty: by the jail's backend"},
		{"before", file, "INCLUDES", "", since, "files of the same directory that are read first"},
		{"after", file, "INCLUDES", "", since, "files that are read last, and win"},
	}
}

func actionLanguage() []Key {
	const file, section, since = "action.d", definition, "0.1"
	return []Key{
		{"actionstart", file, section, "", since, "commands that prepare: once at the jail's start, or before the first ban of IPv4 or IPv6"},
		{"actionstop", file, section, "", since, "commands that undo actionstart, at the jail's end"},
		{"actioncheck", file, section, "", since, "run when a ban fails: exit status 0 says that what actionstart made is there"},
		{"actionrepair", file, section, "", since, "run where actioncheck fails; empty: actionstop and actionstart"},
		{"actionrepair_on_unban", file, section, "false", since, "true: that is done for a failing unban as well"},
		{"actionban", file, section, "", since, "commands that ban, with tags such as <ip>"},
		{"actionunban", file, section, "", since, "commands that undo actionban"},
		{"actionreban", file, section, "", since, "in place of actionban for who is banned already and whose rules were repaired; empty: actionban"},
		{"actionprolong", file, section, "", since, "run when a ban's end is moved; empty: nothing"},
		{"actionflush", file, section, "", since, "undoes all bans at once at the jail's end; empty: actionunban for each"},
		{"actionreload", file, section, "", since, "run after gaol reload"},
		{"actionstart_on_demand", file, section, "", since, "true: actionstart waits for the first ban; empty: it does if the file has a section such as [Init?family=inet6]"},
		{"norestored", file, section, "false", since, "true: not run for bans that come back after a restart, as for mails"},
		{"timeout", file, "Init", "60s", since, "a command that takes longer is ended"},
		{"before", file, "INCLUDES", "", since, "files of the same directory that are read first"},
		{"after", file, "INCLUDES", "", since, "files that are read last, and win"},
	}
}

func globalLanguage() []Key {
	const file, section, since = "fail2ban.conf", definition, "0.1"
	return []Key{
		{"loglevel", file, section, "INFO", since, "CRITICAL, ERROR, WARNING, NOTICE, INFO or DEBUG: what is logged"},
		{"logtarget", file, section, "STDERR", since, "where to: a file, STDOUT, STDERR, SYSLOG, SYSTEMD-JOURNAL; gaol run by hand logs to standard output"},
		{"syslogsocket", file, section, "auto", since, "where syslogd listens"},
		{"socket", file, section, "/var/run/fail2ban/fail2ban.sock", since, "where fail2ban-client reaches gaol"},
		{"pidfile", file, section, "/var/run/fail2ban/fail2ban.pid", since, "file for the process number, where fail2ban-client or fail2ban-server starts gaol"},
		{"allowipv6", file, section, "auto", since, "whether IPv6 addresses are banned; auto: if this machine has IPv6"},
		{"dbfile", file, section, "/var/lib/fail2ban/fail2ban.sqlite3", since, "fail2ban's database, which the first start and gaol import read and nobody writes"},
		{"dbmaxmatches", file, section, "10", since, "how many log lines are kept on disk for each ban"},
		{"dbpurgeage", file, section, "1d", since, "for how long bans that are over are kept"},
		{"stacksize", file, "Thread", "", since, "taken, without effect"},
	}
}
