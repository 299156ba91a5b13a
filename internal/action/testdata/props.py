"""Prints the action properties that fail2ban-client -d sends for a configuration directory.

usage: props.py DIR; stdout: {jail: {action: {property: text}}}
"""
import ast
import json
import subprocess
import sys

dump = subprocess.run(["/usr/bin/fail2ban-client", "-c", sys.argv[1], "-d"], check=True, capture_output=True, text=True)
jails = {}
for line in dump.stdout.splitlines():
    if not line.startswith("['multi-set'"):
        continue
    _, jail, kind, *rest = ast.literal_eval(line)
    if kind == "action":
        name, props = rest
        jails.setdefault(jail, {})[name] = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in props}
json.dump(jails, sys.stdout)
