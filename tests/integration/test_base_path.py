"""A server under a base path, behind proxies that pass the path on and that remove it."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.client import Client
from tests.support.api import Api
from tests.support.server_process import ROOT, ServerProcess
from tests.support.viewer import Viewer

BASE = "/danmaku"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    running = ServerProcess(tmp_path_factory.mktemp("base") / "danmaku.db", "--base-path", BASE)
    yield running.start()
    running.close()


@pytest.mark.parametrize("prefix", [BASE, ""], ids=["passed on", "removed"])
@pytest.mark.parametrize(
    "path", ["/", "/r/demo", "/r/demo/overlay", "/r/demo/overlay/compose", "/r/No room"]
)
def test_pages_refer_only_to_addresses_under_the_base_path(
    server: ServerProcess, prefix: str, path: str
) -> None:
    api = Api(server)
    page = api.get(prefix + path.replace(" ", "%20")).body.decode()
    addresses = re.findall(r'(?:href|src)="(/[^"#]+)', page)
    assert addresses
    for address in addresses:
        assert address.startswith(f"{BASE}/"), address
        assert api.get(address).status == 200, address


@pytest.mark.parametrize("prefix", [BASE, ""], ids=["passed on", "removed"])
def test_api_and_health_checks_answer_under_the_base_path(
    server: ServerProcess, room: str, prefix: str
) -> None:
    api = Api(server)
    for path in ("/api/rooms", "/healthz", "/readyz", "/metrics", "/static/js/embed.js"):
        assert api.get(prefix + path).status == 200, path
    posted = api.call("POST", f"{prefix}/api/rooms/{room}/comments", b'{"text": "hi"}')
    assert (posted.status, posted.json["seq"]) == (201, 1)
    assert len(api.get(f"{prefix}/api/rooms/{room}/entries").json["entries"]) == 1
    assert api.get(f"{prefix}/nothing").error["code"] == "not_found"


@pytest.mark.parametrize("prefix", [BASE, ""], ids=["passed on", "removed"])
@pytest.mark.parametrize("is_open", [False, True], ids=["new room", "open room"])
def test_websocket_follows_a_room_under_the_base_path(
    server: ServerProcess, room: str, prefix: str, is_open: bool
) -> None:
    if is_open:
        Api(server).post(room, "first")
    with Viewer(server, room, prefix=prefix, name="/ws/ Mei") as viewer:
        assert viewer.welcome["name"] == "/ws/ Mei"
        assert viewer.post("hi")["seq"] == 1 + is_open


def test_base_path_itself_is_the_lobby_and_nothing_that_only_begins_like_it_is(
    server: ServerProcess,
) -> None:
    api = Api(server)
    assert b'data-role="rooms"' in api.get(BASE).body
    assert api.get(f"{BASE}x/r/demo").status == 404
    assert api.get(f"{BASE}{BASE}/r/demo").status == 404


def test_python_client_and_room_command_take_a_url_with_a_path(
    server: ServerProcess, room: str
) -> None:
    async def post() -> int:
        async with Client(f"{server.ws_url}{BASE}/ws/{room}") as client:
            return (await client.post("hi")).seq

    assert asyncio.run(post()) == 1
    program = [sys.executable, str(ROOT / "server.py"), "room", room, "--title", "Friday"]
    database = ["--database", f"sqlite:///{server.database}"]
    for address in (
        ["--server", f"{server.url}{BASE}/"],
        ["--port", str(server.port), "--base-path", BASE],
    ):
        done = subprocess.run(
            [*program, *database, *address], capture_output=True, text=True, check=False, timeout=30
        )
        assert done.stdout == f"{room}:\n  title: Friday\n", done.stderr


def test_modules_and_templates_contain_no_address_from_the_root() -> None:
    for path in [*Path(ROOT / "static").rglob("*.js"), *Path(ROOT / "templates").glob("*.html")]:
        found = re.findall(
            r"""["'`]/(?:r|ws|api|static|vendor)[/"'`].*|href="/.*""", path.read_text()
        )
        assert found == [], path
