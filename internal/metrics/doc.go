// Package metrics says in Prometheus' words what the daemon's status says, under the names that
// dashboards of fail2ban know and under gaol's own, and counts what only the bus tells.
package metrics
