package web

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"

	"gaol/internal/event"
)

// geo tells the country of an address from a database on this machine; nil knows none.
type geo struct {
	db   *maxminddb.Reader
	fail string // why there is none although one is configured
}

func openGeo(path string) *geo {
	if path == "" {
		return nil
	}
	db, err := maxminddb.Open(path)
	if err != nil {
		return &geo{fail: "the database of countries cannot be read: " + err.Error()}
	}
	return &geo{db: db}
}

func (g *geo) close() {
	if g != nil && g.db != nil {
		_ = g.db.Close()
	}
}

// problem is what is wrong with the database; "" where nothing is.
func (g *geo) problem() string {
	if g == nil {
		return ""
	}
	return g.fail
}

// country is the two letters of ISO 3166 for an address or a network, as GeoLite2's databases
// ("country.iso_code") and the flat ones ("country_code") have it; "" where it is not known.
func (g *geo) country(id string) string {
	if g == nil || g.db == nil {
		return ""
	}
	addr, err := netip.ParseAddr(id)
	if err != nil {
		p, err := netip.ParsePrefix(id)
		if err != nil {
			return ""
		}
		addr = p.Addr()
	}
	found := g.db.Lookup(addr)
	var code string
	if found.DecodePath(&code, "country", "iso_code") != nil || code == "" {
		if found.DecodePath(&code, "country_code") != nil {
			return ""
		}
	}
	return strings.ToUpper(code)
}

// countries adds offenders up by country.
func (g *geo) countries(all []event.Offender) (top []group) {
	if g == nil || g.db == nil {
		return nil
	}
	sums := map[string]*group{}
	for _, o := range all {
		code := cmp.Or(g.country(o.ID), "unknown")
		if sums[code] == nil {
			sums[code] = &group{ID: code}
		}
		sums[code].add(o)
	}
	for _, one := range sums {
		top = append(top, *one)
	}
	slices.SortFunc(top, func(a, b group) int {
		return cmp.Or(cmp.Compare(b.Addresses, a.Addresses), cmp.Compare(b.Bans, a.Bans), cmp.Compare(a.ID, b.ID))
	})
	return top[:min(len(top), shownOffenders)]
}
