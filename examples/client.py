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

from websocket import WebSocket, WebSocketException, create_connection

notify = partial(print, file=sys.stderr, flush=True)


class Client:
    def __init__(self, url: str) -> None:
        self.url, self.cursor, self.user, self.auth = url, "", "", ""
        self.socket, self.unanswered = WebSocket(), {}  # posts by ref
        self.state = ""

    def follow(self) -> None:
        wait = 2
        while wait is not None:  # null in a bye: do not reconnect
            try:
                socket = create_connection(self.url + self.cursor, timeout=45)
                while text := socket.recv():  # the server pings every 30 seconds
                    wait = self.handle(json.loads(text), socket).get("reconnect_after", 2)
                self.set_state("disconnected")
            except (OSError, WebSocketException) as loss:
                self.set_state(f"disconnected: {loss}")
            time.sleep(wait or 0)

    def handle(self, message: dict, socket: WebSocket) -> dict:
        self.unanswered.pop(message.get("ref"), None)  # an ack or a reject
        if "message" in message:  # a reject or a bye
            notify(f"({message['message']})")
        if message["type"] == "skip" or (self.cursor and not message.get("recovered", True)):
            notify("(some comments are missing)")
        if "session" in message:  # a welcome: first become the same guest again
            self.set_state("connected")
            self.user = self.user or message["user"]
            self.auth = self.auth or json.dumps({"type": "auth", "token": message["session"]})
            socket.send(self.auth)
            self.socket = socket
            for post in list(self.unanswered.values()):
                socket.send(post)
        if "entries" in message:  # a welcome or a batch
            self.cursor = f"?cursor={message['epoch']}:{message.get('last', message.get('seq'))}"
            for entry in message["entries"]:
                if entry["kind"] == "comment" and entry["user"] != self.user:
                    print(f"{entry['name']}: {entry['text']}", flush=True)
        return message

    def set_state(self, state: str) -> None:
        if state != self.state:
            notify(f"({state})")
        self.state = state

    def post(self, text: str) -> None:
        ref = str(time.time_ns())
        message = self.unanswered[ref] = json.dumps({"type": "post", "ref": ref, "text": text})
        with suppress(OSError, WebSocketException):  # not connected: sent after the next welcome
            self.socket.send(message)


client = Client(*sys.argv[1:] or ["ws://127.0.0.1:8888/ws/demo"])
following = threading.Thread(target=client.follow, daemon=True)
following.start()
for line in sys.stdin:
    client.post(line)
while client.unanswered and following.is_alive():
    time.sleep(0.1)
sys.exit(f"(lines not posted: {len(client.unanswered)})" if client.unanswered else 0)
