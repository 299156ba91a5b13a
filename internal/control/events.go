package control

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"time"

	"gaol/internal/event"
)

// Events asks for what happens from now on, of one jail where Jail is set. It is no command of
// Daemon: its answer does not end. On the wire each event.Happening is one line of JSON:
//
//	curl -N --unix-socket /run/gaol/gaol.sock http://gaol/v1/events
type Events struct {
	Jail string `json:"jail,omitempty"`
}

func (Events) name() string { return "events" }

const eventsPath = "/v1/events"

// Teller is a Daemon that also tells what happens. The channel is closed when ctx ends; buffer is
// how many may wait to be read before the oldest are dropped, which an event.Missed tells.
type Teller interface {
	Subscribe(ctx context.Context, buffer int) <-chan event.Happening
}

const (
	streamBuffer = 4096             // happenings that wait for a client: a burst of bans
	streamWrite  = 10 * time.Second // a client that takes longer to read is let go
)

// stream writes what happens until the client leaves or the daemon ends.
func (h handler) stream(w http.ResponseWriter, r *http.Request) error {
	teller, ok := h.daemon.(Teller)
	if !ok {
		return &Error{Fault: Unknown, Msg: "this gaol does not tell events"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return &Error{Fault: Invalid, Msg: "read command: " + err.Error()}
	}
	c, err := decodeInto[Events](body)
	if err != nil {
		return err
	}
	jail := c.(Events).Jail
	if jail != "" { // a name that is none would be silence for ever
		if _, err := h.daemon.Do(r.Context(), Status{Jail: jail}); err != nil {
			return err
		}
	}
	ctl := http.NewResponseController(w)
	told := teller.Subscribe(r.Context(), streamBuffer)
	w.Header().Set("Content-Type", "application/jsonl")
	w.WriteHeader(http.StatusOK)
	enc := json.NewEncoder(w)
	for flush := true; ; {
		if flush { // the first time: the client learns that it is heard
			if err := ctl.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
				return nil
			}
			if ctl.Flush() != nil {
				return nil
			}
		}
		h, open := <-told
		if !open {
			return nil
		}
		if flush = concernsJail(h, jail); flush && enc.Encode(h) != nil {
			return nil
		}
		if h.What == event.Stopping {
			return nil
		}
	}
}

// concernsJail says whether who asked for one jail hears of h: what is the daemon's, everybody does.
func concernsJail(h event.Happening, jail string) bool {
	return jail == "" || h.Jail == "" || h.Jail == jail
}

// Events is what happens from now on. It ends with ctx, with the daemon (after an event.Stopping),
// or with an error, after which nothing comes.
func (c *Client) Events(ctx context.Context, ask Events) iter.Seq2[event.Happening, error] {
	return func(yield func(event.Happening, error) bool) {
		body, err := c.openEvents(ctx, ask)
		if err != nil {
			if ctx.Err() == nil {
				yield(event.Happening{}, err)
			}
			return
		}
		defer body.Close()
		for lines := json.NewDecoder(body); ; {
			var h event.Happening
			err := lines.Decode(&h)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				yield(h, &Error{Fault: Absent, Msg: "gaol on " + c.path + " ended without a word", Hint: "see whether it runs: gaol status"})
				return
			case !yield(h, nil) || h.What == event.Stopping:
				return
			}
		}
	}
}

func (c *Client) openEvents(ctx context.Context, ask Events) (io.ReadCloser, error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gaol"+eventsPath, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	endless := http.Client{Transport: c.http.Transport} // without the time limit
	resp, err := endless.Do(req)
	if err != nil {
		return nil, c.unreached(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var f failure
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxRequest)).Decode(&f); err != nil || f.Msg == "" {
		return nil, &Error{Fault: Failed, Msg: "what answers on " + c.path + " is not gaol (" + resp.Status + ")"}
	}
	return nil, &f.Error
}
