"""The server behind nginx, with the configuration that docs/operations.md gives."""

from __future__ import annotations

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
from tests.support.certificates import Certificate
from tests.support.nginx import PROGRAM, Front, Nginx, read_blocks
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed")

BASE = "/danmaku"
FRONTS = ("keepalive", "no keepalive", "path passed on", "path removed", "port forwarded")


class Site(NamedTuple):
    """The server that is under no path, and the sites of nginx by what is special about them."""

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
    nginx = Nginx(folder, certificate)
    (location,) = [block for block in read_blocks("operations.md", "nginx") if f"{BASE}/" in block]
    host = "proxy_set_header Host $http_host;"
    forwarded_host = "    proxy_set_header X-Forwarded-Host $http_host;\n"
    port = 'proxy_set_header X-Forwarded-Port "";'
    fronts = {
        "keepalive": nginx.add(plain),
        "no keepalive": nginx.add(plain, ("    keepalive 64;\n", "")),
        "path passed on": nginx.add(under_path, location=location, prefix=BASE),
        "path removed": nginx.add(
            under_path,
            location=location.replace("http://danmaku;", "http://danmaku/;"),
            prefix=BASE,
        ),
        "port forwarded": nginx.add(
            plain,
            (host, "proxy_set_header Host $host;"),
            (forwarded_host, ""),
            (port, "proxy_set_header X-Forwarded-Port $server_port;"),
        ),
        "port lost": nginx.add(plain, (host, "proxy_set_header Host $host;"), (forwarded_host, "")),
    }
    with nginx.run(list(fronts.values())):
        yield Site(plain, fronts)
    plain.close()
    under_path.close()


@pytest.fixture(params=FRONTS)
def front(request: pytest.FixtureRequest, site: Site) -> Front:
    return site.fronts[request.param]


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
    front = site.fronts["keepalive"]

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


def test_proxy_that_drops_the_port_is_named_in_the_response_and_in_the_log(
    site: Site, room: str
) -> None:
    front = site.fronts["port lost"]
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        Viewer(front, room, origin=front.url)
    assert caught.value.status_code == 403
    answer = Api(front).call(
        "POST", f"/api/rooms/{room}/comments", b'{"text": "hi"}', Origin=front.url
    )
    assert answer.status == 403
    assert "Host header with its port" in answer.error["message"]
    site.server.take_log(f"refused a page: Origin {front.url}, Host 127.0.0.1,")
