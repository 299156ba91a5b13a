"""fail2ban's own filters as an oracle: requests and answers are JSON values, one a line.

The first request is {"now": seconds, "dir": configuration, "lines": [text, ...], "limit": seconds};
it has no answer. Each other one names a filter, which is made anew and fed all the lines:
request  {"filter": name, "params": {...}, "run": whether to feed it, "lines": in place of the first's}
answer   {"spec": [option, value, ...], "found": [[line, [failure, ...]], ...], "hung": [line, ...],
         "broken": [[line, error], ...]}
"found" lists the lines that gave failures, "hung" those on which matching took more than the limit
of the processor's time, "broken" those that ended in an exception.
"""
import json
import logging
import os
import signal
import sys
import time

os.environ["TZ"] = "UTC"
time.tzset()
logging.disable(logging.CRITICAL)

from fail2ban.client.filterreader import FilterReader
from fail2ban.server.filter import Filter
from fail2ban.server.mytime import MyTime


class TooLong(Exception):
    pass


def too_long(signum, frame):
    raise TooLong


def read(directory, name, params):
    reader = FilterReader(name, name, params, basedir=directory)
    if not reader.read():
        raise ValueError("no filter " + name)
    reader.getOptions({})
    spec = []
    for command in reader.convert():
        if command[0] == "multi-set":
            for value in command[3]:
                spec += [command[2], value]
        else:
            spec += [command[2], command[3]]
    return spec


def make(spec):
    f = Filter(None)
    f.checkFindTime = False  # lines of all years, as fail2ban-regex has it
    f.setUseDns("raw")  # no questions to name servers
    for option, value in zip(spec[::2], spec[1::2]):
        if option == "prefregex":
            f.prefRegex = value
        elif option == "maxlines":
            f.setMaxLines(value)
        elif option == "datepattern":
            f.setDatePattern(value)
        elif option == "addfailregex":
            f.addFailRegex(value)
        elif option == "addignoreregex":
            f.addIgnoreRegex(value)
    return f


def text(value):
    return value if isinstance(value, str) else str(value)


def failure(found):
    rule, who, at, data = found
    if at is None:
        at = MyTime.time()  # a line without a timestamp
    fields = {k: text(v) for k, v in data.items() if v is not None and k not in ("matches", "ip")}
    return {"rule": rule, "id": str(who), "time": at, "fields": fields,
            "ip": str(data["ip"]) if data.get("ip") else "", "matches": ["".join(m) for m in data["matches"]]}


def feed(f, setup):
    found, hung, broken = [], [], []
    for i, line in enumerate(setup["lines"]):
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, setup["limit"])
            answers = f.processLine(line)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        except TooLong:
            hung.append(i)
            continue
        except Exception as e:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            broken.append([i, repr(e)])
            continue
        if answers:
            found.append([i, [failure(a) for a in answers]])
    return {"found": found, "hung": hung, "broken": broken}


def main():
    signal.signal(signal.SIGVTALRM, too_long)
    setup = json.loads(sys.stdin.readline())
    MyTime.setTime(setup["now"])
    for line in sys.stdin:
        request = json.loads(line)
        spec = read(setup["dir"], request["filter"], request["params"] or {})
        lines = request.get("lines")
        answer = feed(make(spec), dict(setup, lines=lines) if lines else setup) if request["run"] else {}
        print(json.dumps(dict(answer, spec=spec), separators=(",", ":")), flush=True)


main()
