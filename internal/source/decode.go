package source

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Format is how a log file frames the lines that a program wrote.
type Format int

// The formats of log files.
const (
	Plain    Format = iota // each line is what the program wrote
	JSONFile               // Docker's json-file: {"log":"text\n","stream":"stdout","time":"RFC3339Nano"}
	CRI                    // Kubernetes and Podman's k8s-file: RFC3339Nano stdout|stderr P|F text
)

// ParseFormat reads the jail key logformat.
func ParseFormat(text string) (Format, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "", "plain":
		return Plain, nil
	case "json-file":
		return JSONFile, nil
	case "cri", "k8s-file":
		return CRI, nil
	}
	return Plain, fmt.Errorf("logformat = %s is not known, expected plain, json-file or cri", text)
}

// rawLimit is how long a framed line may be: JSON writes a byte as up to six, and Docker puts
// labels of the container behind the text.
const rawLimit = 256 << 10

// piece is a part of a line as a log driver wrote it.
type piece struct {
	text   string
	stream string // pieces of one line come on one stream
	time   time.Time
	more   bool // the line goes on in the stream's next piece
	// sameTime: all pieces of one line have the same time, so another time is another line.
	sameTime bool
}

// parse reads one framed line; false: it is none.
func (f Format) parse(raw string) (piece, bool) {
	switch f {
	case JSONFile:
		return parseJSONFile(raw)
	case CRI:
		return parseCRI(raw)
	}
	return piece{text: raw}, true
}

// parseJSONFile reads a line of Docker's json-file driver. It splits at 16 KiB; all pieces of
// a line but the last lack the newline, and all have the time of the first (moby,
// daemon/logger/copier.go, jsonfilelog.go).
func parseJSONFile(raw string) (piece, bool) {
	if !strings.HasPrefix(raw, "{") {
		return piece{}, false
	}
	var l struct {
		Log    *string   `json:"log"`
		Stream string    `json:"stream"`
		Time   time.Time `json:"time"`
	}
	if json.Unmarshal([]byte(raw), &l) != nil || l.Log == nil || l.Time.IsZero() {
		return piece{}, false
	}
	text, whole := strings.CutSuffix(*l.Log, "\n")
	return piece{text: text, stream: l.Stream, time: l.Time, more: !whole, sameTime: true}, true
}

// parseCRI reads a line of the container runtime interface's log format (kubelet's cri-api,
// Podman's conmon). Tags behind the first, separated by colons, mean nothing yet.
func parseCRI(raw string) (piece, bool) {
	stamp, rest, ok1 := strings.Cut(raw, " ")
	stream, rest, ok2 := strings.Cut(rest, " ")
	tags, text, ok3 := strings.Cut(rest, " ")
	if !ok2 || !ok1 || stream != "stdout" && stream != "stderr" {
		return piece{}, false
	}
	tag, _, _ := strings.Cut(tags, ":")
	if tag != "P" && tag != "F" || !ok3 && tags == "" {
		return piece{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return piece{}, false
	}
	return piece{text: text, stream: stream, time: at, more: tag == "P"}, true
}
