"""Runs scenarios on the installed fail2ban's own action classes and prints what they would execute.

stdin: a list of {jail, name, props, steps}; a step is {op, ip, time, bantime, matches, data, restored, fail, heal}.
fail: regular expressions of commands that end with an error from now on. stdout: per scenario, per step
{ran: [{script, values}], error}. No command is run.
"""
import json
import logging
import re
import sys

sys.path.insert(0, "/usr/lib/python3/dist-packages")
logging.disable(logging.CRITICAL)
from fail2ban.server import utils
from fail2ban.server.action import CommandAction
from fail2ban.server.actions import Actions
from fail2ban.server.ipdns import DNSUtils
from fail2ban.server.ticket import BanTicket

# Else it depends on what this machine's names resolve to; the test plays without IPv6.
DNSUtils.setIPv6IsAllowed(False)


class Manager:
    def size(self): return 1
    def getBanTotal(self): return 2
    def getFailTotal(self): return 4


class Jail:
    database = None

    class Bans:
        banEpoch = 0
        banManager = Manager()
        def getBanTime(self): return 600

    class filter:
        failManager = Manager()

    def __init__(self, name):
        self.name = name
        self.actions = self.Bans()
        self.actions._getActionInfo = lambda ticket: Actions._getActionInfo(Asker(self), ticket)


class Asker:
    """What Actions._getActionInfo needs of an Actions thread."""
    def __init__(self, jail): self._jail = jail


class Recorder:
    """Stands in for subprocess.Popen: a command is noted and ends at once."""
    failing, ran = [], []
    stdout = stderr = None

    def __init__(self, args, **kw):
        script, values = (args, []) if isinstance(args, str) else (args[0], list(args[1:]))
        self.ran.append({"script": script, "values": values})
        self.returncode = 1 if any(re.search(f, script) for f in self.failing) else 0
        self.pid = 0

    def poll(self): return self.returncode
    def wait(self, *a, **k): return self.returncode


def info(step, jail):
    ticket = BanTicket(step.get("ip", ""), step.get("time", 1700000000), step.get("matches") or [])
    for key, value in (step.get("data") or {}).items():
        ticket.setData(key, value)
    if step.get("restored"):
        ticket.restored = True
    if step.get("bantime") is not None:
        ticket.setBanTime(step["bantime"])
    return Actions.ActionInfo(ticket, jail)


def play(scenario):
    jail = Jail(scenario["jail"])
    action = CommandAction(jail, scenario["name"])
    for key, value in scenario["props"].items():
        setattr(action, key, value)
    Recorder.failing, out = [], []
    for step in scenario["steps"]:
        Recorder.failing = step.get("fail") or []
        Recorder.ran = []
        error = ""
        try:
            op = step["op"]
            if op in ("ban", "unban", "reban", "prolong"):
                getattr(action, op)(info(step, jail))
            elif op == "check":
                action.consistencyCheck()
            else:
                getattr(action, op)()
        except Exception as e:
            error = "%s: %s" % (type(e).__name__, e)
        out.append({"ran": Recorder.ran, "error": error})
    return out


class Subprocess:
    """The module as utils sees it, with Popen exchanged."""
    def __getattr__(self, name): return getattr(real, name)
    Popen = Recorder


real = utils.subprocess
if __name__ == "__main__":
    utils.subprocess = Subprocess()
    json.dump([play(s) for s in json.load(sys.stdin)], sys.stdout)
