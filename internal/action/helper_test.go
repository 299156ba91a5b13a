package action

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"gaol/internal/event"
)

// recorder stands in for the shell: it notes commands and lets those fail that match.
type recorder struct {
	ran     []event.Command
	failing []string
}

func (r *recorder) run(_ context.Context, c event.Command, _ time.Duration) (string, error) {
	r.ran = append(r.ran, c)
	for _, f := range r.failing {
		if regexp.MustCompile(f).MatchString(c.Script) {
			return "", errors.New("told to fail")
		}
	}
	return "", nil
}

// journal keeps intents in memory, as the store keeps them on disk.
type journal struct {
	mu   sync.Mutex
	last int64
	rows []event.Intent
}

func (j *journal) Intend(_ context.Context, i event.Intent) (int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	i.ID = j.last
	j.rows = append(j.rows, i)
	return i.ID, nil
}

func (j *journal) Ran(_ context.Context, id int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for n := range j.rows {
		if j.rows[n].ID == id {
			j.rows[n].Ran = true
			return nil
		}
	}
	return errors.New("no such intent")
}

func (j *journal) Done(_ context.Context, ids ...int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rows = slices.DeleteFunc(j.rows, func(i event.Intent) bool { return slices.Contains(ids, i.ID) })
	return nil
}

func newAction(t *testing.T, props map[string]string, o Options) *Action {
	t.Helper()
	a, err := New(Spec{Jail: "sshd", Name: "act", Props: props, BanTime: 600 * time.Second}, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func ban(id string) event.Ban {
	start := time.Unix(1700000000, 0)
	return event.Ban{Jail: "sshd", ID: id, Start: start, End: start.Add(600 * time.Second)}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
