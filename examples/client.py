"""Follow a room and post in it: python examples/client.py ws://127.0.0.1:8888/ws/demo

Prints the comments of others and posts each line of its input. After a lost connection it
reconnects, resumes and sends unanswered posts again.
"""

import json
import sys
import threading
import time
from contextlib import suppress
from functools import partial

from websocket import (
    WebSocket,
    WebSocketBadStatusException,
    WebSocketException,
    create_connection,
)

notify = partial(print, file=sys.stderr, flush=True)
WAIT = 2  # seconds before it reconnects, unless the server asks for more


class Client:
    def __init__(self, url: str) -> None:
        self.url, self.cursor, self.user, self.session = url, "", "", ""
        self.socket, self.unanswered = WebSocket(), {}  # posts by ref
        self.state, self.signed_in = "", False

    def follow(self) -> None:
        wait = WAIT
        while wait is not None:  # null in a bye: do not reconnect
            self.signed_in = False
            try:
                self.socket = create_connection(self.url + self.cursor, timeout=45)
                while text := self.socket.recv():  # the server pings every 30 seconds
                    wait = self.handle(json.loads(text)).get("reconnect_after", WAIT)
                self.set_state("disconnected")
            except WebSocketBadStatusException as refusal:
                wait = self.explain(refusal)
            except (OSError, WebSocketException) as loss:
                self.set_state(f"disconnected: {loss}")
            if wait is not None:
                time.sleep(max(wait, WAIT))

    def explain(self, refusal: WebSocketBadStatusException) -> float | None:
        """Return the seconds until the handshake may be accepted; None if it never will be."""
        try:
            error = json.loads(refusal.resp_body)["error"]
        except (KeyError, TypeError, ValueError):  # not from this server
            error = {"message": str(refusal), "retry_after": None}
        self.set_state(f"refused: {error['message']}")
        if error["retry_after"] is None and refusal.status_code >= 500:
            return WAIT
        return error["retry_after"]

    def handle(self, message: dict) -> dict:
        kind = message["type"]
        self.unanswered.pop(message.get("ref"), None)  # an ack or a reject
        if kind == "reject" and not message["ref"] and not self.signed_in:
            self.retry_session(message)
        elif "message" in message:  # a reject or a bye
            notify(f"({message['message']})")
        if kind == "skip" or (self.cursor and not message.get("recovered", True)):
            notify("(some comments are missing)")
        if kind == "welcome":  # first become the same guest again
            self.set_state("connected")
            self.offered = message["session"]
            self.sign_in(self.session or self.offered)
        if kind == "identity":
            self.user, self.session, self.signed_in = message["user"], message["session"], True
            for post in list(self.unanswered.values()):
                self.socket.send(post)
        if "entries" in message:  # a welcome or a batch
            self.cursor = f"?cursor={message['epoch']}:{message.get('last', message.get('seq'))}"
            for entry in message["entries"]:
                if entry["kind"] == "comment" and entry["user"] != self.user:
                    print(f"{entry['name']}: {entry['text']}", flush=True)
        return message

    def sign_in(self, session: str) -> None:
        self.socket.send(json.dumps({"type": "auth", "token": session}))

    def retry_session(self, reject: dict) -> None:
        if reject["retry_after"] is None:  # of another server, or an earlier secret
            self.sign_in(self.offered)
        else:
            threading.Timer(reject["retry_after"], self.sign_in, [self.session]).start()

    def set_state(self, state: str) -> None:
        if state != self.state:
            notify(f"({state})")
        self.state = state

    def post(self, text: str) -> None:
        ref = str(time.time_ns())
        message = self.unanswered[ref] = json.dumps({"type": "post", "ref": ref, "text": text})
        if self.signed_in:  # otherwise it is sent after the next identity
            with suppress(OSError, WebSocketException):
                self.socket.send(message)


client = Client(*sys.argv[1:] or ["ws://127.0.0.1:8888/ws/demo"])
following = threading.Thread(target=client.follow, daemon=True)
following.start()
for line in sys.stdin:
    client.post(line)
while client.unanswered and following.is_alive():
    time.sleep(0.1)
sys.exit(f"(lines not posted: {len(client.unanswered)})" if client.unanswered else 0)
