"""The server behind nginx and Caddy, with the configurations that docs/operations.md gives."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
import websocket

from tests.support.api import Api
from tests.support.caddy import PROGRAM as CADDY_PROGRAM
from tests.support.caddy import Caddy
from tests.support.certificates import Certificate
from tests.support.nginx import PROGRAM as NGINX_PROGRAM
from tests.support.nginx import Nginx
from tests.support.reverse_proxy import Front, read_blocks
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

BASE = "/danmaku"
NGINX = ("keepalive", "no keepalive", "path passed on", "path removed", "port forwarded")
CADDY = ("caddy", "caddy under a path")


class Site(NamedTuple):
    """The server that is under no path, and the sites of the proxies by what is special there."""

    server: ServerProcess
    fronts: dict[str, Front]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("nginx")
    flags = ("--trusted-proxies", "127.0.0.1,127.0.0.2", "--max-per-address", "1")
    plain = ServerProcess(folder / "plain.db", *flags)
    under_path = ServerProcess(folder / "path.db", *flags, "--base-path", BASE)
    with ThreadPoolExecutor() as pool:
        list(pool.map(ServerProcess.start, (plain, under_path)))
    proxy = Nginx(folder, certificate)
    (location,) = [block for block in read_blocks("operations.md", "nginx") if f"{BASE}/" in block]
    host = "proxy_set_header Host $http_host;"
    forwarded_host = "    proxy_set_header X-Forwarded-Host $http_host;\n"
    port = 'proxy_set_header X-Forwarded-Port "";'
    fronts = {
        "keepalive": proxy.add(plain),
        "no keepalive": proxy.add(plain, ("    keepalive 64;\n", "")),
        "path passed on": proxy.add(under_path, location=location, prefix=BASE),
        "path removed": proxy.add(
            under_path,
            location=location.replace("http://danmaku;", "http://danmaku/;"),
            prefix=BASE,
        ),
        "port forwarded": proxy.add(
            plain,
            (host, "proxy_set_header Host $host;"),
            (forwarded_host, ""),
            (port, "proxy_set_header X-Forwarded-Port $server_port;"),
        ),
        "port lost": proxy.add(plain, (host, "proxy_set_header Host $host;"), (forwarded_host, "")),
    }
    other_proxy = Caddy(folder, certificate)
    other_fronts = {
        "caddy": other_proxy.add(plain),
        "caddy under a path": other_proxy.add(under_path, prefix=BASE),
    }
    with contextlib.ExitStack() as running:
        if NGINX_PROGRAM:
            running.enter_context(proxy.run(list(fronts.values())))
        if CADDY_PROGRAM:
            running.enter_context(other_proxy.run(list(other_fronts.values())))
        yield Site(plain, fronts | other_fronts)
    plain.close()
    under_path.close()


def find_front(site: Site, name: str) -> Front:
    """Return a site; the test is skipped if its proxy is not installed."""
    program, proxy = (CADDY_PROGRAM, "Caddy") if name in CADDY else (NGINX_PROGRAM, "nginx")
    if program is None:
        pytest.skip(f"{proxy} is not installed")
    return site.fronts[name]


@pytest.fixture(params=NGINX + CADDY)
def front(request: pytest.FixtureRequest, site: Site) -> Front:
    return find_front(site, request.param)


def test_pages_and_all_that_they_refer_to_are_served(front: Front) -> None:
    api = Api(front)
    for path in ("/", "/r/demo", "/r/demo/overlay"):
        page = api.get(front.prefix + path)
        assert page.status == 200
        for address in re.findall(r'(?:href|src)="(/[^"#]+)', page.body.decode()):
            assert api.get(address).status == 200, address


def test_websocket_of_a_page_posts_and_is_sent_what_others_post(front: Front, room: str) -> None:
    with Viewer(front, room, prefix=front.prefix, origin=front.url) as viewer:
        assert viewer.post("over WebSocket")["type"] == "ack"
        body = json.dumps({"text": "over HTTP"}).encode()
        address = f"{front.prefix}/api/rooms/{room}/comments"
        assert Api(front).call("POST", address, body, Origin=front.url).status == 201
        assert [entry["text"] for entry in viewer.take(2)] == ["over WebSocket", "over HTTP"]


def test_long_poll_is_answered_as_soon_as_there_is_a_comment(front: Front, room: str) -> None:
    address = f"{front.prefix}/api/rooms/{room}"
    headers = {"Origin": front.url}
    api = Api(front)
    first = api.call("POST", f"{address}/comments", b'{"text": "first"}', **headers).json
    after = f"{first['epoch']}:{first['seq']}"
    answers = []
    poll = threading.Thread(
        target=lambda: answers.append(
            Api(front).get(f"{address}/entries?after={after}&wait=20", **headers)
        )
    )
    poll.start()
    api.call("POST", f"{address}/comments", b'{"text": "second"}', **headers)
    poll.join(15)
    assert [entry["text"] for entry in answers[0].json["entries"]] == ["second"]


def test_limits_of_an_address_apply_to_the_client_and_not_to_the_proxy(
    site: Site, room: str
) -> None:
    front = find_front(site, "keepalive")

    def enter(address: str, source: str) -> websocket.WebSocket:
        plain = socket.create_connection(("127.0.0.1", front.port), 15, (source, 0))
        return websocket.create_connection(
            f"{front.ws_url}/ws/{room}",
            timeout=15,
            suppress_origin=True,
            header=[f"X-Forwarded-For: {address}"],
            socket=front.trust.wrap_socket(plain, server_hostname="127.0.0.1"),
        )

    def refused(address: str, source: str) -> int:
        with pytest.raises(websocket.WebSocketBadStatusException) as caught:
            enter(address, source)
        return caught.value.status_code

    # 127.0.0.2 is a trusted proxy before nginx, and 127.0.0.3 somebody who forges the header.
    first = enter("203.0.113.7", "127.0.0.2")
    assert refused("203.0.113.7", "127.0.0.2") == 429
    others = [enter("203.0.113.8", "127.0.0.2"), enter("203.0.113.7", "127.0.0.3")]
    for connection in (first, *others):
        connection.close()


def test_forged_addresses_do_not_pass_caddy(site: Site, room: str) -> None:
    front = find_front(site, "caddy")

    def enter() -> websocket.WebSocket:
        return websocket.create_connection(
            f"{front.ws_url}/ws/{room}",
            timeout=15,
            suppress_origin=True,
            header=["X-Forwarded-For: 203.0.113.7"],
            sslopt={"context": front.trust},
        )

    for connection in [enter(), enter()]:  # of a forged address one connection is allowed
        connection.close()


def test_bare_path_leads_to_the_lobby_behind_caddy(site: Site) -> None:
    front = find_front(site, "caddy under a path")
    answer = Api(front).get(BASE)
    assert (answer.status, answer.headers["Location"]) == (302, f"{BASE}/")


def test_proxy_that_drops_the_port_is_named_in_the_response_and_in_the_log(
    site: Site, room: str
) -> None:
    front = find_front(site, "port lost")
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        Viewer(front, room, origin=front.url)
    assert caught.value.status_code == 403
    answer = Api(front).call(
        "POST", f"/api/rooms/{room}/comments", b'{"text": "hi"}', Origin=front.url
    )
    assert answer.status == 403
    assert "Host header with its port" in answer.error["message"]
    site.server.take_log(f"refused a page: Origin {front.url}, Host 127.0.0.1,")
