package jail

import (
	"container/heap"
	"time"
)

// timeline holds ids in the order of a time; equal times go by id, so that what leaves first
// does not depend on chance. The zero value is ready.
type timeline struct{ nodes nodes }

type node struct {
	at  time.Time
	id  string
	pos int
}

func (l *timeline) add(id string, at time.Time) *node {
	n := &node{at: at, id: id}
	heap.Push(&l.nodes, n)
	return n
}

func (l *timeline) move(n *node, at time.Time) {
	n.at = at
	heap.Fix(&l.nodes, n.pos)
}

func (l *timeline) drop(n *node) { heap.Remove(&l.nodes, n.pos) }

// first is the node with the earliest time; nil: the timeline is empty.
func (l *timeline) first() *node {
	if len(l.nodes) == 0 {
		return nil
	}
	return l.nodes[0]
}

// nodes implements heap.Interface.
type nodes []*node

func (s nodes) Len() int { return len(s) }

func (s nodes) Less(a, b int) bool {
	if s[a].at.Equal(s[b].at) {
		return s[a].id < s[b].id
	}
	return s[a].at.Before(s[b].at)
}

func (s nodes) Swap(a, b int) {
	s[a], s[b] = s[b], s[a]
	s[a].pos, s[b].pos = a, b
}

func (s *nodes) Push(x any) {
	n := x.(*node)
	n.pos = len(*s)
	*s = append(*s, n)
}

func (s *nodes) Pop() any {
	old := *s
	n := old[len(old)-1]
	old[len(old)-1] = nil
	*s = old[:len(old)-1]
	return n
}
