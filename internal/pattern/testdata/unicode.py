"""What Python knows of every code point, as JSON: classes as lists of ranges, and for every
character that has a case the characters which it matches under IGNORECASE."""
import json
import re
import sys
import unicodedata


def ranges(test):
    out = []
    for c in range(sys.maxunicode + 1):
        if test(c):
            if out and out[-1][1] == c - 1:
                out[-1][1] = c
            else:
                out.append([c, c])
    return out


def has(expr):
    match = re.compile(expr).match
    return ranges(lambda c: match(chr(c)))


def cased(c):
    s = chr(c)
    return unicodedata.category(s) != "Cs" and (s.lower() != s or s.upper() != s or s.title() != s or s.casefold() != s)


letters = [c for c in range(sys.maxunicode + 1) if cased(c)]
hay = "".join(map(chr, letters))
fold = {c: re.findall("(?i)" + re.escape(chr(c)), hay) for c in letters}
print(json.dumps({
    "assigned": ranges(lambda c: unicodedata.category(chr(c)) not in ("Cn", "Cs")),
    "d": has(r"\d"), "s": has(r"\s"), "w": has(r"\w"), "asciis": has(r"(?a)\s"), "asciiw": has(r"(?a)\w"),
    "start": ranges(lambda c: chr(c).isidentifier()),
    "continue": ranges(lambda c: ("a" + chr(c)).isidentifier()),
    "letters": hay,
    "fold": {c: "".join(v) for c, v in fold.items()},
}))
