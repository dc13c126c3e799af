"""Follow a room and speak in it: python examples/client.py ws://127.0.0.1:8888/ws/demo

Prints what others say and posts each line it reads; resumes and repeats by itself after a loss.
"""

import json
import sys
import threading
import time
from contextlib import suppress
from functools import partial

from websocket import WebSocket, WebSocketException, create_connection

tell = partial(print, file=sys.stderr, flush=True)


class Client:
    def __init__(self, url: str) -> None:
        self.url, self.cursor, self.user, self.hello = url, "", "", ""
        self.socket, self.unanswered = WebSocket(), {}  # posts by ref
        self.state = ""

    def follow(self) -> None:
        wait = 2
        while wait is not None:  # null in a goodbye: there is no coming back
            try:
                socket = create_connection(self.url + self.cursor, timeout=45)
                while text := socket.recv():  # a ping at least, every 30 seconds
                    wait = self.hear(json.loads(text), socket).get("reconnect_after", 2)
                self.turn("away")
            except (OSError, WebSocketException) as loss:
                self.turn(f"away: {loss}")
            time.sleep(wait or 0)

    def hear(self, message: dict, socket: WebSocket) -> dict:
        self.unanswered.pop(message.get("ref"), None)  # an ack, or a reject
        if "message" in message:  # a reject, or a goodbye
            tell(f"({message['message']})")
        if message["type"] == "skip" or (self.cursor and not message.get("recovered", True)):
            tell("(some of what was said will not come)")
        if "session" in message:  # a welcome: be the guest of the first, before anything is said
            self.turn("here")
            self.user = self.user or message["user"]
            self.hello = self.hello or json.dumps({"type": "auth", "token": message["session"]})
            socket.send(self.hello)
            self.socket = socket
            for post in list(self.unanswered.values()):
                socket.send(post)
        if "entries" in message:  # a welcome, or a batch
            self.cursor = f"?cursor={message['epoch']}:{message.get('last', message.get('seq'))}"
            for entry in message["entries"]:
                if entry["kind"] == "comment" and entry["user"] != self.user:
                    print(f"{entry['name']}: {entry['text']}", flush=True)
        return message

    def turn(self, state: str) -> None:
        if state != self.state:
            tell(f"({state})")
        self.state = state

    def say(self, text: str) -> None:
        ref = str(time.time_ns())
        post = self.unanswered[ref] = json.dumps({"type": "post", "ref": ref, "text": text})
        with suppress(OSError, WebSocketException):  # no connection: it goes out with the next
            self.socket.send(post)


client = Client(*sys.argv[1:] or ["ws://127.0.0.1:8888/ws/demo"])
following = threading.Thread(target=client.follow, daemon=True)
following.start()
for line in sys.stdin:
    client.say(line)
while client.unanswered and following.is_alive():
    time.sleep(0.1)
sys.exit(f"(lines not taken: {len(client.unanswered)})" if client.unanswered else 0)
