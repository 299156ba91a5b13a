"""Extracts from the installed fail2ban what its regexes are and what they are run on.

Its own readers read every filter with every option set that its sample logs name, every mode,
and the log types; its own filter class runs over the sample logs. The classes are called, with
Regex.search replaced by one that also notes what it is called with. Output: one JSON value
{"regexes": [{"p": expression, "m": MULTILINE, "k": [kinds], "f": [filters with options]}], "texts": [...],
 "natural": [[regex, text], ...], "sources": [{"from": expression with tags, "to": expanded}],
 "errors": [...]}.
"""
import glob
import json
import logging
import os
import re
import sys
import warnings

warnings.simplefilter("ignore")
import fail2ban
from fail2ban.client.filterreader import FilterReader
from fail2ban.server import failregex
from fail2ban.server.filter import FileContainer, Filter
from fail2ban.tests import utils

CONFIG = "/etc/fail2ban"
TESTS = os.path.join(os.path.dirname(fail2ban.__file__), "tests")
LOGS = os.path.join(TESTS, "files", "logs")
MARKS = re.compile(r"^#+ ?(failJSON|(?:file|filter)Options|addFILE):(.+)$")

regexes, texts, natural, sources, errors = {}, {}, set(), {}, []


def note(regex, kind=None, origin=None):
    multiline = bool(regex._regexObj.flags & re.MULTILINE)
    entry = regexes.setdefault((regex._regex, multiline), {"id": len(regexes), "kinds": set(), "from": set()})
    if kind:
        entry["kinds"].add(kind)
        entry["from"].add(origin)
    return entry["id"]


original = failregex.Regex.search


def search(self, lines, orgLines=None):
    text = lines if isinstance(lines, str) else failregex.Regex._tupleLinesBuf(lines)
    natural.add((note(self), texts.setdefault(text, len(texts))))
    return original(self, lines, orgLines)


failregex.Regex.search = search


def make(name, basedir, options):
    origin = name + (str(options) if options else "")
    flt = Filter(None)
    flt.returnRawHost, flt.checkAllRegex, flt.checkFindTime, flt.active = True, True, False, True
    reader = FilterReader(name, "jail", dict(options), basedir=basedir)
    reader.read()
    reader.getOptions({})
    setters = {"prefregex": lambda v: setattr(flt, "prefRegex", v), "addfailregex": flt.addFailRegex,
               "addignoreregex": flt.addIgnoreRegex, "maxlines": flt.setMaxLines, "datepattern": flt.setDatePattern}
    for command in reader.convert():
        for value in command[3] if command[0] == "multi-set" else [command[3]]:
            if command[2] in setters:
                setters[command[2]](value)
            if command[2] in ("prefregex", "addfailregex", "addignoreregex"):
                sources[value] = failregex.Regex(value)._regex
    if flt._Filter__prefRegex:
        note(flt._Filter__prefRegex, "prefregex", origin)
    for kind, made in (("failregex", flt._Filter__failRegex), ("ignoreregex", flt._Filter__ignoreRegex)):
        for regex in made:
            note(regex, kind, origin)
    return flt


made = {}


def filter_of(name, basedir, options):
    key = (name, basedir, tuple(sorted(options.items())))
    if key not in made:
        try:
            made[key] = make(name, basedir, options)
        except Exception as e:  # a mode that the filter does not have, for one
            errors.append("%s%s: %s" % (name, options, str(e).split("\n")[0]))
            made[key] = None
    return made[key]


def option_sets(name, text):
    yield {}
    if re.search(r"<mode>|%\(mode\)", text):
        known = {"normal", "ddos", "extra", "aggressive", "more", "auth", "errors", "rbl"}
        known.update(re.findall(r"(?:mdre|mdpr|_mode|authre|failre|cmnfailre)-([a-z]+)", text))
        for mode in sorted(known):
            yield {"mode": mode}
    if name == "sshd":
        for mode in ("normal", "ddos", "extra", "aggressive"):
            for publickey in ("nofail", "invalid", "any", "ignore"):
                for logtype in ("file", "short", "journal", "rfc5424"):
                    yield {"mode": mode, "publickey": publickey, "logtype": logtype}
    if re.search(r"common\.conf|__prefix_line", text):
        yield {"logtype": "short"}
        yield {"logtype": "rfc5424"}


def run(flt, options, line):
    if options.get("logtype") == "journal":
        prefix = options.get("test.prefix-line") or ""
        flt.processLine(("", "2005-08-14T09:59:59", prefix + line), utils.TEST_NOW)
    else:
        flt.processLine(line)


def tests_of(name, basedir, common, wanted):
    tests = []
    for options in wanted if isinstance(wanted, list) else [wanted]:
        options = {**common, **options}
        if options.get("test.condition") and not eval(options["test.condition"]):
            return None
        flt = filter_of(name, basedir, {k: v for k, v in options.items() if not k.startswith("test.")})
        if flt:
            tests.append((flt, options))
    return tests


def sample_log(name, basedir):
    files, common, tests, skip = [name], {}, None, False
    for file in files:
        path = os.path.join(LOGS, file)
        if not os.path.exists(path):
            continue
        log = FileContainer(path, "UTF-8", doOpen=True)
        log.waitForLineEnd = False
        lines = iter(log)
        for line in lines:
            mark = MARKS.match(line)
            if mark and mark.group(1) == "fileOptions":
                common = json.loads(mark.group(2))
                continue
            if mark and mark.group(1) == "filterOptions":
                tests = tests_of(name, basedir, common, json.loads(mark.group(2)))
                skip = tests is None
                continue
            if mark and mark.group(1) == "addFILE":
                files.append(json.loads(mark.group(2)))
                continue
            if mark:
                line = next(lines)
            elif line.startswith("#") or not line.strip():
                continue
            if skip:
                continue
            if not tests:
                flt = filter_of(name, basedir, {})
                tests = [(flt, {})] if flt else []
            for flt, options in tests:
                try:
                    run(flt, options, line.rstrip("\r\n"))
                except Exception as e:
                    errors.append("%s: %r on %r" % (name, e, line))


def main():
    logging.getLogger("fail2ban").setLevel(logging.CRITICAL)
    utils.setUpMyTime()
    for base in (CONFIG, os.path.join(TESTS, "config")):
        for path in sorted(glob.glob(base + "/filter.d/*.conf")):
            name = os.path.basename(path)[:-5]
            if name.endswith("common") or base != CONFIG and not name.startswith("zzz-"):
                continue
            with open(path) as f:
                text = f.read()
            for options in option_sets(name, text):
                filter_of(name, base, options)
            sample_log(name, base)
    json.dump({"regexes": [{"p": p, "m": m, "k": sorted(e["kinds"]), "f": sorted(e["from"])} for (p, m), e in regexes.items()],
               "texts": list(texts), "natural": sorted(natural),
               "sources": [{"from": k, "to": v} for k, v in sources.items()], "errors": errors}, sys.stdout)


main()
