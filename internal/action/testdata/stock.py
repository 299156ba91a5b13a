"""Plays steps on each action of a configuration directory with the installed fail2ban's own server classes.

stdin: {config, state, record, steps: [{op, ip, matches, restored}]}. The directory is read by fail2ban's client, and its
commands set the server's actions up; bans go through the server's own rules (norestored, already banned, flush).
stdout: {jail: [{commands, files}]}: what the stand-ins on PATH recorded, and the files below state, after each step.
"""
import ast
import json
import os
import shutil
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, "/usr/lib/python3/dist-packages")
import logging
logging.disable(logging.CRITICAL)
from fail2ban.client.fail2banclient import exec_command_line
from fail2ban.server.ipdns import DNSUtils
from fail2ban.server.jail import Jail
from fail2ban.server.mytime import MyTime
from fail2ban.server.ticket import BanTicket
from fail2ban.server.utils import Utils

DNSUtils.ipToName = staticmethod(lambda ip: "host.example.org")  # no look-up leaves this machine
MyTime.setTime(1700000001)


def wait_for(condition, timeout, interval=None):
    """Looks less often than fail2ban whether a command has ended: the machine has other tests to run."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        done = condition()
        if done:
            return done
        time.sleep(0.001)
    return condition()


Utils.wait_for = staticmethod(wait_for)


def dump(directory):
    r, w = os.pipe()
    if os.fork() == 0:
        os.dup2(w, 1)
        try: exec_command_line(["fail2ban-client", "-d", "-c", directory])
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.close(w)
    with os.fdopen(r, encoding="utf-8") as f:
        commands = [ast.literal_eval(l) for l in f if l.startswith("[")]
    os.wait()
    return commands


def build(commands):
    jails = {}
    for c in commands:
        if c[0] == "add":
            jails[c[1]] = Jail(c[1], c[2])
            jails[c[1]].actions.setBanTime(600)
        elif c[0] == "set" and c[2] == "addaction":
            jails[c[1]].actions.add(*c[3:5], *map(json.loads, c[5:]))
        elif c[0] == "multi-set" and c[2] == "action":
            for key, value in c[4]:
                setattr(jails[c[1]].actions[c[3]], key, value)
        elif c[0] == "config-error":
            sys.exit(c[1])
    return jails


def do(jail, step):
    actions, op = jail.actions, step["op"]
    if op == "start":
        for _, action in actions.items():
            try: action.start()
            except RuntimeError: pass  # the server logs it and goes on
    elif op == "ban":
        ticket = BanTicket(step["ip"], 1700000000, step.get("matches") or [])
        ticket.setData("failures", step["failures"])
        for key, value in step.get("fields", {}).items():
            ticket.setData(key, value)
        ticket.restored = step.get("restored", False)
        actions._Actions__checkBan([ticket])
    elif op == "unban":
        actions.removeBannedIP(step["ip"], db=False)
    elif op == "flush":
        actions._Actions__flushBan()
    elif op == "stop":
        actions._Actions__flushBan(stop=True)
        actions.stopActions()


def snapshot(task):
    seen = {"commands": "", "files": {}}
    if os.path.exists(task["record"]):
        with open(task["record"]) as f:
            seen["commands"] = f.read()
        os.remove(task["record"])
    for name in sorted(os.listdir(task["state"])):
        with open(os.path.join(task["state"], name)) as f:
            seen["files"][name] = f.read()
    return seen


def main():
    task = json.load(sys.stdin)
    out = {}
    for name, jail in build(dump(task["config"])).items():
        shutil.rmtree(task["state"], ignore_errors=True)
        os.mkdir(task["state"])
        out[name] = []
        for step in task["steps"]:
            do(jail, step)
            out[name].append(snapshot(task))
    json.dump(out, sys.stdout)


if __name__ == "__main__":
    main()
