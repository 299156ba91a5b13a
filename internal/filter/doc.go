// Package filter decides whether an entry is a failure, and whose (fail2ban-behaviour §2.1-2.5,
// §2.9): prefregex, failregex, ignoreregex, and the memory for connections that are told about in
// more than one line. It holds no clock, resolves no names and counts nothing.
package filter
