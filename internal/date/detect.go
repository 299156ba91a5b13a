package date

import (
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"gaol/internal/pattern"
)

// Stamp is a timestamp found in a line.
type Stamp struct {
	Start, End int       // byte offsets of the text that is cut out
	Time       time.Time // whole seconds, unless the stamp is an epoch with a fraction
	OK         bool      // false: a template matched, but there is no such date
	Zoned      bool      // the stamp names its zone, or datepattern's zone is set
	Template   string    // name of the template
}

// Hit says how often a template was the one.
type Hit struct {
	Name  string
	Count int
}

// entry is a template as one detector has come to know it.
type entry struct {
	*template
	hits     int
	distance int       // start of its last match
	lastUsed time.Time // by the clock of the lines' arrival
}

func (e *entry) rank() float64 { return float64(e.hits) * e.weight / float64(max(e.distance, 1)) }

// lacks reports that the template cannot match, or not where it would be taken. begin is what the
// line shows at its start, within up to where a match would be taken.
func (e *entry) lacks(begin, within shape, final bool) bool {
	if e.needs == 0 || final {
		return false
	}
	if e.anchored {
		return e.needs&begin == 0
	}
	return e.needs&within == 0
}

// found is one match of a template. Its place is counted in characters, as fail2ban counts.
type found struct {
	at         int // index of the template in the list
	start, end int // of the whole match
	from, to   int // bytes of the line that were searched
}

// Detector finds timestamps in the lines of one source and learns which template they are in
// (§2.7). It is not for concurrent use.
type Detector struct {
	zone *time.Location
	list []entry
	mem  pattern.Memory
	bare bool // no template needs a shape: lines are not looked at for them

	fields   fields  // of the line's timestamp
	searched found   // what spans belong to
	spans    []int32 // of the last search that matched

	last          int  // index of the template that was used last; -1: none
	start, end    int  // of its match, in characters
	before, after rune // the characters around it; -1: the line's ends

	civil    civil // of the line's timestamp, if a scanner read it
	calendar calendar
	day      day
}

// NewDetector starts one without memory.
func NewDetector(t *Templates) *Detector {
	d := &Detector{zone: t.zone, last: -1, start: 1, list: make([]entry, len(t.list))}
	d.bare = true
	for i := range t.list {
		d.list[i] = entry{template: t.list[i], distance: math.MaxInt32}
		d.bare = d.bare && t.list[i].needs == 0
	}
	return d
}

// Hits is how often each template was used, most used ones first as fail2ban orders them.
func (d *Detector) Hits() []Hit {
	hits := make([]Hit, len(d.list))
	for i := range d.list {
		hits[i] = Hit{Name: d.list[i].name, Count: d.list[i].hits}
	}
	return hits
}

// Find looks for the timestamp of a line. found is false where no template matches; a Stamp that
// is not OK names a date that does not exist. now is the line's arrival: it decides missing years
// and days, and its location is the machine's zone.
func (d *Detector) Find(text string, now time.Time) (s Stamp, matched bool) {
	matched = d.find(text, now, &s)
	return s, matched
}

// find is Find into a Stamp that is zero.
func (d *Detector) find(text string, now time.Time, s *Stamp) bool {
	if d.last >= 0 {
		// Steady state: the template of the last line, where it stood then.
		if e := &d.list[d.last]; e.scan != nil {
			if d.scanned(e, text, now, s) {
				e.hits++
				e.lastUsed = now
				return true
			}
		}
	}
	m, ok := d.match(text)
	if !ok {
		return false
	}
	t := d.list[m.at].template
	if m != d.searched {
		// Another template was tried after the one that is taken.
		if _, ok := d.search(m.at, text, m.from, m.to); !ok {
			return false
		}
	}
	d.fields = t.read(text, d.spans)
	start, end := int(d.spans[2*t.cut]), int(d.spans[2*t.cut+1])
	d.use(m, text, now)
	*s = d.stamp(t, start, end, now)
	return true
}

// scanned reads the timestamp with the scanner of the template that was used last, if it is where
// 0044 takes that template without another look.
func (d *Detector) scanned(e *entry, text string, now time.Time, s *Stamp) bool {
	from, to := 0, len(text)
	if e.anchored {
		if from = e.scan.begin(text); from < 0 {
			return false
		}
	} else if from, to = d.start, d.end; !d.samePlace(text) {
		return false
	}
	c := &d.civil
	size, ok := e.scan.read(text[from:to], &d.day, c)
	if !ok || !e.anchored && size != to-from {
		return false
	}
	d.calendar.set(now, d.zone)
	s.Start, s.End, s.Zoned, s.Template = from, from+size, c.zoned || d.zone != nil, e.name
	if s.Time, s.OK = c.time(&d.day, &d.calendar); !s.OK {
		f := c.fields()
		s.Time, s.OK = f.time(&d.calendar)
	}
	return true
}

// samePlace is place for lines that are ASCII up to there, where a character is a byte, and
// where the timestamp stands behind no word.
func (d *Detector) samePlace(text string) bool {
	if len(text) < d.end || d.start > 0 && (charAt(text, d.start-1) != nonWord || rune(text[d.start-1]) != d.before) {
		return false
	}
	if len(text) > d.end && rune(text[d.end]) != d.after || len(text) == d.end && d.after >= 0 {
		return false
	}
	for i := range d.end {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func (d *Detector) stamp(t *template, start, end int, now time.Time) Stamp {
	f := &d.fields
	d.calendar.set(now, d.zone)
	s := Stamp{Start: start, End: end, Template: t.name, Zoned: f.zoned || d.zone != nil || t.kind == fromTAI}
	s.Time, s.OK = f.time(&d.calendar)
	return s
}

// search runs one template over a part of the line. It sees what stands before the part, and takes
// the part's end for the line's.
func (d *Detector) search(at int, text string, from, to int) (found, bool) {
	d.searched.at = -1 // the spans are gone with the next search, match or not
	spans, err := d.list[at].search(&d.mem, text[:to], from)
	if err != nil || spans == nil {
		return found{}, false
	}
	d.spans = spans
	start := utf8.RuneCountInString(text[:spans[0]])
	d.searched = found{at: at, start: start, end: start + utf8.RuneCountInString(text[spans[0]:spans[1]]), from: from, to: to}
	return d.searched, true
}

// match chooses the template (0044, steps 1 and 2): the one that was used last, where it stands as
// in the last line, or the first of the list that fits well enough, or the leftmost.
func (d *Detector) match(text string) (best found, ok bool) {
	skip, begin := -1, everyShape
	if !d.bare {
		begin = shapes(text, 2)
	}
	if d.last >= 0 && !(d.list[d.last].anchored && d.list[d.last].lacks(begin, begin, false)) {
		from, to, alike := d.place(text)
		if !alike {
			from, to, skip = 0, len(text), d.last
		}
		best, ok = d.search(d.last, text, from, to)
		if ok && (len(d.list) == 1 || d.list[d.last].anchored || d.inPlace(best)) {
			return best, true
		}
	}
	within := everyShape
	if end := len(text); begin != everyShape {
		if ok && best.start > 0 {
			// What starts farther right is not taken, but for the last of the list.
			end = max(best.start-1, d.start)
		}
		within = shapes(text, end)
	}
	for i := range d.list {
		if i == skip || d.list[i].lacks(begin, within, i == len(d.list)-1) {
			continue
		}
		m, hit := d.search(i, text, 0, len(text))
		if !hit {
			continue
		}
		if d.final(m) {
			return m, true
		}
		if !ok || m.start < best.start {
			best, ok = m, true
		}
	}
	return best, ok
}

// place is where the last line's match stood, as bytes of this line, and whether the line is alike.
func (d *Detector) place(text string) (from, to int, alike bool) {
	if d.list[d.last].anchored {
		return 0, 0, false
	}
	from, in := byteOf(text, d.start)
	if !in {
		return 0, 0, false // nothing stands before the place, and d.before did
	}
	size, _ := byteOf(text[from:], d.end-d.start)
	to = from + size
	before, after := around(text, from, to)
	return from, to, before == d.before && after == d.after
}

// byteOf is where the character of the number n begins. Behind the text's end it is the end, and
// in is false.
func byteOf(text string, n int) (at int, in bool) {
	for ; n > 0 && at < len(text); n-- {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at, n <= 0
}

// around is the characters before and behind a part of the text, -1 at its ends.
func around(text string, from, to int) (before, after rune) {
	before, after = -1, -1
	if from > 0 {
		before, _ = utf8.DecodeLastRuneInString(text[:from])
	}
	if to < len(text) {
		after, _ = utf8.DecodeRuneInString(text[to:])
	}
	return before, after
}

func (d *Detector) inPlace(m found) bool { return m.start == d.start && m.end == d.end }

// final reports that nothing better needs to be looked for (0044, step 2).
func (d *Detector) final(m found) bool {
	t := &d.list[m.at]
	switch {
	case m.at == len(d.list)-1, t.anchored:
		return true
	case m.start == 0 && t.hits > 0 && d.list[m.at+1].hits == 0:
		return true
	}
	return m.start <= t.distance && m.start <= d.start
}

// use counts the match and moves the template up the list (0044, step 3).
func (d *Detector) use(m found, text string, now time.Time) {
	t, again := &d.list[m.at], m.at == d.last
	t.hits++
	t.distance, t.lastUsed = m.start, now
	d.last, d.start, d.end = m.at, m.start, m.end
	if !t.anchored {
		d.before, d.after = around(text, int(d.spans[0]), int(d.spans[1]))
	}
	if m.at > 0 && !again {
		d.bubble(m.at, now)
	}
}

// unusedFor is how long a template must not have been seen to lose its place.
const unusedFor = 300 * time.Second

// bubble moves a template that another was used before of up the list.
func (d *Detector) bubble(at int, now time.Time) {
	rank := d.list[at].rank()
	to := slices.IndexFunc(d.list, func(e entry) bool { return e.hits == 0 })
	if to < 0 || to > at {
		to = at / 2
	}
	if !d.yields(to, rank, now) {
		if to = at - 1; !d.yields(to, rank, now) {
			return
		}
	}
	e := d.list[at]
	copy(d.list[to+1:at+1], d.list[to:at])
	d.list[to] = e
	d.last = to
}

// yields reports whether the template there gives its place to one of the rank.
func (d *Detector) yields(at int, rank float64, now time.Time) bool {
	return rank > d.list[at].rank() || d.list[at].lastUsed.Before(now.Add(-unusedFor))
}
