"""What all other servers share: numbering, and the three messages of our protocol."""

from __future__ import annotations

import time

import msgspec

EPOCH = "peer0123456789ab"
BACKLOG = 4096

encode = msgspec.json.encode
decode = msgspec.json.decode


class Room:
    """Numbers the comments of one room."""

    def __init__(self) -> None:
        self.seq = 0

    def welcome(self) -> str:
        """Return the first message to a viewer."""
        return encode({"type": "welcome", "epoch": EPOCH, "seq": self.seq, "entries": []}).decode()

    def post(self, raw: str | bytes) -> tuple[str, str]:
        """Return the ack for the sender, and the batch for all viewers."""
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
