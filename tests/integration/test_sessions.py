"""Sessions: a guest is the same over reconnects, restarts and transports, and cannot be forged."""

from __future__ import annotations

import asyncio
import json
import stat
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from websocket import WebSocket, create_connection

from chat.client import Client
from tests.support.server_process import ServerProcess

RESPONSE_SECONDS = 20
FOREIGN = jwt.encode({"iss": "danmaku", "sub": "g-1", "name": "Eve"}, "x" * 64, "HS256")
UNSIGNED = jwt.encode({"iss": "danmaku", "sub": "g-1", "name": "Eve"}, None, "none")


def join(server: ServerProcess, room: str, query: str = "") -> tuple[WebSocket, dict[str, Any]]:
    socket = create_connection(f"{server.ws_url}/ws/{room}?{query}", timeout=RESPONSE_SECONDS)
    return socket, json.loads(socket.recv())


def ask(socket: WebSocket, expected: str, **message: Any) -> dict[str, Any]:
    socket.send(json.dumps(message))
    while (answer := json.loads(socket.recv()))["type"] != expected:
        pass
    return answer


def post_over_http(
    server: ServerProcess, room: str, token: str | None, **body: Any
) -> tuple[int, dict[str, Any]]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(
        f"{server.url}/api/rooms/{room}/comments", json.dumps(body).encode(), headers
    )
    try:
        with urllib.request.urlopen(request, timeout=RESPONSE_SECONDS) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def become_guest(server: ServerProcess, **body: Any) -> dict[str, Any]:
    request = urllib.request.Request(f"{server.url}/api/session", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=RESPONSE_SECONDS) as answer:
        return json.load(answer)


def author_of_last(server: ServerProcess, room: str) -> tuple[str, str]:
    with urllib.request.urlopen(f"{server.url}/api/rooms/{room}/entries?limit=1") as answer:
        (entry,) = json.load(answer)["entries"]
    return entry["user"], entry["name"]


def change_signature(token: str) -> str:
    return token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]


def test_session_makes_the_next_connection_the_same_guest(server: ServerProcess, room: str) -> None:
    first, welcome = join(server, room)
    first.close()
    second, other = join(server, room)
    assert other["user"] != welcome["user"]
    identity = ask(second, "identity", type="auth", token=welcome["session"])
    assert (identity["user"], identity["name"]) == (welcome["user"], welcome["name"])
    ask(second, "ack", type="post", ref="k1", text="hi")
    assert author_of_last(server, room) == (welcome["user"], welcome["name"])
    second.close()


def test_name_chosen_at_the_connection_replaces_the_sessions(
    server: ServerProcess, room: str
) -> None:
    first, welcome = join(server, room, "name=Ana")
    first.close()
    second, _ = join(server, room, "name=Anna")
    identity = ask(second, "identity", type="auth", token=welcome["session"])
    assert (identity["user"], identity["name"]) == (welcome["user"], "Anna")
    second.close()


@pytest.mark.parametrize("how", ["changed", "foreign", "unsigned", "nonsense"])
def test_invalid_token_is_rejected_and_the_viewer_stays_a_new_guest(
    server: ServerProcess, room: str, how: str
) -> None:
    socket, welcome = join(server, room)
    token = {
        "changed": change_signature(welcome["session"]),
        "foreign": FOREIGN,
        "unsigned": UNSIGNED,
        "nonsense": "…",
    }[how]
    assert ask(socket, "reject", type="auth", token=token)["code"] == "bad_token"
    ask(socket, "ack", type="post", ref="k1", text="hi")
    assert author_of_last(server, room) == (welcome["user"], welcome["name"])
    socket.close()
    status, answer = post_over_http(server, room, token.replace("…", "x"), text="hi")
    assert (status, answer["error"]["code"]) == (401, "bad_token")


def test_session_from_a_post_over_http_is_valid_for_every_transport(
    server: ServerProcess, room: str
) -> None:
    status, posted = post_over_http(server, room, None, text="hi", name="Ana", ref="k1")
    assert status == 201
    user, name = author_of_last(server, room)
    assert name == "Ana"
    _, again = post_over_http(server, room, posted["session"], text="hi", ref="k1")
    assert (again["seq"], again["dup"], "session" in again) == (posted["seq"], True, False)
    socket, _ = join(server, room)
    identity = ask(socket, "identity", type="auth", token=posted["session"])
    assert (identity["user"], identity["name"]) == (user, "Ana")
    socket.close()


def test_two_different_posts_without_a_session_are_both_stored(
    server: ServerProcess, room: str
) -> None:
    same = {"name": "Ana", "ref": "1"}
    answers = [post_over_http(server, room, None, text=text, **same)[1] for text in ("a", "b")]
    assert [answer["seq"] for answer in answers] == [1, 2]
    assert not any("dup" in answer for answer in answers)
    guests = {
        jwt.decode(answer["session"], options={"verify_signature": False})["sub"]
        for answer in answers
    }
    assert len(guests) == 2


def test_session_is_returned_for_the_first_post_and_not_for_a_repeated_one(
    server: ServerProcess, room: str
) -> None:
    post = {"text": "hi", "name": "Ana", "ref": "1"}
    first, again = (post_over_http(server, room, None, **post)[1] for _ in range(2))
    assert "session" in first
    assert (again["seq"], again["dup"], "session" in again) == (1, True, False)
    _, elsewhere = post_over_http(server, room + "-2", None, **post)
    assert elsewhere["session"] != first["session"]


def test_post_over_http_without_an_answer_is_shown_once_when_retried_over_websocket(
    server: ServerProcess, room: str
) -> None:
    guest = become_guest(server, name="Ana")
    assert (guest["name"], guest["role"]) == ("Ana", "viewer")
    kept = post_over_http(server, room, guest["session"], text="hi", ref="k1")[1]
    socket, _ = join(server, room)
    identity = ask(socket, "identity", type="auth", token=guest["session"])
    assert (identity["user"], identity["name"]) == (guest["user"], "Ana")
    again = ask(socket, "ack", type="post", ref="k1", text="hi")
    assert (again["seq"], again["dup"]) == (kept["seq"], True)
    socket.close()


def test_guest_with_an_invalid_name_is_rejected(server: ServerProcess) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        become_guest(server, name=" ")
    assert (refused.value.code, json.load(refused.value)["error"]["code"]) == (422, "name_empty")


def test_renamed_guest_has_the_newest_name_with_the_session_that_came_with_it(
    server: ServerProcess, room: str
) -> None:
    socket, welcome = join(server, room, "name=Ana")
    renamed = ask(socket, "identity", type="rename", name="Anna")
    socket.close()
    socket, _ = join(server, room)
    identity = ask(socket, "identity", type="auth", token=renamed["session"])
    assert (identity["user"], identity["name"]) == (welcome["user"], "Anna")
    socket.close()
    status, posted = post_over_http(server, room, identity["session"], text="hi", name="Annabel")
    assert status == 201
    socket, _ = join(server, room)
    identity = ask(socket, "identity", type="auth", token=posted["session"])
    assert (identity["user"], identity["name"]) == (welcome["user"], "Annabel")
    socket.close()


def test_retry_after_a_lost_ack_and_a_restart_is_a_duplicate(
    start_server: Callable[..., ServerProcess], room: str
) -> None:
    server = start_server()
    first, welcome = join(server, room)
    kept = ask(first, "ack", type="post", ref="k1", text="hi")
    server.kill()
    server.start()
    second, _ = join(server, room, f"cursor={welcome['epoch']}:{welcome['seq']}")
    ask(second, "identity", type="auth", token=welcome["session"])
    again = ask(second, "ack", type="post", ref="k1", text="hi")
    assert (again["epoch"], again["seq"], again["dup"]) == (kept["epoch"], kept["seq"], True)
    second.close()


def test_secret_is_created_once_and_readable_only_by_its_owner(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server()
    secret = server.database.with_name(server.database.name + ".secret")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    before = secret.read_bytes()
    server.restart()
    assert secret.read_bytes() == before


def test_configured_secret_is_shared_by_servers_with_other_databases(
    start_server: Callable[..., ServerProcess], room: str
) -> None:
    servers = [start_server("--secret", "correct horse battery staple wing") for _ in range(2)]
    first, welcome = join(servers[0], room)
    second, _ = join(servers[1], room)
    identity = ask(second, "identity", type="auth", token=welcome["session"])
    assert identity["user"] == welcome["user"]
    for socket in (first, second):
        socket.close()


def test_python_client_is_the_same_guest_after_a_restart(
    start_server: Callable[..., ServerProcess], room: str
) -> None:
    server = start_server("--post-rate", "0")

    async def steps() -> None:
        async with Client(f"{server.ws_url}/ws/{room}", name="Robot") as client:
            await client.post("before")
            await asyncio.to_thread(server.restart)
            await client.post("after")
            found = [await anext(client), await anext(client)]
            assert {entry.text for entry in found} == {"before", "after"}
            assert len({entry.user for entry in found}) == 1
            assert client.identity is not None
            assert client.identity.user == found[0].user

    asyncio.run(asyncio.wait_for(steps(), 30))


def test_python_client_with_a_foreign_session_becomes_a_new_guest(
    server: ServerProcess, room: str
) -> None:
    async def steps() -> None:
        async with Client(f"{server.ws_url}/ws/{room}", session=FOREIGN) as client:
            await client.post("hi")
            entry = await anext(client)
            assert client.welcome is not None
            assert entry.user == client.welcome.user
            assert client.session == client.welcome.session

    asyncio.run(asyncio.wait_for(steps(), 30))
