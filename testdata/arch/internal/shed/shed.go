// Package shed is a room that the table does not know.
package shed
