"""A second, independent telling of how a jail counts, bans and forgives.

Reads one JSON stream per line from standard input, answers with one JSON line: for every
operation what follows from it, and the jail's state behind it. Written from the words of
the behaviour reference (4.1, 4.2, 4.3, 4.5), on purpose without an eye on the Go code: plain
dictionaries, searched from end to end.
"""
import json
import sys

PURGE_EVERY = 5
TELL_EVERY = 600


class Model:
    def __init__(self, opts):
        self.maxretry = opts["maxretry"]
        self.findtime = opts["findtime"]
        self.bantime = opts["bantime"]
        self.maxmatches = opts["maxmatches"]
        self.ignored = set(opts["ignored"])
        self.floor = set(opts["floor"])
        self.offenders = {}
        self.shadow = {}  # offenders that must not be banned
        self.banned = {}  # id -> [start, end or None, failures, lines]
        self.last_purge = None
        self.told = {}
        self.increment = opts.get("increment")
        self.maxtime = opts.get("maxtime")
        self.past = {}  # id -> [how often, start of the newest ban]
        self.total_failed = self.total_banned = 0

    def purge(self, now):
        if self.last_purge is not None and now - self.last_purge < PURGE_EVERY:
            return
        self.last_purge = now
        for book in (self.offenders, self.shadow):
            for key in [k for k, e in book.items() if e["last"] <= now - self.findtime]:
                del book[key]

    def record(self, book, who, t, line):
        e = book.get(who)
        if e is None:
            e = book[who] = {"first": t, "last": t, "count": 1, "failures": 1, "lines": [line]}
        else:
            if t > e["last"]:
                if e["first"] < t - self.findtime:
                    # Python's own round: half to even
                    e["count"] = int(round(e["count"] / (t - e["first"]) * self.findtime))
                    e["first"] = t - self.findtime
                e["last"] = t
            e["count"] += 1
            e["failures"] += 1
            e["lines"].append(line)
        e["lines"] = e["lines"][-self.maxmatches:] if self.maxmatches else []
        if e["count"] >= self.maxretry:
            return book.pop(who)
        return None

    def weigh(self, who, t):
        """A known offender's failure counts for more than one."""
        e = self.offenders.get(who)
        if not self.increment or e is None or who not in self.past:
            return None
        n, newest = self.past[who]
        if t <= newest:
            return None
        weight = min(2 ** min(n, 20) / 2 + 1, self.maxretry)
        e["count"] += int(weight) - 1
        return self.offenders.pop(who) if e["count"] >= self.maxretry else None

    def longer(self, who, ban):
        """The ban of a known offender lasts longer, if it would last the bantime."""
        n = 1
        if self.increment and self.bantime > 0 and ban[1] == ban[0] + self.bantime and who in self.past:
            before = self.past[who][0]
            length = max(self.bantime, self.bantime * 2 ** min(before, 20))
            if self.maxtime:
                length = min(length, self.maxtime)
            ban[1] = ban[0] + length
            n = before + 1
        self.past[who] = [n, ban[0]]

    def tell(self, who, now):
        if who in self.told and now - self.told[who] < TELL_EVERY:
            return []
        self.told[who] = now
        return [["spare", who]]

    def fail(self, who, t, line, now):
        self.purge(now)
        if who in self.ignored or who in self.floor:
            full = self.record(self.shadow, who, t, line)
            return self.tell(who, now) if full else []
        self.total_failed += 1
        full = self.record(self.offenders, who, t, line) or self.weigh(who, t)
        if not full:
            return []
        end = None if self.bantime < 0 else full["last"] + self.bantime
        if end is not None and end < now:
            return self.tell(who, now)
        return self.impose(who, [full["last"], end, full["failures"], full["lines"]])

    def impose(self, who, ban):
        old = self.banned.get(who)
        if old is None:
            self.longer(who, ban)
            self.banned[who] = ban
            self.total_banned += 1
            return [["impose", who] + ban]
        if old[1] is not None and (ban[1] is None or ban[1] > old[1]):
            old[1] = ban[1]
            return [["prolong", who] + old]
        return []

    def ban(self, who, end, now):
        if who in self.floor or (end is not None and end < now):
            return [["spare", who]]
        return self.impose(who, [now, end, 0, []])

    def unban(self, who):
        self.offenders.pop(who, None)
        if who not in self.banned:
            return []
        self.past.pop(who, None)  # forgiven
        return [["lift", who] + self.banned.pop(who)]

    def tick(self, now):
        self.purge(now)
        over = [(b[1], k) for k, b in self.banned.items() if b[1] is not None and now > b[1]]
        return [["lift", k] + self.banned.pop(k) for _, k in sorted(over)]

    def run(self, op):
        what, now = op["op"], op["now"]
        if what == "fail":
            return self.fail(op["id"], op["time"], op["line"], now)
        if what == "ban":
            return self.ban(op["id"], op["end"], now)
        if what == "unban":
            return self.unban(op["id"])
        return self.tick(now)


for stream in sys.stdin:
    stream = json.loads(stream)
    model = Model(stream["options"])
    out = []
    for op in stream["ops"]:
        out.append({
            "decisions": model.run(op),
            "counts": [len(model.offenders), model.total_failed,
                       len(model.banned), model.total_banned],
            "tallies": {k: [e["first"], e["last"], e["count"]] for k, e in model.offenders.items()},
        })
    print(json.dumps(out), flush=True)
