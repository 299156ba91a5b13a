package web

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"gaol/internal/event"
)

// countries writes a database with one network of each kind of record.
func countries(t *testing.T) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "test", IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, record := range map[string]mmdbtype.Map{
		"203.0.113.0/24":  {"country": mmdbtype.Map{"iso_code": mmdbtype.String("NL")}},
		"198.51.100.0/24": {"country_code": mmdbtype.String("at")},
		"2001:db8::/32":   {"country_code": mmdbtype.String("SE")},
	} {
		_, n, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(n, record); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "countries.mmdb")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCountriesComeFromTheDatabase(t *testing.T) {
	g := openGeo(countries(t))
	defer g.close()
	for id, want := range map[string]string{"203.0.113.66": "NL", "198.51.100.0/28": "AT", "2001:db8::1": "SE", "192.0.2.1": "", "no address": ""} {
		if got := g.country(id); got != want {
			t.Errorf("%s is in %q, want %q", id, got, want)
		}
	}
	top := g.countries([]event.Offender{{ID: "198.51.100.1", Bans: 1}, {ID: "198.51.100.2", Bans: 2, Now: true}, {ID: "203.0.113.66", Bans: 9}, {ID: "x"}})
	if len(top) != 3 || top[0] != (group{ID: "AT", Addresses: 2, Bans: 3, BannedNow: 1}) || top[1].ID != "NL" || top[2].ID != "unknown" {
		t.Errorf("%+v", top)
	}
	page := newVisit(t, Options{GeoIP: countries(t)}).login().ask("GET", "/", nil).Body.String()
	if !strings.Contains(page, "Countries") || !strings.Contains(page, ">NL<") {
		t.Error("the overview shows no countries")
	}
	if page := newVisit(t, Options{}).login().ask("GET", "/", nil).Body.String(); strings.Contains(page, "Countries") {
		t.Error("countries are shown without a database")
	}
	if page := newVisit(t, Options{GeoIP: "/none.mmdb"}).login().ask("GET", "/", nil).Body.String(); !strings.Contains(page, "the database of countries cannot be read") {
		t.Error("nothing is said of a database that is not there")
	}
}
