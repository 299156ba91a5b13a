"""What Python knows of every code point, as JSON: classes as lists of ranges, and for every
character that has a case the characters which it matches under IGNORECASE."""
import json
import re
import sys
import unicodedata


everything = [c for c in range(sys.maxunicode + 1) if unicodedata.category(chr(c)) != "Cs"]
text = "".join(map(chr, everything))


def ranges(codes):
    out = []
    for c in codes:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def has(expr):
    return ranges(map(ord, re.findall(expr, text)))


def cased(c):
    s = chr(c)
    return s.lower() != s or s.upper() != s or s.title() != s or s.casefold() != s


letters = [c for c in everything if cased(c)]
hay = "".join(map(chr, letters))
fold = {c: re.findall("(?i)" + re.escape(chr(c)), hay) for c in letters}
print(json.dumps({
    "assigned": ranges(c for c in everything if unicodedata.category(chr(c)) != "Cn"),
    "d": has(r"\d"), "s": has(r"\s"), "w": has(r"\w"), "asciis": has(r"(?a)\s"), "asciiw": has(r"(?a)\w"),
    "start": ranges(c for c in everything if chr(c).isidentifier()),
    "continue": ranges(c for c in everything if ("a" + chr(c)).isidentifier()),
    "letters": hay,
    "fold": {c: "".join(v) for c, v in fold.items()},
}))
