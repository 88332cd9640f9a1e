"""The load of .ci/long-standby, and what is left of it.

load URL FILE          sends messages until the server has gone; each acknowledged one is a line: time, text
judge DATABASE FILE KILLED   which acknowledged messages the copy lacks, and how old they were when the server was killed
"""
import json
import sqlite3
import sys
import time
import urllib.request


def call(url, path, body, token=None):
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)["data"]


def log_in(url, name):
    for _ in range(100):
        try:
            return call(url, "/api/auth/login", {"username": name, "password": "blue heron on a kettle"})
        except OSError:
            time.sleep(0.1)
    raise SystemExit("no server")


def load(url, file):
    ann, bob = log_in(url, "ann"), log_in(url, "bob")
    with open(file, "w", buffering=1) as acknowledged:
        acknowledged.write(f"0 {bob['token']}\n")
        for number in range(1_000_000):
            text = f"number {number}"
            try:
                call(url, "/api/messages", {"receiverId": bob["user"]["id"], "content": text}, ann["token"])
            except OSError:
                return
            acknowledged.write(f"{time.time()} {text}\n")


def judge(database, file, killed):
    with open(killed) as text:
        killed_at = float(text.read())
    up = time.time() - killed_at
    with open(file) as lines:
        lines.readline()
        sent = [line.rstrip("\n").split(" ", 1) for line in lines]
    stored = {row[0] for row in sqlite3.connect(f"file:{database}?mode=ro", uri=True).execute("SELECT content FROM messages")}
    lost = [killed_at - float(at) for at, text in sent if text not in stored]
    oldest = max(lost, default=0)
    print(f"{len(sent)} acknowledged, {len(lost)} of them lost, the oldest {oldest:.1f} s before the kill; up again after {up:.1f} s")
    assert len(sent) > 500, "no load"
    assert len(lost) < len(sent), "nothing was copied"
    assert oldest < 3, "more is lost than the interval of the copy"


{"load": load, "judge": judge}[sys.argv[1]](*sys.argv[2:])
