"""A viewer on a WebSocket.

The loop in `received` is the tester's hot path; everything else is for rare frames.
"""

from __future__ import annotations

from time import monotonic_ns

import msgspec

from chat.loadtest import frames
from chat.loadtest.connection import Crew
from chat.loadtest.frames import FrameHead, ProtocolError
from chat.loadtest.ledger import Room
from chat.loadtest.messages import read_message
from chat.loadtest.plan import write_text
from chat.loadtest.viewer import Life, Viewer

GOING_AWAY = frames.build_frame(frames.CLOSE, (1001).to_bytes(2, "big"))
KEY = frames.make_key()
encode = msgspec.json.Encoder().encode


class WebSocketViewer(Viewer):
    """Follows its room by a WebSocket, and posts on it."""

    __slots__ = ("pending", "upgraded")

    def __init__(self, crew: Crew, number: int, room: Room, slow: bool, audited: bool) -> None:
        super().__init__(crew, number, room, slow, audited)
        self.upgraded = False
        self.pending: set[int] = set()  # posts without an answer

    def connected(self) -> None:
        """Ask for the WebSocket, with the cursor if there is one."""
        options = self.crew.options
        path = f"{options.target.prefix}/ws/{self.room.name}?history={options.history}"
        if self.track.joined >= 0:
            path += f"&cursor={self.track.cursor}"
        self.upgraded = False
        self.send(frames.build_handshake(options.target.authority, path, KEY, options.compress))

    def received(self, data: bytes) -> None:
        """Take frames: by comparing bytes where they are what was expected, else one by one."""
        if self.rest:
            data = self.rest + data
        try:
            position = 0 if self.upgraded else self.read_answer(data)
            size = len(data)
            track = self.track
            while position < size:
                for batch in self.memo.get(track.seq + 1, ()):
                    if data.startswith(batch.data, position):
                        batch.receipts.append(monotonic_ns())
                        track.seq = batch.last
                        position += len(batch.data)
                        break
                else:
                    head = frames.read_head(data, position) if self.upgraded else None
                    if head is None:
                        break
                    self.take(data[position : head.end], data[head.start : head.end], head)
                    position = head.end
                    if self.socket is None:
                        return
            self.rest = data[position:] if position < size else b""
        except ProtocolError as problem:
            self.crew.ledger.tally.violations[str(problem)] += 1
            self.fail("closed by the tester: protocol error")

    def read_answer(self, data: bytes) -> int:
        """Where the frames begin; 0 while the handshake is not answered."""
        answer = frames.read_handshake(data, KEY)
        if answer is None:
            return 0
        if answer.problem:
            self.fail(answer.problem)
            return len(data)
        self.upgraded = True
        if self.track.joined < 0:
            self.crew.ledger.tally.compressed += answer.deflate
        return answer.end

    def take(self, frame: bytes, payload: bytes, head: FrameHead) -> None:
        """Handle a frame that was not expected."""
        if head.opcode == frames.TEXT:
            self.take_message(frame, frames.inflate(payload) if head.compressed else payload)
        else:
            self.crew.ledger.tally.received_bytes += len(frame)
            if head.opcode == frames.PING:
                self.send(frames.build_frame(frames.PONG, payload))
            elif head.opcode == frames.CLOSE:
                self.send(frames.build_frame(frames.CLOSE, payload[:2]))
                self.fail(str(frames.read_close_code(payload)))
            elif head.opcode != frames.PONG:
                raise ProtocolError(f"a frame with opcode {head.opcode}")

    def take_message(self, frame: bytes, payload: bytes) -> None:
        """Handle a message by its type; unknown ones are passed over."""
        message = read_message(payload)
        kind = message.type
        if kind == "batch":
            self.take_batch(
                frame, message.epoch, message.first, message.last, message.thinned, message.entries
            )
            return
        ledger = self.crew.ledger
        ledger.tally.received_bytes += len(frame)
        if kind == "ack":
            number = self.find_post(message.ref)
            if number is not None:
                ledger.note_ack(
                    self.room, number, message.epoch, message.seq, message.dup, monotonic_ns()
                )
        elif kind == "reject":
            ledger.note_rejection(self.find_post(message.ref), str(message.code))
        elif kind == "skip":
            self.skip(message.first, message.last)
        elif kind == "welcome":
            self.enter(
                message.epoch, message.seq, message.recovered, message.reason, message.entries
            )

    def find_post(self, ref: str | None) -> int | None:
        """Return the post that a `ref` names; None when it is none of ours."""
        run, _, number = (ref or "").partition("-")
        if run != self.crew.run or not number.isdecimal():
            return None
        self.pending.discard(int(number))
        return int(number)

    def send_post(self, number: int, due: int) -> bool:
        """Post on the WebSocket."""
        run = self.crew.run
        message = {"type": "post", "ref": f"{run}-{number}", "text": write_text(run, number, due)}
        if not self.send(frames.build_frame(frames.TEXT, encode(message))):
            return False
        self.pending.add(number)
        self.crew.ledger.note_post(number, due, self.number, monotonic_ns())
        return True

    def drop(self) -> None:
        """Leave with a close frame; answers on their way are given up."""
        self.send(GOING_AWAY)
        self.close()
        self.crew.ledger.give_up(self.pending)
        self.pending.clear()
        self.life = Life.NEW
