// Command gaol watches logs, finds the clients that attack and closes the ports to them.
package main

import (
	"os"

	"gaol/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr)) }
