package firewall

// ParsePublished runs both parsers of foreign text, for fuzzing: they must not panic.
func ParsePublished(text string) {
	_, _ = parseSaved(4)([]byte(text))
	_, _ = parseRuleset([]byte(text))
}
