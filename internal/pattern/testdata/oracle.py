"""Python's re as an oracle: reads requests, one JSON value per line, answers each with one line.

request  {"p": expression, "m": MULTILINE, "i": IGNORECASE, "t": [texts]}
         "t" may be left out to use the texts of the last request that had some.
answer   {"e": message, "pos": place} where the expression is refused, else
         {"g": number of groups, "m": [[text index, start, end, ...], ...], "h": [text indexes]}
"m" lists the matches with byte offsets of every group (-1: took no part), "h" the texts on
which the search took too long.
"""
import json
import re
import signal
import sys
import warnings

warnings.simplefilter("ignore")
TICK = 0.25  # seconds of our own processor time, so that a busy machine makes no hang; a search that sees two ticks is given up

state = {"at": 0, "seen": -1, "busy": False}


class TooLong(Exception):
    pass


def tick(signum, frame):
    # Only a search is given up: printing may wait for the reader as long as it likes.
    if state["busy"] and state["seen"] == state["at"]:
        raise TooLong
    state["seen"] = state["at"]


def byte_spans(text, match):
    out = []
    for span in match.regs:
        for at in span:
            out.append(at if at < 1 or text.isascii() else len(text[:at].encode()))
    return out


def search(regex, texts):
    matches, hangs = [], []
    for i, text in enumerate(texts):
        state["at"] += 1
        try:
            state["busy"] = True
            m = regex.search(text)
            state["busy"] = False
        except TooLong:
            state["busy"] = False
            hangs.append(i)
            continue
        if m:
            matches.append([i] + byte_spans(text, m))
    return matches, hangs


def answer(request, texts):
    flags = (re.MULTILINE if request.get("m") else 0) | (re.IGNORECASE if request.get("i") else 0)
    try:
        regex = re.compile(request["p"], flags)
    except re.error as e:
        return {"e": str(e), "pos": -1 if e.pos is None else e.pos}
    except (ValueError, OverflowError, RecursionError) as e:
        return {"e": str(e), "pos": -1}
    matches, hangs = search(regex, texts)
    return {"g": regex.groups, "m": matches, "h": hangs}


def main():
    signal.signal(signal.SIGVTALRM, tick)
    signal.setitimer(signal.ITIMER_VIRTUAL, TICK, TICK)
    texts = []
    for line in sys.stdin:
        request = json.loads(line)
        texts = request.get("t") or texts
        print(json.dumps(answer(request, texts), separators=(",", ":")), flush=True)


main()
