package date

import (
	"fmt"
	"strings"
	"time"
)

// abbreviations are the zone names fail2ban knows, by their offset from UTC in minutes: a fixed
// offset each, without daylight saving (§2.8; observed on 1.0.2 by asking it for every name of
// one to five letters). Single letters are the military zones.
func abbreviation(name string) (minutes int, ok bool) {
	if len(name) == 0 || len(name) > 4 {
		return 0, false
	}
	for _, z := range [...]struct {
		minutes int
		names   string
	}{
		{0, "Z GMT UTC WET EGST"},
		{60, "A CET DFT WAT WEDT WEST"},
		{120, "B CAT EET CEDT CEST SAST WAST"},
		{180, "C EAT IDT MSK EEDT EEST"},
		{210, "IRST"},
		{240, "D AMT AZT GET GST MSD MUT RET SCT KUYT SAMT"},
		{270, "AFT IRDT"},
		{300, "E HMT MVT PKT TFT TJT TMT UZT AMST AQTT AZST MAWT YEKT"},
		{330, "SLT"},
		{345, "NPT"},
		{360, "F BTT IOT KGT ALMT BIOT NOVT OMST"},
		{390, "CCT MMT"},
		{420, "G CXT ICT THA WIB DAVT HOVT KRAT"},
		{480, "H ACT BDT BNT HKT MYT PHT SGT WST AWST CAST IRKT ULAT WITA"},
		{540, "I JST KST PWT TLT WDT WIT AWDT YAKT"},
		{570, "ACST"},
		{600, "K PGT AEST VLAT YAPT"},
		{630, "ACDT LHST"},
		{660, "L NCT SBT VUT AEDT LHDT MAGT PONT"},
		{690, "NFT"},
		{720, "M FJT MHT TVT WFT ANAT GILT NZST PETT"},
		{780, "FJST NZDT"},
		{-60, "N CVT EGT AZOT"},
		{-120, "O FNT BRST PMDT UYST WGST"},
		{-150, "HAT NDT"},
		{-180, "P ADT ART BRT GFT HAA SRT UYT WGT CLST FKST PMST PYST"},
		{-210, "HNT NST"},
		{-240, "Q AST BOT CLT EDT FKT GYT HAE HNA PYT COST"},
		{-270, "HLV VET"},
		{-300, "R CDT COT ECT EST HAC HNE PET"},
		{-360, "S CST HAR HNC MDT EAST GALT"},
		{-420, "T HAP HNR MST PDT"},
		{-480, "U HAY HNP PST AKDT CIST"},
		{-540, "V GIT HNY AKST GAMT HADT"},
		{-570, "MIT MART"},
		{-600, "W CKT HST TKT HAST TAHT"},
		{-660, "X NUT SST"},
		{-720, "Y"},
	} {
		at := strings.Index(" "+z.names+" ", " "+name+" ")
		if at >= 0 {
			return z.minutes, true
		}
	}
	return 0, false
}

// zoneOffset reads `Z`, an abbreviation, `±HH[[:]MM]`, or an abbreviation with an offset added,
// in seconds east of UTC.
func zoneOffset(text string) (seconds int, ok bool) {
	at := strings.IndexAny(text, "+-")
	if at < 0 {
		at = len(text)
	}
	base := 0
	if at > 0 {
		if base, ok = abbreviation(text[:at]); !ok {
			return 0, false
		}
	}
	if at == len(text) {
		return base * 60, at > 0
	}
	minutes, ok := offsetMinutes(text[at:])
	return (base + minutes) * 60, ok
}

// offsetMinutes reads `±HH`, `±HHMM` and `±HH:MM` with HH below 20.
func offsetMinutes(text string) (minutes int, ok bool) {
	if len(text) < 3 || text[1] > '1' {
		return 0, false
	}
	hours, rest := two(text[1], text[2]), text[3:]
	if len(rest) == 3 && rest[0] == ':' {
		rest = rest[1:]
	}
	switch {
	case len(rest) == 2:
		minutes = two(rest[0], rest[1])
	case rest != "":
		return 0, false
	}
	if hours > 99 || minutes > 99 {
		return 0, false
	}
	minutes += 60 * hours
	if text[0] == '-' {
		minutes = -minutes
	}
	return minutes, true
}

// ParseZone reads the jail option logtimezone: `Z`, `UTC`, an abbreviation of fail2ban's table
// (a fixed offset, no daylight saving), `±HH[[:]MM]`, or an abbreviation with an offset (§2.8).
// IANA names such as Europe/Berlin are refused, as fail2ban refuses them. "" is nil: local time.
func ParseZone(logtimezone string) (*time.Location, error) {
	if logtimezone == "" {
		return nil, nil
	}
	seconds, ok := zoneOffset(logtimezone)
	if !ok {
		return nil, fmt.Errorf("read time zone %q: expected Z, UTC, an abbreviation such as CET, or an offset such as +0100 or UTC+01:00", logtimezone)
	}
	return time.FixedZone(logtimezone, seconds), nil
}
