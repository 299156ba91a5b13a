// Package date finds the timestamp of a log line, works out the time it means and cuts it
// out of the text (fail2ban-behaviour §2.6-2.8). It holds no clock: "now" is a parameter.
//
//	Parse        datepattern  → Templates, immutable, shared by all jails with that datepattern
//	NewDetector  Templates    → Detector, which learns which template the log is written in
//	Cutter       event.Line   → event.Entry, with the rules for lines that carry no sound date
//
// The common formats are read by hand-written scanners; whatever they are not sure of goes to
// the template's regular expression, so that the two never differ.
package date
