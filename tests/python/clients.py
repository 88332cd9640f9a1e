"""python-socketio against the real binary, over both transports: all events, and back within five seconds.

Takes the binary. Handlers have one parameter, as those of existing apps have.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import socketio

BINARY = os.path.abspath(sys.argv[1])
SECRET = "a secret that two back ends share"


def signed(user, seconds=3600):
    """A JWT as the school's own back end signs it."""

    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    now = int(time.time())
    claims = {"userId": user, "name": user, "iat": now, "exp": now + seconds}
    text = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    mac = hmac.new(SECRET.encode(), text, hashlib.sha256).digest()
    return (text + b"." + part(mac)).decode()


def until(what, check, seconds=10):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.02)


class Server:
    def __init__(self, folder):
        self.options = dict(
            cwd=folder,
            env=dict(
                os.environ,
                SCHOOLBELL_SERVER__LISTEN="127.0.0.1:0",
                SCHOOLBELL_AUTH__AUTO_PROVISION="true",
                SCHOOLBELL_LOG__LEVEL="warn",
                JWT_SECRET=SECRET,
            ),
        )
        self.start()
        self.key = subprocess.check_output([BINARY, "key", "create", "app"], **self.options).decode().strip()

    def start(self):
        self.process = subprocess.Popen([BINARY], stdout=subprocess.PIPE, text=True, **self.options)
        for line in self.process.stdout:
            found = re.match(r"listening on (http://(\S+))", line)
            if found:
                self.url, address = found.groups()
                self.options["env"]["SCHOOLBELL_SERVER__LISTEN"] = address
                return
        raise AssertionError("the server did not start")

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait()

    def post(self, path, token, body):
        request = urllib.request.Request(
            self.url + path,
            json.dumps(body).encode(),
            {"authorization": f"Bearer {token}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            return json.load(response)["data"]


class Page:
    """A client whose handlers take one parameter."""

    def __init__(self, server, auth, transport):
        self.got = {}
        self.client = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.5)
        for event in ["connected", "new_message", "notification", "typing", "presence", "error"]:
            self.client.on(event, self.handler(event))
        self.client.connect(server.url, auth=auth, transports=[transport])
        until("connected", lambda: self.count("connected") == 1)

    def handler(self, event):
        def handle(data):
            self.got.setdefault(event, []).append(data)

        return handle

    def count(self, event):
        return len(self.got.get(event, []))

    def texts(self):
        return [message["content"] for message in self.got.get("new_message", [])]


def everything(server, transport):
    ann, bob = f"ann-{transport}", f"bob-{transport}"
    page = Page(server, {"token": signed(ann), "cursor": False}, transport)
    other = Page(server, {"token": f"Bearer {signed(bob)}", "cursor": False}, transport)
    server.post("/api/messages", signed(bob), {"receiverId": ann, "content": "hello"})
    until("new_message", lambda: page.texts() == ["hello"])
    server.post("/api/notifications", server.key, {"userId": ann, "type": "x", "title": "t", "message": "m"})
    until("notification", lambda: page.count("notification") == 1)
    assert other.client.call("typing", {"to": ann, "typing": True}) == {"success": True}
    until("typing", lambda: page.count("typing") > 0)
    page.client.emit("join", {"room": "x"})
    page.client.emit("auth", {"userId": ann})

    server.end()
    began = time.monotonic()
    server.start()
    until("back after the restart", lambda: page.count("connected") == 2 and other.count("connected") == 2, 5)
    print(f"  back {time.monotonic() - began:.1f} s after a restart")
    # Whoever was there first is told of the other, with whom they share a conversation by now.
    until("presence", lambda: page.count("presence") + other.count("presence") > 0)
    server.post("/api/messages", signed(bob), {"receiverId": ann, "content": "after"})
    until("new_message", lambda: page.texts() == ["hello", "after"])
    assert page.count("error") == 0, page.got["error"]
    page.client.disconnect()
    other.client.disconnect()


def expiry(server, transport):
    cat = f"cat-{transport}"
    page = Page(server, {"token": signed(cat, 2), "cursor": False}, transport)
    ended = []

    @page.client.on("disconnect")
    def disconnected(*_):
        ended.append(time.monotonic())
        page.client.connection_auth = {"token": signed(cat), "cursor": False}

    until("the token's end", lambda: ended, 8)
    until("back with another token", lambda: page.count("connected") == 2, 5)
    print(f"  back {time.monotonic() - ended[0]:.1f} s after the token's end")
    page.client.disconnect()


def main():
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder)
        try:
            for transport in ["websocket", "polling"]:
                print(transport)
                everything(server, transport)
                expiry(server, transport)
        finally:
            server.end()


main()
