"""A small server that speaks the protocol correctly, except for one fault of the test's choice.

With it the tests show that the load tester detects each fault in `FAULTS`.
`python -m tests.loadtest.stub_server FAULT` listens on a free port, prints the port, and ends when
its standard input is closed. Everything is kept in memory, in one epoch, without limits.
`/api/rooms/ROOM/took` answers how long it had each comment, by its own clock.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import sys
import time
import zlib
from urllib.parse import parse_qs, urlsplit

from websockets.frames import Opcode

from tests.support.websocket_frames import FrameDecoder, encode_close, encode_frame

FAULTS = {
    "none": "does everything right",
    "lose": "leaves a batch out for one viewer",
    "omit": "leaves an entry out of a batch and covers it by the range",
    "reorder": "sends two batches to one viewer in reverse order",
    "duplicate": "sends a batch to one viewer twice",
    "shuffle": "reverses the entries of a batch",
    "close": "closes one viewer with 4008 in the middle",
    "reset": "resets one viewer's connection without a close frame",
    "delay": "delivers everything 150 ms late",
    "stall": "stalls for half a second once",
    "forget": "acks a post and does not deliver it",
    "mute": "does not answer one post in ten",
    "reject": "rejects one post in ten",
    "thin": "omits every third entry and reports it",
    "skip": "skips every fifth batch and reports it",
    "split": "sends every frame in three pieces",
    "ping": "pings, and closes connections that do not answer",
    "refuse": "refuses every tenth handshake with 503",
    "shut": "refuses every handshake with 503",
    "amnesia": "never recovers a cursor",
    "gap": "recovers a cursor without the first missed entry",
    "garbage": "sends a frame that is no JSON",
    "contradict": "shows one viewer another text under the same seq",
}
ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
EPOCH = "stub1"


def encode(payload: bytes, opcode: Opcode = Opcode.TEXT) -> bytes:
    return encode_frame(opcode, payload, mask=False)


def encode_compressed(payload: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    packed = (deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
    return encode_frame(Opcode.TEXT, packed, rsv1=True, mask=False)


class Room:
    def __init__(self) -> None:
        self.bodies: list[dict] = []
        self.viewers: list[Viewer] = []
        self.new_entries = asyncio.Event()
        self.waves = 0
        self.posts = 0
        self.waiting: list[dict] = []
        self.taken_at: dict[int, float] = {}  # by seq
        self.took: list[float] = []  # seconds from taking a comment until it went out

    @property
    def head(self) -> int:
        return len(self.bodies)


class Viewer:
    def __init__(self, number: int, writer: asyncio.StreamWriter, deflate: bool) -> None:
        self.number = number
        self.writer = writer
        self.deflate = deflate
        self.held: bytes | None = None
        self.ponged = True
        self.pieces: list[bytes] | None = None  # to go out one by one

    def send(self, message: dict) -> None:
        payload = json.dumps(message, separators=(",", ":")).encode()
        self.write(encode_compressed(payload) if self.deflate else encode(payload))

    def write(self, frame: bytes) -> None:
        if self.pieces is None:
            self.writer.write(frame)
            return
        if not self.pieces:
            asyncio.get_running_loop().call_soon(self.write_piece)
        third = len(frame) // 3
        self.pieces += [frame[:third], frame[third : 2 * third], frame[2 * third :]]

    def write_piece(self) -> None:
        assert self.pieces
        self.writer.write(self.pieces.pop(0))
        if self.pieces:
            asyncio.get_running_loop().call_later(0.0002, self.write_piece)


class Stub:
    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.rooms: dict[str, Room] = {}
        self.connections = 0
        self.done: set[str] = set()

    def once(self, what: str) -> bool:
        if what in self.done:
            return False
        self.done.add(what)
        return True

    # --- posting ---

    def post(self, room: Room, message: dict) -> dict | None:
        """The answer: an ack, a reject, or nothing."""
        room.posts += 1
        ref = message.get("ref")
        if self.fault == "mute" and room.posts % 10 == 0:
            return None
        if self.fault == "reject" and room.posts % 10 == 0:
            return {
                "type": "reject",
                "ref": ref,
                "code": "too_fast",
                "message": "Slower.",
                "retry_after": 1,
            }
        seq = room.head + 1
        text = "something else" if self.fault == "forget" and room.posts == 5 else message["text"]
        entry = {
            "kind": "comment",
            "seq": seq,
            "user": "g-1",
            "name": "Stub",
            "text": text,
            "at": 0,
        }
        room.bodies.append(entry)
        room.taken_at[seq] = time.monotonic()
        room.waiting.append(entry)
        if len(room.waiting) == 1:
            delay = 0.005
            if self.fault == "stall" and seq > 10 and self.once("stall"):
                delay = 0.5
            asyncio.get_running_loop().call_later(delay, self.wave, room)
        return {"type": "ack", "ref": ref, "epoch": EPOCH, "seq": seq}

    def wave(self, room: Room) -> None:
        entries, room.waiting = room.waiting, []
        room.waves += 1
        first, last = entries[0]["seq"], entries[-1]["seq"]
        batch = {"type": "batch", "epoch": EPOCH, "first": first, "last": last, "entries": entries}
        fifth = room.waves == 5
        if self.fault == "thin":
            batch["entries"] = [entry for entry in entries if entry["seq"] % 3]
            if left_out := len(entries) - len(batch["entries"]):
                batch["thinned"] = left_out
        elif self.fault == "omit" and fifth:
            batch["entries"] = entries[1:]
        elif self.fault == "shuffle" and len(entries) > 1:
            batch["entries"] = entries[::-1]
        elif self.fault == "skip" and room.waves % 5 == 0:
            batch = {"type": "skip", "first": first, "last": last, "why": "slow"}
        if self.fault == "delay":
            asyncio.get_running_loop().call_later(0.15, self.deliver, room, batch)
        else:
            self.deliver(room, batch)

    def deliver(self, room: Room, batch: dict) -> None:
        fifth = room.waves == 5
        payload = json.dumps(batch, separators=(",", ":")).encode()
        plain, small = encode(payload), encode_compressed(payload)
        now = time.monotonic()
        room.took += [now - room.taken_at[entry["seq"]] for entry in batch.get("entries", ())]
        victim = room.viewers[len(room.viewers) // 2] if room.viewers else None
        for viewer in list(room.viewers):
            frame = small if viewer.deflate else plain
            if viewer is victim and not self.treat(viewer, frame, fifth, batch):
                continue
            viewer.write(frame)
            if self.fault == "ping" and room.waves % 10 == 0:
                if not viewer.ponged:
                    viewer.write(encode_close(4001, mask=False))
                viewer.ponged = False
                viewer.write(encode(b"still there?", Opcode.PING))
        room.new_entries.set()
        room.new_entries = asyncio.Event()

    def treat(self, viewer: Viewer, frame: bytes, fifth: bool, batch: dict) -> bool:
        """Apply the fault to the chosen viewer; return whether the frame is sent as well."""
        if viewer.held:
            viewer.write(frame + viewer.held)
            viewer.held = None
            return False
        if not fifth:
            return True
        match self.fault:
            case "lose":
                return False
            case "reorder":
                viewer.held = frame
                return False
            case "duplicate":
                viewer.write(frame)
            case "close":
                viewer.write(encode_close(4008, "go", mask=False))
            case "reset":
                viewer.writer.transport.abort()
                return False
            case "garbage":
                viewer.write(encode(b"{nonsense"))
            case "contradict":
                other = json.loads(json.dumps(batch).replace("load ", "load ", 1))
                words = other["entries"][0]["text"].split(" ")
                words[2] = str(int(words[2]) + 1000)
                other["entries"][0]["text"] = " ".join(words)
                viewer.send(other)
                return False
        return True

    # --- connections ---

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                request, *lines = head.split("\r\n")
                method, target, _ = request.split(" ")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in lines)
                }
                path = urlsplit(target)
                query = {name: values[0] for name, values in parse_qs(path.query).items()}
                if path.path.startswith("/ws/"):
                    await self.serve_viewer(reader, writer, headers, path.path[4:], query)
                    break
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                room = self.rooms.setdefault(path.path.split("/")[3], Room())
                if path.path.endswith("/took"):
                    self.answer(writer, 200, {"seconds": room.took})
                elif method == "POST":
                    answer = self.post(room, json.loads(body))
                    if answer and answer["type"] == "reject":
                        self.answer(writer, 429, {"error": answer})
                    elif answer:
                        self.answer(writer, 201, answer)
                else:
                    self.answer(writer, 200, await self.read_entries(room, query))
        writer.close()

    def answer(self, writer: asyncio.StreamWriter, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)

    async def read_entries(self, room: Room, query: dict[str, str]) -> dict:
        limit = int(query.get("limit", 50))
        page = {"epoch": EPOCH, "recovered": True, "reason": None}
        if "after" not in query:
            after = max(0, room.head - limit)
            page["recovered"] = False
        else:
            after = int(query["after"].split(":")[1])
            if after >= room.head:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(
                        room.new_entries.wait(), min(1.0, float(query.get("wait", 0))) or 0.001
                    )
        entries = room.bodies[after : after + limit]
        if self.fault == "lose" and "after" in query and len(entries) > 2 and self.once("lose"):
            entries = entries[1:]
        first = entries[0]["seq"] if entries else after + 1
        return page | {
            "first": first,
            "last": after + limit if len(entries) == limit else room.head,
            "head": room.head,
            "entries": entries,
        }

    async def serve_viewer(self, reader, writer, headers, name, query) -> None:
        self.connections += 1
        if self.fault == "shut" or (self.fault == "refuse" and self.connections % 10 == 0):
            writer.write(b"HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n")
            return
        accept = base64.b64encode(
            hashlib.sha1(headers["sec-websocket-key"].encode() + ACCEPT_SUFFIX).digest()
        ).decode()
        deflate = "server_no_context_takeover" in headers.get("sec-websocket-extensions", "")
        extension = (
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
            "client_no_context_takeover\r\n"
            if deflate
            else ""
        )
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"{extension}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        room = self.rooms.setdefault(name, Room())
        viewer = Viewer(self.connections, writer, deflate)
        viewer.pieces = [] if self.fault == "split" else None
        self.welcome(room, viewer, name, query.get("cursor"))
        # What waits for the next wave reaches the newcomer through it, so its place is before that.
        room.viewers.append(viewer)
        try:
            await self.read_frames(reader, room, viewer)
        finally:
            room.viewers.remove(viewer)

    def welcome(self, room: Room, viewer: Viewer, name: str, cursor: str | None) -> None:
        seq = room.head - len(room.waiting)
        message = {
            "type": "welcome",
            "room": name,
            "epoch": EPOCH,
            "seq": seq,
            "recovered": False,
            "entries": [],
        }
        if cursor and self.fault == "amnesia":
            message["reason"] = "trimmed"
        elif cursor:
            after = int(cursor.split(":")[1]) + (self.fault == "gap")
            message |= {"recovered": True, "entries": room.bodies[after:seq]}
        viewer.send(message)

    async def read_frames(self, reader: asyncio.StreamReader, room: Room, viewer: Viewer) -> None:
        decoder = FrameDecoder(mask=True)
        while data := await reader.read(1 << 16):
            for frame in decoder.feed(data):
                match frame.opcode:
                    case Opcode.TEXT:
                        answer = self.post(room, json.loads(frame.data))
                        if answer:
                            viewer.send(answer)
                    case Opcode.CLOSE:
                        return
                    case Opcode.PONG:
                        viewer.ponged = frame.data == b"still there?"


async def main() -> None:
    stub = Stub(sys.argv[1])
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # without closing the connections


if __name__ == "__main__":
    asyncio.run(main())
