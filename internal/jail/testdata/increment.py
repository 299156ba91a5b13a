"""The installed fail2ban itself, asked for bantime.increment: its formula, and the observer
with a database in memory for known offenders. One JSON question per line comes in, one line
of answers goes out."""
import json
import logging
import sys

logging.disable(logging.CRITICAL)
from fail2ban.server.banmanager import BanManager
from fail2ban.server.database import Fail2BanDb
from fail2ban.server.failmanager import FailManager, FailManagerEmpty
from fail2ban.server.jail import Jail
from fail2ban.server.mytime import MyTime
from fail2ban.server.observer import ObserverThread
from fail2ban.server.ticket import BanTicket, FailTicket

MyTime.setTime(0)
Jail.isAlive = lambda self: True  # its threads are not started
observer = ObserverThread()


# The observer purges after some bans, by a clock of its own; streams are asked without purging.
cleanup, FailManager.cleanup = FailManager.cleanup, lambda self, time: None
db = Fail2BanDb(":memory:")
jails = {name: Jail(name, db=db) for name in ("j", "k")}  # one for all questions: they are slow to make
for jail in jails.values():
    db.addJail(jail)


def configured(options, jail):
    for key in ("factor", "formula", "multipliers", "maxtime", "overalljails", "increment"):
        jail.setBanTimeExtra(key, None)
    for key in ("factor", "formula", "multipliers", "maxtime", "overalljails"):
        if options.get(key):
            jail.setBanTimeExtra(key, options[key])
    jail.setBanTimeExtra("increment", "true")
    return jail


def formula(question):
    try:
        jail = configured(question, jails["j"])
        return [observer.calcBanTime(jail, t, n) for t, n in question["cases"]]
    except Exception as e:
        return str(e)


def stream(question):
    bans = {name: BanManager() for name in jails}
    held = {}
    out = []
    for jail in jails.values():
        configured(question, jail)
        db.delBan(jail)
        cleanup(jail.filter.failManager, 1e12)
        jail.filter.setMaxRetry(question["maxretry"])
        jail.filter.setFindTime(question["findtime"])
    for op in question["ops"]:
        name, who, now = op["jail"], op["id"], op["time"]
        jail, manager, base = jails[name], bans[name], question["bantime"]
        MyTime.setTime(now)
        manager.setBanTime(base)
        if (name, who) in held and now > held[name, who].getEndOfBanTime(base):
            del held[name, who]
            manager.getTicketByID(who)
        fails = jail.filter.failManager
        failure = FailTicket(who, now, matches=["l"])
        fails.addFailure(failure)
        try:
            ticket = fails.toBan(who)
        except FailManagerEmpty:
            observer.failureFound(jail, failure)
            ticket = jail.getFailTicket()
        said = []
        if ticket:
            ticket = BanTicket.wrap(ticket)
            if manager.addBanTicket(ticket):
                observer.banFound(ticket, jail, base)
                held[name, who] = ticket
                said = [ticket.getTime(), ticket.getEndOfBanTime(base), ticket.getBanCount()]
        counts = [t.getRetry() for f, t in fails._FailManager__failList.items() if f == who]
        out.append({"ban": said, "count": int(counts[0]) if counts else 0})
    return out


for question in sys.stdin:
    question = json.loads(question)
    print(json.dumps(formula(question) if "cases" in question else stream(question)), flush=True)
