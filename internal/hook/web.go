package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"gaol/internal/event"
)

// Web posts bundles as JSON to a URL:
//
//	{"host": "jumps", "title": "2 ban", "more": 0, "events": [...]}
//
// where events are as `gaol events --json` prints them. Any status below 300 is taken for done;
// of 4xx it is not tried again, but for 408 and 429.
type Web struct {
	URL    string
	Secret string // goes along as "Authorization: Bearer SECRET"; empty: none
	Client *http.Client
}

// Name is the host alone: a path may hold a secret.
func (w Web) Name() string {
	u, err := url.Parse(w.URL)
	if err != nil {
		return "web hook"
	}
	return "web hook " + u.Host
}

// Send posts a bundle.
func (w Web) Send(ctx context.Context, b Bundle) error {
	body, err := json.Marshal(struct {
		Host   string            `json:"host"`
		Title  string            `json:"title"`
		More   int               `json:"more"`
		Events []event.Happening `json:"events"`
	}{b.Host, b.Title, b.More, b.Items})
	if err != nil {
		return &finalError{fmt.Errorf("write JSON: %w", err)}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return &finalError{fmt.Errorf("ask %s: %w", w.Name(), err)}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "gaol")
	if w.Secret != "" {
		r.Header.Set("Authorization", "Bearer "+w.Secret)
	}
	res, err := w.Client.Do(r)
	if err != nil {
		return withoutURL(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be kept
	switch {
	case res.StatusCode < 300:
		return nil
	case res.StatusCode >= 500, res.StatusCode == http.StatusRequestTimeout, res.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("it answered %s", res.Status)
	}
	return &finalError{fmt.Errorf("it answered %s", res.Status)}
}

// withoutURL is an error of net/http without the URL, whose path may be a secret.
func withoutURL(err error) error {
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // net/http documents that it is one
		return u.Err
	}
	return err
}
