"""Fills a database with the installed fail2ban's own classes, and keeps it open until its input ends.

argv: the database, a log. Afterwards the log's position is behind its second line.
"""
import sys

from fail2ban.server.database import Fail2BanDb
from fail2ban.server.filter import FileContainer
from fail2ban.server.ticket import BanTicket


class Jail:
    def __init__(self, name): self.name, self.actions = name, self
    def getBanTime(self): return 600


def ban(jail, address, at, length, lines=(), failures=0, count=1, **data):
    t = BanTicket(address, at, list(lines), data=data)
    t.setBanTime(length)
    t.setAttempt(failures)
    t.setBanCount(count)
    db.addBan(jail, t)


db = Fail2BanDb(sys.argv[1])
sshd, nginx = Jail("sshd"), Jail("nginx")
db.addJail(sshd)
db.addJail(nginx)
now = 1764000000
ban(sshd, "192.0.2.1", now - 900, 600, ["old"], 3)
ban(sshd, "192.0.2.1", now - 100, 1200, ["a line", ("before ", "the date", " behind <b>")], 5, 2, user="root")
ban(sshd, "192.0.2.2", now - 800, 600)
ban(sshd, "2001:db8::1", now - 50, -1, ["x"], 4)
ban(sshd, "198.51.100.0/24", now - 40, 600)
ban(sshd, "some-session", now - 30, 600, [], 1, ip4="203.0.113.9")
ban(sshd, "192.0.2.3", now - 90000, 600, [], 0, 4)
ban(sshd, "192.0.2.4", now - 90000, 600)
ban(sshd, "192.0.2.4", now - 700, 600)
ban(nginx, "192.0.2.9", now - 10, 600)
log = FileContainer(sys.argv[2], "UTF-8")
db.addLog(sshd, log)
log.open()
log.readline()
log.readline()
log.close()
db.updateLog(sshd, log)
db.addLog(sshd, FileContainer("/dev/null", "UTF-8"))
db.updateJournal(nginx, "systemd-journal", 1763999990.654321, "2025-11-24T15:59:50.654321")
print("open", flush=True)
sys.stdin.read()
