package gate

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// File is a list of the banned that is kept for a server.
type File struct {
	Path   string
	Format Format
}

// Format is how a line of a File is written.
type Format string

// The formats: an address or a network a line, for acl files of HAProxy and the like; nginx's
// deny directives; lines of nginx's geo.
const (
	Plain Format = "plain"
	Deny  Format = "nginx"
	Geo   Format = "geo"
)

// Formats are all of them.
func Formats() []Format { return []Format{Plain, Deny, Geo} }

func (f Format) line(p netip.Prefix) string {
	text := p.String()
	if p.IsSingleIP() {
		text = p.Addr().String()
	}
	switch f {
	case Deny:
		return "deny " + text + ";\n"
	case Geo:
		return text + " 1;\n"
	default:
		return text + "\n"
	}
}

// commandLimit is how long the command behind a change may take.
const commandLimit = 30 * time.Second

// keepFiles writes the files anew when the bans have changed, at most once in settleEvery.
func (g *Gate) keepFiles(ctx context.Context) {
	timer := time.NewTimer(0)
	<-timer.C
	for {
		select {
		case <-g.dirty:
		case <-ctx.Done():
			return
		}
		g.writeFiles(ctx)
		timer.Reset(settleEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

func (g *Gate) writeFiles(ctx context.Context) {
	list := g.bans.all(g.o.Now())
	slices.SortFunc(list, netip.Prefix.Compare)
	changed := false
	for _, f := range g.o.Files {
		text := []byte("# kept by gaol: who is banned now\n")
		for _, p := range list {
			text = append(text, f.Format.line(p)...)
		}
		if old, err := os.ReadFile(f.Path); err == nil && bytes.Equal(old, text) {
			continue
		}
		if err := replaceFile(f.Path, text); err != nil {
			g.o.Told("a deny file cannot be written", err)
			continue
		}
		changed = true
	}
	if changed && g.o.Command != "" {
		g.run(ctx)
	}
}

// replaceFile writes a file so that who reads it sees the old or the new one, never a half.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// run has the server read its files again. The command is the administrator's; nothing of a log is
// in it.
func (g *Gate) run(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	out, err := exec.CommandContext(within, "/bin/sh", "-c", g.o.Command).CombinedOutput()
	if err != nil && ctx.Err() == nil {
		g.o.Told("deny_command failed", fmt.Errorf("%s: %w: %s", g.o.Command, err, clip(string(out))))
	}
}
