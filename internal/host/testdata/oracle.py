"""Asks the installed fail2ban whom an ignoreip entry covers: one JSON pair [entry, id] per
line comes in, true or false goes out."""
import json
import logging
import sys

logging.disable(logging.CRITICAL)
from fail2ban.server.filter import Filter
from fail2ban.server.ipdns import IPAddr

for line in sys.stdin:
    entry, who = json.loads(line)
    f = Filter(None)
    f.ignoreSelf = False
    f.addIgnoreIP(entry)
    print(json.dumps(bool(f.inIgnoreIPList(IPAddr(who)))))
