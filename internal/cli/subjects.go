package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gaol/internal/config"
	"gaol/internal/container"
	"gaol/internal/firewall"
)

// subjects holds each jail's container against the live engine: which ports it has, and what is
// closed. What is no fault comes as notes.
func subjects(ctx context.Context, conf *config.Config) (found []config.Problem, notes []string, err error) {
	asks := func(j config.Jail) bool { return j.Container != "" && !j.Broken }
	if !slices.ContainsFunc(conf.Jails, asks) {
		return nil, nil, nil
	}
	w, err := container.Watch(ctx, container.Options{Sockets: strings.Fields(conf.Global.Own.ContainerSocket)})
	if err != nil {
		return nil, nil, err
	}
	now := w.Now()
	if err := w.Close(); err != nil || now.Engine == "" {
		return nil, nil, fmt.Errorf("jails with `container` were not compared with containers: %w", now.Err)
	}
	for _, j := range conf.Jails {
		ref, err := container.ParseRef(j.Container)
		if !asks(j) || err != nil { // a container that cannot be read is reported as why the jail does not run
			continue
		}
		native := false
		for _, a := range j.Actions {
			if native = native || a.Native; a.Native {
				more, said := subject(now, j, a, ref)
				found, notes = append(found, more...), append(notes, said...)
			}
		}
		if !native && len(j.Actions) > 0 {
			found = append(found, config.Problem{Pos: j.Where("container"), Severity: config.Warning, Jail: j.Name,
				Msg: "`container` says nothing to action " + j.Actions[0].Name + "; it bans by the port and chain that it is given", Hint: "write `banaction = gaol`"})
		}
	}
	return found, notes, nil
}

func subject(now container.Snapshot, j config.Jail, a config.Action, ref container.Ref) (found []config.Problem, notes []string) {
	var wanted container.Wanted
	ranges, err := firewall.ParsePorts(prop(a, "port"))
	if err != nil {
		return nil, nil // reported as why the jail does not run
	}
	if wanted.Protocols, err = firewall.ParseProtocols(prop(a, "protocol")); err != nil {
		return nil, nil
	}
	for _, r := range ranges {
		wanted.Ports = append(wanted.Ports, container.Range(r))
	}
	closes, err := container.Resolve(now, ref, wanted)
	if err != nil {
		found = append(found, config.Problem{Pos: j.Where("port"), Severity: config.Error, Jail: j.Name,
			Msg: "this ban will not bite: " + err.Error(), Hint: "write the port that clients dial, or the container's own"})
	}
	for _, n := range closes.Notes {
		notes = append(notes, fmt.Sprintf("%s: jail %s: %s", j.Where("container"), j.Name, n))
	}
	return found, notes
}
