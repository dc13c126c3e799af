"""The pages' module that finds the server's address."""

from __future__ import annotations

from tests.support.javascript import run

PAGE = "https://page.example/watch/tonight.html?room=demo"
PROGRAM = """
globalThis.location = { href: asked.page };
const { parseServer } = await import(MODULE);
answer(asked.addresses.map((address) => parseServer(address)));
"""


def test_server_is_an_origin_and_the_path_before_its_addresses() -> None:
    addresses = {
        "https://chat.example": "https://chat.example",
        "https://chat.example/": "https://chat.example",
        "https://chat.example:8443/danmaku": "https://chat.example:8443/danmaku",
        "https://chat.example/danmaku/?a=b#c": "https://chat.example/danmaku",
        "/danmaku/": "https://page.example/danmaku",
        "//chat.example/danmaku": "https://chat.example/danmaku",
    }
    asked = {"page": PAGE, "addresses": list(addresses)}
    found = run("page/server.js", PROGRAM, asked)
    assert dict(zip(addresses, found, strict=True)) == addresses
