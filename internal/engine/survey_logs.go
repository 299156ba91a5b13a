package engine

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"gaol/internal/config"
	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/filter"
	"gaol/internal/host"
)

// tailSize is how much of a log's end is looked at.
const tailSize = 256 << 10

// logs looks whom the last failures in a jail's logs name, and whether their stamps are of this
// machine's time zone.
func (w *world) logs(j config.Jail) (found []config.Problem) {
	if strings.HasPrefix(j.Backend, "systemd") || len(j.LogPath) == 0 {
		return nil
	}
	p, err := makePlan(j, host.NewResolver(), w.at.Year())
	if err != nil {
		return nil // told as why the jail does not run
	}
	read := 0
	for _, path := range logFiles(j) {
		lines, written, err := lastLines(path)
		if err != nil {
			continue
		}
		read++
		found = append(found, w.log(p, path, lines, written)...)
	}
	if read == 0 && !strings.HasPrefix(j.LogPath[0], insideContainer) {
		glob, _, _ := strings.Cut(j.LogPath[0], " ")
		found = append(found, warning(j, j.Where("logpath"), "write the path of a log, or start the service that writes it",
			"no file is at logpath %s: jail %s waits for it and bans nobody", glob, j.Name))
	}
	return found
}

// lastLines are the whole lines at a file's end, and when it was last written.
func lastLines(path string) (lines []string, written time.Time, err error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil, written, fmt.Errorf("read log %s: %w", path, os.ErrInvalid)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, written, fmt.Errorf("read log: %w", err)
	}
	defer f.Close()
	from := max(0, info.Size()-tailSize)
	text, err := io.ReadAll(io.NewSectionReader(f, from, tailSize))
	if err != nil {
		return nil, written, fmt.Errorf("read log: %w", err)
	}
	lines = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if from > 0 {
		lines = lines[1:]
	}
	return lines, info.ModTime(), nil
}

// log judges the end of one log.
func (w *world) log(p *plan, path string, lines []string, written time.Time) (found []config.Problem) {
	c := date.Cutter{Detector: date.NewDetector(p.dates), Lenient: true, Decode: p.decode}
	f := filter.New(p.program)
	ids, why, last := map[string]int{}, "", time.Time{}
	failures := 0
	for _, text := range lines {
		e, ok := c.Cut(event.Line{Text: text}, path, w.at.Add(24*time.Hour)) // a stamp ahead of us is shown as it is
		if !ok || text == "" {
			continue
		}
		last = time.Time{}
		if e.Stamp != "" && !c.Zoned {
			last = e.Time
		}
		got, _ := f.Feed(e, w.at.Add(24*time.Hour))
		for _, one := range got {
			failures++
			ids[one.ID]++
		}
	}
	for id := range ids {
		var spared bool
		if why, spared = w.sparedBecause(id); !spared {
			return append(found, w.skew(p.conf, path, last, written)...)
		}
	}
	if len(ids) == 1 && failures >= p.conf.MaxRetry {
		for id := range ids {
			found = append(found, warning(p.conf, p.conf.Where("logpath"), "get the clients' own addresses into the log; docs/never-banned.md says how",
				"the last %d failures in %s are all of %s, and nobody bans it: %s", failures, path, id, why))
		}
	}
	return append(found, w.skew(p.conf, path, last, written)...)
}

// skew: the last line's stamp is away from the time it was written at by what time zones differ by.
func (w *world) skew(j config.Jail, path string, stamp, written time.Time) []config.Problem {
	const zone, exact, most = 30 * time.Minute, 30 * time.Second, 14 * time.Hour
	off := stamp.Sub(written)
	whole := off.Round(zone)
	if stamp.IsZero() || whole == 0 || off.Abs() > most || (off-whole).Abs() > exact || w.at.Sub(written) > 24*time.Hour {
		return nil
	}
	_, assumed := stamp.Zone()
	behind, sign := time.Duration(assumed)*time.Second+whole, "+"
	if behind < 0 {
		behind, sign = -behind, "-"
	}
	direction := "ahead of"
	if whole < 0 {
		direction = "behind"
	}
	return []config.Problem{warning(j, j.Where("logpath"), fmt.Sprintf("write `logtimezone = UTC%s%02d%02d`, or give the container this machine's zone (-e TZ=..., or mount /etc/localtime)",
		sign, int(behind.Hours()), int(behind.Minutes())%60),
		"the last stamp in %s is %s %s the time it was written: its writer lives in another time zone, and jail %s takes its lines for old or for future ones", path, showHours(whole.Abs()), direction, j.Name)}
}

// showHours is "8h" or "5h30m".
func showHours(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
}
