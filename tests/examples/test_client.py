"""The clients in examples/ as their readers run them: lines in, lines out, and a real server.

client.mjs uses nothing but docs/protocol.md: a failure may mean that the document is incomplete.
"""

from __future__ import annotations

import contextlib
import json
import queue
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import IO

import pytest
from websocket import create_connection

from tests.support.javascript import NODE
from tests.support.server_process import ROOT, ServerProcess

RESPONSE_SECONDS = 20
PROGRAMS = {"client.py": sys.executable, "client.mjs": str(NODE)}


class Running:
    """A running example: ``type_line`` writes to its stdin, ``next_line`` reads its stdout.

    ``next_note`` reads its stderr.
    """

    def __init__(self, name: str, url: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [PROGRAMS[name], str(ROOT / "examples" / name), url, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._notes: queue.Queue[str] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(pipe, lines))
            for pipe, lines in (
                (self.process.stdout, self._lines),
                (self.process.stderr, self._notes),
            )
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe: IO[str], lines: queue.Queue[str]) -> None:
        for line in pipe:
            lines.put(line.rstrip("\n"))

    def type_line(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def next_line(self) -> str:
        return self._lines.get(timeout=RESPONSE_SECONDS)

    def next_note(self, seconds: float = RESPONSE_SECONDS) -> str:
        return self._notes.get(timeout=seconds)

    def leave(self) -> int:
        """End its input, as Ctrl-D does, and return its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(RESPONSE_SECONDS)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.fixture(params=PROGRAMS)
def run_client(request: pytest.FixtureRequest) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def run(*arguments: str) -> Running:
        started.append(Running(request.param, *arguments))
        return started[-1]

    yield run
    for running in started:
        running.close()


class Relay:
    """Passes connections on to a server, and nothing while ``is_silent``.

    ``cuts_first``: of its first answer the handshake alone comes through.
    """

    def __init__(self, port: int, *, cuts_first: bool = False) -> None:
        self.is_silent = False
        self._cuts_first = cuts_first
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept_all, daemon=True).start()

    def _accept_all(self) -> None:
        is_first = self._cuts_first
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                for carry in ((near, far, False), (far, near, is_first)):
                    threading.Thread(target=self._carry, args=carry, daemon=True).start()
                is_first = False

    def _carry(self, source: socket.socket, sink: socket.socket, is_cut: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                if is_cut:
                    sink.sendall(data[: data.index(b"\r\n\r\n") + 4])
                    break
                if not self.is_silent:
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listener.close()


def follow(server: ServerProcess, room: str, name: str):
    """Join with the bare library, to post and receive as another viewer."""
    return create_connection(
        f"{server.ws_url}/ws/{room}?name={name}&history=300", timeout=RESPONSE_SECONDS
    )


def receive_comments(connection, count: int) -> list[dict]:
    """Read until so many comments came, and return them."""
    comments: list[dict] = []
    while len(comments) < count:
        comments += json.loads(connection.recv()).get("entries", [])
    return comments


def receive_texts(connection, count: int) -> list[str]:
    return [comment["text"] for comment in receive_comments(connection, count)]


def post(connection, text: str) -> None:
    connection.send(json.dumps({"type": "post", "text": text}))


def test_client_prints_comments_of_others_and_posts_what_it_reads(
    server: ServerProcess, room: str, run_client: Callable[..., Running]
) -> None:
    other = follow(server, room, "Ana")
    post(other, "said before")
    assert receive_texts(other, 1) == ["said before"]
    client = run_client(f"{server.ws_url}/ws/{room}")
    assert client.next_line() == "Ana: said before"
    client.type_line("a line")
    client.type_line("弹幕 🎉")
    assert receive_texts(other, 2) == ["a line", "弹幕 🎉"]
    post(other, "said after")
    # Its own comments were not printed in between.
    assert client.next_line() == "Ana: said after"
    other.close()


def test_client_posts_what_it_was_given_before_it_leaves(
    server: ServerProcess, room: str, run_client: Callable[..., Running]
) -> None:
    client = run_client(f"{server.ws_url}/ws/{room}")
    client.type_line("only passing")
    assert client.leave() == 0
    late = follow(server, room, "Late")
    assert receive_texts(late, 1) == ["only passing"]
    late.close()


def test_post_of_a_client_that_lost_its_welcome_is_shown_once(
    server: ServerProcess, room: str, run_client: Callable[..., Running]
) -> None:
    other = follow(server, room, "Ana")
    with contextlib.closing(Relay(server.port, cuts_first=True)) as relay:
        client = run_client(f"ws://127.0.0.1:{relay.port}/ws/{room}")
        client.type_line("once")
        assert receive_texts(other, 1) == ["once"]
        post(other, "and then")
        assert client.next_line() == "Ana: and then"
        client.type_line("at the end")
        assert receive_texts(other, 2) == ["and then", "at the end"]
    other.close()


def test_client_resumes_as_the_same_user_after_a_server_restart(
    start_server: Callable[..., ServerProcess], room: str, run_client: Callable[..., Running]
) -> None:
    server = start_server("--post-rate", "0")
    before = follow(server, room, "Ana")
    client = run_client(f"{server.ws_url}/ws/{room}")
    client.type_line("here")
    first = receive_comments(before, 1)[0]
    post(before, "before")
    assert client.next_line() == "Ana: before"
    server.restart()
    after = follow(server, room, "Ben")
    assert receive_texts(after, 2) == ["here", "before"]
    for number in range(3):
        post(after, f"after {number}")
    assert [client.next_line() for _ in range(3)] == [f"Ben: after {n}" for n in range(3)]
    client.type_line("still here")
    last = receive_comments(after, 4)[-1]
    assert (last["text"], last["user"]) == ("still here", first["user"])
    for connection in (before, after):
        connection.close()


def test_client_reports_a_lost_connection_and_the_next_one(
    start_server: Callable[..., ServerProcess], room: str, run_client: Callable[..., Running]
) -> None:
    server = start_server()
    client = run_client(f"{server.ws_url}/ws/{room}")
    assert client.next_note() == "(connected)"
    server.restart()
    notes = [client.next_note()]
    while notes[-1] != "(connected)":
        notes.append(client.next_note())
    assert any(note.startswith("(disconnected") for note in notes)


def test_client_whose_post_closed_the_connection_reports_it_and_exits(
    server: ServerProcess, room: str, run_client: Callable[..., Running]
) -> None:
    client = run_client(f"{server.ws_url}/ws/{room}")
    assert client.next_note() == "(connected)"
    client.type_line("x" * 9_000)  # more than the server takes
    assert client.leave() == 1
    assert "larger than 8 KiB" in client.next_note()
    assert client.next_note().startswith("(disconnected")
    assert client.next_note() == "(lines not posted: 1)"


def test_client_reports_missing_comments_when_the_room_has_a_new_epoch(
    start_server: Callable[..., ServerProcess], room: str, run_client: Callable[..., Running]
) -> None:
    server = start_server()
    client = run_client(f"{server.ws_url}/ws/{room}")
    assert client.next_note() == "(connected)"
    server.kill()
    server.database = server.database.with_name("another.db")
    server.start()
    notes = [client.next_note()]
    while notes[-1] != "(connected)":
        notes.append(client.next_note())
    assert "(some comments are missing)" in notes


def test_client_misses_nothing_when_the_server_is_killed(
    start_server: Callable[..., ServerProcess], room: str, run_client: Callable[..., Running]
) -> None:
    server = start_server("--post-rate", "0")
    before = follow(server, room, "Ana")
    client = run_client(f"{server.ws_url}/ws/{room}")
    post(before, "before")
    assert client.next_line() == "Ana: before"
    before.close()
    server.kill()
    client.type_line("meanwhile")
    server.start()
    after = follow(server, room, "Ben")
    post(after, "after")
    assert client.next_line() == "Ben: after"
    assert sorted(receive_texts(after, 3)) == ["after", "before", "meanwhile"]
    after.close()


def test_client_whose_cursor_is_ahead_takes_the_room_as_it_is(
    start_server: Callable[..., ServerProcess], room: str, run_client: Callable[..., Running]
) -> None:
    server = start_server("--post-rate", "0")
    other = follow(server, room, "Ana")
    post(other, "one")
    assert receive_texts(other, 1) == ["one"]
    other.close()
    server.stop()
    copy = server.database.with_name("copy.db")
    shutil.copy(server.database, copy)
    shutil.copy(f"{server.database}.secret", f"{copy}.secret")
    server.start()
    other = follow(server, room, "Ana")
    client = run_client(f"{server.ws_url}/ws/{room}")
    assert client.next_line() == "Ana: one"
    for text in ("two", "three"):
        post(other, text)
        assert client.next_line() == f"Ana: {text}"
    other.close()
    server.kill()
    server.database = copy
    server.start()
    assert client.next_line() == "Ana: one"
    notes = []
    while "(some comments are missing)" not in notes:
        notes.append(client.next_note())
    other = follow(server, room, "Ben")
    post(other, "another two")
    assert client.next_line() == "Ben: another two"
    other.close()


def test_client_whose_session_is_refused_goes_on_as_another_guest(
    start_server: Callable[..., ServerProcess], room: str, run_client: Callable[..., Running]
) -> None:
    server = start_server("--post-rate", "0", "--secret", "x" * 32)
    client = run_client(f"{server.ws_url}/ws/{room}")
    before = follow(server, room, "Ana")
    client.type_line("before")
    first = receive_comments(before, 1)[0]
    post(before, "seen")
    assert client.next_line() == "Ana: seen"  # so its own post has been answered
    before.close()
    server.stop()
    server.flags = (*server.flags[:-1], "y" * 32)
    client.type_line("meanwhile")
    server.start()
    after = follow(server, room, "Ben")
    assert receive_texts(after, 3) == ["before", "seen", "meanwhile"]
    client.type_line("after")
    last = receive_comments(after, 1)[0]
    assert (last["text"], last["user"] == first["user"]) == ("after", False)
    after.close()


@pytest.mark.parametrize("run_client", ["client.mjs"], indirect=True)
@pytest.mark.parametrize("notices", ["after a silence", "with a post"])
def test_client_notices_that_its_connection_was_swallowed(
    server: ServerProcess, room: str, run_client: Callable[..., Running], notices: str
) -> None:
    with contextlib.closing(Relay(server.port)) as relay:
        quiet = "0.5" if notices == "after a silence" else "45"
        client = run_client(f"ws://127.0.0.1:{relay.port}/ws/{room}", quiet, "0.5")
        assert client.next_note() == "(connected)"
        relay.is_silent = True
        if notices == "with a post":
            client.type_line("once")
        assert client.next_note() == "(disconnected)"
        relay.is_silent = False
        assert client.next_note() == "(connected)"
        if notices == "after a silence":
            client.type_line("once")
        other = follow(server, room, "Ana")
        assert receive_texts(other, 1) == ["once"]
        other.close()


@pytest.mark.parametrize("run_client", ["client.mjs"], indirect=True)
def test_client_in_a_quiet_room_stays_connected(
    server: ServerProcess, room: str, run_client: Callable[..., Running]
) -> None:
    client = run_client(f"{server.ws_url}/ws/{room}", "0.05", "5")
    assert client.next_note() == "(connected)"
    with pytest.raises(queue.Empty):
        client.next_note(0.5)  # the silence itself


def test_rejected_client_prints_the_reason_and_does_not_reconnect(
    start_server: Callable[..., ServerProcess], run_client: Callable[..., Running]
) -> None:
    server = start_server("--rooms", "open")
    client = run_client(f"{server.ws_url}/ws/closed")
    assert "This room does not exist on this server." in client.next_note()
    client.type_line("in vain")
    assert client.leave() == 1


def test_client_enters_a_server_that_was_full(
    start_server: Callable[..., ServerProcess], room: str, run_client: Callable[..., Running]
) -> None:
    server = start_server("--max-viewers", "1")
    first = follow(server, room, "Ana")
    client = run_client(f"{server.ws_url}/ws/{room}")
    assert "The server is full." in client.next_note()
    first.close()
    while client.next_note() != "(connected)":
        pass
