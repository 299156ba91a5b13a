package source

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"gaol/internal/event"
)

// maxReplay is how many pieces may come behind an unfinished line before it is handed out as it
// is. A program that ended in the middle of a line never finishes it.
const maxReplay = 4096

// maxCount is the most pieces that a mark may count; more is no mark of ours.
const maxCount = 1 << 20

// joiner makes lines of the pieces of a log, and says where reading goes on.
//
// Streams are interleaved, so complete lines may stand behind the first piece of a line that is
// not complete yet. A mark then lies in front of that piece and counts the pieces behind it
// that were taken in (its Cursor ends with "+N"). After a restart these N are taken in once
// more in silence: whose line was complete was handed out already, and the unfinished one is
// whole again. So nothing is lost and nothing comes twice, wherever the kill hits.
type joiner struct {
	open   []*openLine // unfinished lines, the oldest first; at most one for each stream
	taken  int
	replay int // pieces that are still to be taken in in silence
}

type openLine struct {
	stream string
	text   []byte
	over   bool
	time   time.Time
	at     event.Mark // in front of its first piece
	index  int        // pieces taken in before it
}

// take takes the next piece in and gives the lines that it completes, in order. at is the
// mark in front of it.
func (j *joiner) take(p piece, at event.Mark, arrived time.Time, emit func(event.Line, bool)) {
	silent := j.replay > 0
	if silent {
		j.replay--
		emit = func(event.Line, bool) {}
	}
	o := j.of(p.stream)
	if o != nil && p.sameTime && !p.time.Equal(o.time) {
		j.end(o, arrived, emit)
		o = nil
	}
	if o == nil {
		o = &openLine{stream: p.stream, time: p.time, at: at, index: j.taken}
		j.open = append(j.open, o)
	}
	j.taken++
	text := p.text
	if room := event.MaxLine - len(o.text); len(text) > room {
		text, o.over = text[:room], true
	}
	o.text = append(o.text, text...)
	if !p.more {
		j.end(o, arrived, emit)
	}
	if len(j.open) > 0 && j.taken-j.open[0].index > maxReplay {
		j.end(j.open[0], arrived, emit)
	}
}

func (j *joiner) of(stream string) *openLine {
	for _, o := range j.open {
		if o.stream == stream {
			return o
		}
	}
	return nil
}

// end hands an open line out. A line end inside it, which no driver leaves there, would make
// one line of the filter two.
func (j *joiner) end(o *openLine, arrived time.Time, emit func(event.Line, bool)) {
	j.open = slices.DeleteFunc(j.open, func(x *openLine) bool { return x == o })
	text := strings.TrimRight(string(o.text), "\r\n")
	text = strings.ReplaceAll(text, "\n", `\n`)
	if len(text) > event.MaxLine {
		text, o.over = text[:event.MaxLine], true
	}
	emit(event.Line{Text: text, Taken: o.time, Arrived: arrived}, o.over)
}

// mark is where reading goes on, end being the mark behind the last piece.
func (j *joiner) mark(end event.Mark) event.Mark {
	if len(j.open) == 0 {
		return withReplay(end, j.replay)
	}
	m := j.open[0].at
	return withReplay(m, j.taken-j.open[0].index+j.replay)
}

// withReplay writes how many pieces behind a mark were taken in already.
func withReplay(m event.Mark, n int) event.Mark {
	m.Cursor, _, _ = strings.Cut(m.Cursor, "+")
	if n > 0 {
		m.Cursor += "+" + strconv.Itoa(n)
	}
	return m
}

// replayOf takes that number off again.
func replayOf(m event.Mark) (event.Mark, int) {
	cursor, count, _ := strings.Cut(m.Cursor, "+")
	m.Cursor = cursor
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxCount {
		return m, 0
	}
	return m, n
}
