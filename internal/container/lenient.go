package container

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/moby/moby/client"
)

// conn is a client of the engine whose answers can be read leniently.
type conn struct {
	*client.Client
	lenient *lenient
}

// Close ends the connections that are idle.
func (c *conn) Close() error {
	c.lenient.CloseIdleConnections()
	return c.Client.Close()
}

// lenient is a transport that, once it is told to, empties what stands for an address in an
// engine's answer and is none: the client's types refuse the whole answer for it, which would
// lose all containers for one.
type lenient struct {
	http.Transport

	mu      sync.Mutex
	on      bool
	emptied []string
}

func newLenient(socket string) *lenient {
	return &lenient{Transport: http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
}

// turn switches leniency, and returns what was emptied until now.
func (l *lenient) turn(on bool) (emptied []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	emptied, l.emptied = l.emptied, nil
	l.on = on
	return emptied
}

// RoundTrip implements http.RoundTripper.
func (l *lenient) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.Transport.RoundTrip(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || !l.on || !strings.HasSuffix(r.URL.Path, "/json") && !strings.HasSuffix(r.URL.Path, "/networks") {
		return resp, err
	}
	text, err := io.ReadAll(resp.Body)
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	in := json.NewDecoder(bytes.NewReader(text))
	in.UseNumber()
	var answer any
	if in.Decode(&answer) == nil {
		answer = l.empty("", answer)
		if mended, err := json.Marshal(answer); err == nil {
			text = mended
		}
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return resp, nil
}

// empty goes through an answer; key is the name of the value, or of the list that it is in.
func (l *lenient) empty(key string, value any) any {
	addresses := []string{"IPAddress", "Gateway", "GlobalIPv6Address", "IPv6Gateway", "HostIp", "IP", "IPv4Address", "IPv6Address", "LinkLocalIPs", "Dns"}
	switch v := value.(type) {
	case map[string]any:
		for k := range v {
			v[k] = l.empty(k, v[k])
		}
	case []any:
		for i := range v {
			v[i] = l.empty(key, v[i])
		}
	case string:
		_, noAddr := netip.ParseAddr(v)
		_, noPrefix := netip.ParsePrefix(v)
		if v != "" && (noAddr != nil && slices.Contains(addresses, key) || noPrefix != nil && (key == "Subnet" || key == "IPRange")) {
			l.emptied = append(l.emptied, fmt.Sprintf("%s %q", key, v))
			return ""
		}
	}
	return value
}

// closing is a stream that closes its client with itself.
type closing struct {
	io.ReadCloser
	client io.Closer
}

func (s closing) Close() error {
	err := s.ReadCloser.Close()
	if closed := s.client.Close(); err == nil {
		err = closed
	}
	return err
}
