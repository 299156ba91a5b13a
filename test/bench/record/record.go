// Package record holds the figures of a benchmark and writes them, row by row, as a table into a
// document: a run that is stopped keeps what it has measured. Used by the benchmarks only.
package record

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Table is the text between <!-- NAME --> and <!-- end --> of a document: a paragraph on the
// machine, and rows. A row is known by its first cell.
type Table struct {
	path, name string
	about      func() string
	head       []string
	rows       [][]string
}

// Open begins a table in the document path; "" writes none. With keep the rows of an earlier run
// stay until they are measured anew. about is the paragraph above the rows.
func Open(path, name string, keep bool, about func() string, head ...string) (*Table, error) {
	t := &Table{path: path, name: name, about: sync.OnceValue(about), head: append(head, "measured")}
	if path == "" {
		return t, nil
	}
	_, block, _, err := t.split()
	if err != nil || !keep {
		return t, err
	}
	for n, l := range strings.Split(block, "\n") {
		cells := strings.Split(strings.Trim(l, "|"), "|")
		if !strings.HasPrefix(l, "|") || strings.HasPrefix(l, "|---") || len(cells) != len(t.head) {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if n > 0 && cells[0] != t.head[0] {
			t.rows = append(t.rows, cells)
		}
	}
	return t, nil
}

// split is the document around the table's text.
func (t *Table) split() (before, block, behind string, err error) {
	text, err := os.ReadFile(t.path)
	if err != nil {
		return "", "", "", err
	}
	open := "<!-- " + t.name + " -->\n"
	before, behind, ok := strings.Cut(string(text), open)
	block, behind, ended := strings.Cut(behind, "<!-- end -->")
	if !ok || !ended {
		return "", "", "", fmt.Errorf("%s has no %q with an <!-- end --> behind it", t.path, strings.TrimSpace(open))
	}
	return before + open, block, "<!-- end -->" + behind, nil
}

// Put takes a row in place of the one with the same first cell, or as the last, and writes the
// document. The last column is filled here: when, and how busy the machine was.
func (t *Table) Put(cells ...string) error {
	for i := range cells {
		cells[i] = strings.NewReplacer("|", "/", "\n", " ").Replace(cells[i])
	}
	cells = append(cells, fmt.Sprintf("%s, load %s", time.Now().Format("15:04"), load()))
	at := slices.IndexFunc(t.rows, func(row []string) bool { return row[0] == cells[0] })
	if at < 0 {
		t.rows = append(t.rows, cells)
	} else {
		t.rows[at] = cells
	}
	if t.path == "" {
		return nil
	}
	before, _, behind, err := t.split()
	if err != nil {
		return err
	}
	return replace(t.path, before+t.Text()+behind)
}

// Drop takes the row with this first cell out; the document loses it with the next Put.
func (t *Table) Drop(first string) {
	t.rows = slices.DeleteFunc(t.rows, func(row []string) bool { return row[0] == first })
}

// replace writes a file whole or not at all.
func replace(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".bench-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Text is the table as it stands.
func (t *Table) Text() string {
	var out strings.Builder
	out.WriteString(t.about() + "\n\n")
	row(&out, t.head)
	out.WriteString(strings.Repeat("|---", len(t.head)) + "|\n")
	for _, r := range t.rows {
		row(&out, r)
	}
	return out.String()
}

func row(out *strings.Builder, cells []string) {
	fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
}

// Samples are the runs of one figure.
type Samples []float64

// At is the sample below which that part of all lies; 0 without samples.
func (s Samples) At(part float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}

// Median is the middle one.
func (s Samples) Median() float64 { return s.At(0.5) }

// Range is minimum, median and maximum, and how many there are.
func (s Samples) Range() string {
	switch len(s) {
	case 0:
		return ""
	case 1:
		return "**" + Short(s[0]) + "**"
	}
	return fmt.Sprintf("%s / **%s** / %s (%d)", Short(s.At(0)), Short(s.Median()), Short(s.At(1)), len(s))
}

// Percentiles are p50, p99 and the maximum.
func (s Samples) Percentiles() string {
	if len(s) == 0 {
		return ""
	}
	return fmt.Sprintf("p50 **%s** p99 **%s** max %s (%d)", Short(s.Median()), Short(s.At(0.99)), Short(s.At(1)), len(s))
}

// Ratio is a by b, as 12.3x; empty where one of them is not known.
func Ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return ""
	}
	return Short(a/b) + "x"
}

// Short is a number with three digits that mean something.
func Short(v float64) string {
	if v == 0 {
		return "0"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	return fmt.Sprintf("%.*f", max(digits, 0), v)
}
