"""The installed fail2ban itself, asked through its server classes: counting, ban time and
expiry of one jail. One JSON stream per line comes in, one line of answers goes out, in the
form of model.py. It purges nothing, and leaves out what gaol does differently."""
import json
import logging
import sys

logging.disable(logging.CRITICAL)
from fail2ban.server.banmanager import BanManager
from fail2ban.server.failmanager import FailManager, FailManagerEmpty
from fail2ban.server.mytime import MyTime
from fail2ban.server.ticket import BanTicket, FailTicket

MyTime.setTime(0)  # its own hour stands still, or all bans would be over

for stream in sys.stdin:
    stream = json.loads(stream)
    opts = stream["options"]
    fails, bans = FailManager(), BanManager()
    fails.setMaxRetry(opts["maxretry"])
    fails.setMaxTime(opts["findtime"])
    fails.maxMatches = opts["maxmatches"]
    bans.setBanTime(opts["bantime"])

    def end(ticket):
        e = ticket.getEndOfBanTime(opts["bantime"])
        return None if e == BanTicket.MAX_TIME else e

    def told(kind, ticket):
        return [kind, str(ticket.getID()), ticket.getTime(), end(ticket), ticket.getAttempt(), ticket.getMatches()]

    held = {}  # the manager's own look-up takes a ticket out
    out = []
    for op in stream["ops"]:
        decisions = []
        if op["op"] == "tick":
            over = sorted(bans.unBanList(op["now"]), key=lambda t: (end(t), str(t.getID())))
            decisions = [told("lift", t) for t in over]
        else:
            fails.addFailure(FailTicket(op["id"], op["time"], matches=[op["line"]]))
            try:
                ticket = BanTicket.wrap(fails.toBan(op["id"]))
                old = held.get(op["id"])
                before = old and end(old)
                if bans.addBanTicket(ticket):
                    held[op["id"]] = ticket
                    decisions = [told("impose", ticket)]
                elif end(old) != before:
                    decisions = [told("prolong", old)]
            except FailManagerEmpty:
                pass
        out.append({"decisions": decisions, "failed": fails.getFailTotal(), "failing": fails.size(), "banned": bans.size()})
    print(json.dumps(out), flush=True)
