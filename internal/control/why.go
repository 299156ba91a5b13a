package control

// Explain asks what becomes of log lines, and why, without counting them: in the running jail
// Jail, under the filter Filter of the daemon's configuration (NAME, or NAME[mode=aggressive]), or
// under the failregexes Regexes; of none of these, in every running jail. Lines are taken in their
// order, as of one log; MaxExplained at most, and MaxExplainedBytes of text. Reply: Explained, for each jail one of each line.
type Explain struct {
	Lines   []string `json:"lines"`
	Jail    string   `json:"jail,omitempty"`
	Filter  string   `json:"filter,omitempty"`
	Regexes []string `json:"regexes,omitempty"`
	All     bool     `json:"all,omitempty"` // also what every expression made of a line
}

// MaxExplained and MaxExplainedBytes are how much one Explain may bring: explaining is slow.
const (
	MaxExplained      = 500
	MaxExplainedBytes = 256 << 10
)

// Why asks for all that is known of a ban id: whether it is banned, by whom, since when and for
// what, and if it is not, why not. Search is how many bytes of each log's end are searched for it
// where it is not banned; 0: 8 MiB, negative: none. Reply: Account.
type Why struct {
	ID     string `json:"id"`
	Search int64  `json:"search,omitempty"`
}

func (Explain) name() string { return "explain" }
func (Why) name() string     { return "why" }
