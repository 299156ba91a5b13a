package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// watchBuffer is asked for as the size of the watching socket's buffer, in bytes: what does not
// fit costs a look at everything.
const watchBuffer = 2 << 20

// Watch tells each change of our table that was not made through n, within the transaction's
// own time, until ctx ends (nil) or its socket breaks. What it tells is for people: who did
// what. Its first word comes when it listens, so that a look at the table after it leaves no
// gap; it also speaks up when the kernel had to drop some of what it had to tell, which may
// then have been anything. An element whose timeout has run out is not told: the kernel says
// nothing about it (tested).
func (n *NFT) Watch(ctx context.Context, tell func(what string)) error {
	t := transcript{families: []byte{unix.NFPROTO_INET}, table: n.table.Name, own: &n.link.own, tell: tell}
	if err := t.watch(ctx, n.link.ns); err != nil {
		return fmt.Errorf("watch table inet %s: %w", n.table.Name, err)
	}
	return nil
}

// watch is Watch for the tables of a transcript, in the namespace ns or our own.
func (t *transcript) watch(ctx context.Context, ns *os.File) error {
	first := "the watch began"
	for {
		err := t.follow(ctx, ns, first)
		switch {
		case ctx.Err() != nil:
			return nil
		case !errors.Is(err, unix.ENOBUFS):
			return err
		}
		// Until it is read empty such a socket loses more without a word: a new one is opened,
		// and what happened before that is for a look at everything.
		first = "the kernel had more changes to tell than fit"
	}
}

// follow is watch on one socket. first is told as soon as it listens.
func (t *transcript) follow(ctx context.Context, ns *os.File, first string) error {
	config := &netlink.Config{}
	if ns != nil {
		config.NetNS = int(ns.Fd())
	}
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, config)
	if err != nil {
		return fmt.Errorf("open a netlink socket: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := conn.SetReadBuffer(watchBuffer); err != nil {
		return err
	}
	stop, err := t.own.spare(conn)
	if err != nil {
		return err
	}
	defer stop()
	if err := conn.JoinGroup(unix.NFNLGRP_NFTABLES); err != nil {
		return err
	}
	t.changes = nil
	t.tell(first)
	for {
		messages, err := conn.Receive()
		if err != nil {
			return err
		}
		for _, m := range messages {
			t.read(m)
		}
	}
}

// transcript gathers the changes of a transaction. The kernel tells them in their order and
// ends with the new generation of the ruleset, which names the process.
type transcript struct {
	families []byte
	table    string
	own      *ownPorts
	tell     func(string)
	changes  []string // kinds, in their order, without repetition
	counts   map[string]int
}

func (t *transcript) read(m netlink.Message) {
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES || t.own.has(m.Header.PID) {
		return
	}
	kind := uint8(m.Header.Type)
	if kind == unix.NFT_MSG_NEWGEN {
		t.end(m.Data)
		return
	}
	if what := kindText(kind); what != "" && t.ours(m.Data) {
		if t.changes == nil {
			t.counts = map[string]int{}
		}
		if t.counts[what] == 0 {
			t.changes = append(t.changes, what)
		}
		t.counts[what]++
	}
}

// ours says whether the message is about our table. After the 4 bytes of nfgenmsg, the first
// byte of which is the family, attribute 1 is the table's name in all of them
// (linux/netfilter/nf_tables.h).
func (t *transcript) ours(data []byte) bool {
	const tableName = 1
	if len(data) < 4 || !slices.Contains(t.families, data[0]) {
		return false
	}
	attrs, err := netlink.NewAttributeDecoder(data[4:])
	if err != nil {
		return false
	}
	for attrs.Next() {
		if attrs.Type() == tableName {
			return attrs.String() == t.table
		}
	}
	return false
}

// end tells the transaction, if it touched our table.
func (t *transcript) end(data []byte) {
	if len(t.changes) == 0 {
		return
	}
	var words []string
	for _, what := range t.changes {
		if n := t.counts[what]; n > 1 {
			what = fmt.Sprintf("%s (%d times)", what, n)
		}
		words = append(words, what)
	}
	t.changes = nil
	t.tell(author(data) + " " + strings.Join(words, ", "))
}

// author is the process of a transaction. Its name is chosen by itself and may hold anything.
func author(data []byte) string {
	const procPID, procName = 2, 3 // NFTA_GEN_PROC_PID, NFTA_GEN_PROC_NAME
	var pid uint32
	name := "a process"
	if len(data) < 4 {
		return name
	}
	attrs, err := netlink.NewAttributeDecoder(data[4:])
	if err != nil {
		return name
	}
	attrs.ByteOrder = binary.BigEndian
	for attrs.Next() {
		switch attrs.Type() {
		case procPID:
			pid = attrs.Uint32()
		case procName:
			name = strings.Map(printable, attrs.String())
		}
	}
	return fmt.Sprintf("%s (process %d)", name, pid)
}

func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return '?'
	}
	return r
}

// kindText is what a message of the kernel says, "" for those that are no change.
func kindText(kind uint8) string {
	switch kind {
	case unix.NFT_MSG_NEWTABLE:
		return "changed the table"
	case unix.NFT_MSG_DELTABLE:
		return "deleted the table"
	case unix.NFT_MSG_NEWCHAIN:
		return "changed a chain"
	case unix.NFT_MSG_DELCHAIN:
		return "deleted a chain"
	case unix.NFT_MSG_NEWRULE:
		return "added a rule"
	case unix.NFT_MSG_DELRULE:
		return "deleted a rule"
	case unix.NFT_MSG_NEWSET:
		return "added a set"
	case unix.NFT_MSG_DELSET:
		return "deleted a set"
	case unix.NFT_MSG_NEWSETELEM:
		return "added an element"
	case unix.NFT_MSG_DELSETELEM:
		return "deleted an element"
	}
	return ""
}
