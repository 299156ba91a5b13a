package pattern

func mandatory(*node) []string { return nil }
