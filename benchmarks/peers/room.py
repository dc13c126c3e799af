"""The little of a room that every peer has: a numbering, and the three messages of it."""

from __future__ import annotations

import time

import msgspec

EPOCH = "peer0123456789ab"
BACKLOG = 4096

encode = msgspec.json.encode
decode = msgspec.json.decode


class Room:
    """Numbers what is posted."""

    def __init__(self) -> None:
        self.seq = 0

    def welcome(self) -> str:
        """The first message to a viewer."""
        return encode({"type": "welcome", "epoch": EPOCH, "seq": self.seq, "entries": []}).decode()

    def post(self, raw: str | bytes) -> tuple[str, str]:
        """Return the ack to the sender, and the batch to all."""
        post = decode(raw)
        self.seq = seq = self.seq + 1
        entry = {
            "kind": "comment",
            "seq": seq,
            "user": "g-0123456789abcdef",
            "name": "Guest 1234",
            "text": post["text"],
            "at": time.time_ns() // 1_000_000,
        }
        ack = {"type": "ack", "ref": post["ref"], "epoch": EPOCH, "seq": seq}
        batch = {"type": "batch", "epoch": EPOCH, "first": seq, "last": seq, "entries": [entry]}
        return encode(ack).decode(), encode(batch).decode()
