"""A viewer on a WebSocket. The loop in `on_data` is the tester's hot path.

Compression with a context between messages is refused: every viewer would need a decompressor.
"""

from __future__ import annotations

import base64
from random import randbytes
from time import monotonic_ns

import msgspec

from chat.core.frames import CLOSE, PING, PONG, TEXT, FrameError, build_masked, inflate, read_frame
from chat.core.handshake import accept_key
from chat.loadtest.connection import HEAD_LIMIT, MESSAGE_LIMIT
from chat.loadtest.messages import UNREADABLE, decode
from chat.loadtest.schedule import write_text
from chat.loadtest.viewer import Viewer, ViewerState

KEY = base64.b64encode(randbytes(16)).decode()  # one serves a whole process
DEFLATE_OFFER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
GOING_AWAY = (1001).to_bytes(2, "big")
NO_STATUS = 1005  # a close frame without a code (RFC 6455, section 7.1.5)
encode = msgspec.json.Encoder().encode


class WebSocketViewer(Viewer):
    """Follows its room by a WebSocket, and posts on it."""

    __slots__ = ("pending", "upgraded")

    def on_connect(self) -> None:
        """Send the handshake, with the cursor if there is one."""
        options = self.context.options
        path = f"{options.target.prefix}/ws/{self.room}?history={options.history}"
        if self.tracker.joined >= 0:
            path += f"&cursor={self.tracker.cursor}"
        self.upgraded = False
        self.pending: set[int] = set()  # posts without an answer
        offer = f"Sec-WebSocket-Extensions: {DEFLATE_OFFER}\r\n" if options.compress else ""
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {options.target.authority}\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
            f"{offer}User-Agent: chat.loadtest\r\n\r\n"
        )
        self.send(request.encode())

    def _read_handshake(self, data: bytes) -> int:
        """Return where the frames begin; 0 while the response is not complete."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > HEAD_LIMIT:
                raise FrameError(1002, "the response to the handshake has no end")
            return 0
        status, *lines = data[:end].split(b"\r\n")
        pairs = (line.partition(b":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        extensions = headers.get(b"sec-websocket-extensions", b"")
        words = status.split(b" ", 2)
        if words[1:2] != [b"101"]:
            self.fail(f"HTTP {words[1].decode('latin-1')}" if len(words) > 1 else "no HTTP")
        elif headers.get(b"sec-websocket-accept") != accept_key(KEY):
            self.fail("wrong Sec-WebSocket-Accept")
        elif extensions and b"server_no_context_takeover" not in extensions:
            self.fail("compression with a context for each viewer")
        else:
            self.upgraded = True
            if self.tracker.joined < 0:
                self.context.recorder.counters.compressed += bool(extensions)
        return end + 4

    def on_data(self, data: bytes) -> None:
        """Compare with the cached batches that are expected next; decode only what is not there."""
        if self.rest:
            data = self.rest + data
        try:
            position = 0 if self.upgraded else self._read_handshake(data)
            size = len(data)
            tracker = self.tracker
            while position < size and self.upgraded:
                for batch in self.batch_cache.get(tracker.seq + 1, ()):
                    if data.startswith(batch.data, position):
                        batch.receipts.append(monotonic_ns())
                        tracker.seq = batch.last
                        position += len(batch.data)
                        break
                else:
                    frame = read_frame(data, position, MESSAGE_LIMIT)
                    if frame is None or frame.end > size:
                        break
                    payload = data[frame.start : frame.end]
                    if frame.compressed:
                        payload = inflate(payload, MESSAGE_LIMIT)
                    self._on_frame(frame.opcode, payload, data[position : frame.end])
                    position = frame.end
                    if self.socket is None:
                        return
            self.rest = data[position:]
        except FrameError as problem:
            self.fail_protocol(str(problem))
        except UNREADABLE as problem:
            self.fail_protocol(f"a message that cannot be read: {problem}")

    def _on_frame(self, opcode: int, payload: bytes, frame: bytes) -> None:
        if opcode == TEXT:
            self._on_message(payload, frame)
            return
        self.context.recorder.counters.received_bytes += len(frame)
        if opcode == PING:
            self._send_frame(PONG, payload)
        elif opcode == CLOSE:
            self._send_frame(CLOSE, payload[:2])
            code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else NO_STATUS
            self.fail(str(code))
        elif opcode != PONG:
            raise FrameError(1002, f"a frame with opcode {opcode}")

    def _on_message(self, payload: bytes, frame: bytes) -> None:
        """Handle a message by its type; unknown ones are ignored."""
        message = decode(payload)
        recorder = self.context.recorder
        if message.type == "batch":
            self.record_batch(frame, message)
            return
        recorder.counters.received_bytes += len(frame)
        match message.type:
            case "ack":
                number = self._find_post(message.ref)
                if number is not None:
                    recorder.record_ack(self.room, number, message)
            case "reject":
                recorder.record_rejection(self._find_post(message.ref), str(message.code))
            case "skip":
                self.skip(message.first or 0, message.last or 0)
            case "welcome":
                self.on_welcome(message, message.seq)

    def _find_post(self, ref: str | None) -> int | None:
        """Return the post with a `ref`; None if it is not of this run."""
        run, _, number = (ref or "").partition("-")
        if run != self.context.run or not number.isdecimal():
            return None
        self.pending.discard(int(number))
        return int(number)

    def _send_frame(self, opcode: int, payload: bytes) -> bool:
        return self.send(build_masked(opcode, payload, randbytes(4)))

    def send_post(self, number: int, due: int) -> bool:
        run = self.context.run
        message = {"type": "post", "ref": f"{run}-{number}", "text": write_text(run, number, due)}
        if not self._send_frame(TEXT, encode(message)):
            return False
        self.pending.add(number)
        self.context.recorder.record_post(number, due, self.number)
        return True

    def disconnect(self) -> None:
        """Send a close frame; pending answers are given up."""
        self._send_frame(CLOSE, GOING_AWAY)
        self.close()
        self.context.recorder.give_up(self.pending)
        self.pending.clear()
        self.state = ViewerState.NEW
