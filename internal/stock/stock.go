// Package stock holds gaol's own configuration: jails, filters and actions in fail2ban's
// dialect and under its names, in our own words. It is the configuration of a machine that
// has none, and what a directory without jail.conf is layered on.
package stock

import (
	"embed"
	"io/fs"
)

//go:embed all:tree
var tree embed.FS

// FS is the tree, with jail.conf at its root.
func FS() fs.FS {
	sub, err := fs.Sub(tree, "tree")
	if err != nil {
		panic("stock: the embedded tree is not where it was built: " + err.Error())
	}
	return sub
}
