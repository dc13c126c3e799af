"""Pages of other sites, other host names and forged addresses, over HTTP and by both upgrades."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import websocket

from tests.support.api import Api
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]
SITE = "https://a.example"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
OTHERS: dict[str, dict[str, str]] = {
    "another site": {"Origin": "https://evil.example"},
    "null": {"Origin": "null"},
    "suffix": {"Origin": "https://a.example.evil.example"},
    "prefix": {"Origin": "https://evil-a.example"},
    "subdomain": {"Origin": "https://b.a.example"},
    "scheme": {"Origin": "http://a.example"},
    "port": {"Origin": "https://a.example:8443"},
    "user": {"Origin": "https://a.example@evil.example"},
    "empty": {"Origin": ""},
    "image": {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
    "image of a sibling": {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors"},
    "host": {"Host": "evil.example", "Origin": "http://evil.example"},
    "host without a page": {"Host": "chat.example.evil.example"},
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory):
    server = ServerProcess(
        tmp_path_factory.mktemp("strict") / "danmaku.db",
        *("--allowed-origins", SITE, "--allowed-hosts", "chat.example"),
    )
    yield server.start()
    server.close()


@pytest.mark.parametrize("name", OTHERS)
def test_other_site_or_host_can_neither_read_nor_post_nor_join(
    strict: ServerProcess, room: str, name: str
) -> None:
    api, headers = Api(strict), OTHERS[name]
    code = "forbidden_host" if "host" in name else "forbidden_origin"
    api.post(room)  # open, so that the fast path could take the upgrade
    for answer in (
        api.get("/api/rooms", **headers),
        api.get(f"/api/rooms/{room}/entries", **headers),
        api.post_body(room, b'{"text":"hi"}', **headers),
        api.call("PATCH", f"/api/rooms/{room}/settings", b"{}", **headers),
        Api(strict).get(f"/ws/{room}", **UPGRADE, **headers),
        Api(strict).get(f"/ws/{room}", **headers),
    ):
        assert (answer.status, answer.error["code"]) == (403, code)
    assert api.entries(room).json["head"] == 1
    assert api.get(f"/api/rooms/{room}").json["viewers"] == 0


@pytest.mark.parametrize("path", ["/", "/r/demo", "/static/favicon.svg", "/metrics", "/nowhere"])
def test_no_page_or_file_is_served_for_another_host(strict: ServerProcess, path: str) -> None:
    assert Api(strict).get(path, Host="evil.example").status == 403
    assert Api(strict).get(path, Host="chat.example").status == (404 if path == "/nowhere" else 200)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": SITE, "Sec_Fetch_Site": "cross-site"},
        {"Host": "chat.example", "Origin": "http://chat.example"},
        {"Host": "chat.example:99", "Origin": "https://chat.example:99"},
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
    ],
    ids=str,
)
def test_own_and_allowed_pages_and_scripts_can_read_post_and_join(
    strict: ServerProcess, room: str, headers: dict[str, str]
) -> None:
    assert Api(strict).post_body(room, b'{"text":"hi"}', **headers).status == 201
    assert Api(strict).get(f"/api/rooms/{room}", **headers).status == 200
    assert Api(strict).get(f"/ws/{room}", **headers).status == 426


def test_page_of_a_forbidden_host_is_refused_and_health_checks_answer(
    strict: ServerProcess,
) -> None:
    api = Api(strict)
    assert api.get("/", Host="evil.example").status == 403
    assert api.get("/metrics", Host="evil.example").status == 403
    assert api.get("/healthz", Host="evil.example").status == 200
    assert api.get("/readyz", Host="evil.example").status == 200


def test_log_names_origin_and_host_once_a_second_and_forges_no_line(
    start_server: StartServer, room: str
) -> None:
    server = start_server()
    for _ in range(20):
        answer = Api(server).get("/api/rooms", Host="tv.example", Origin="http://tv.example:8080")
        assert "Host header" in answer.error["message"]
    lines = server.take_log("refused a page")
    assert 1 <= len(lines) <= 4
    assert "Origin http://tv.example:8080, Host tv.example" in lines[0]


# --- forged addresses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proxies", "shared"), [((), True), (("--trusted-proxies", "127.0.0.0/8"), False)]
)
def test_forwarded_address_counts_only_from_a_trusted_proxy(
    start_server: StartServer, room: str, proxies: tuple[str, ...], shared: bool
) -> None:
    # Posts without a session share the rate limit of their address.
    server = start_server("--post-burst", "1", "--post-rate", "0.001", *proxies)
    api = Api(server)
    statuses = [
        api.post_body(
            room, b'{"text":"hi","ref":"k%d"}' % number, X_Forwarded_For=f"198.51.100.{number}"
        ).status
        for number in range(3)
    ]
    assert statuses == ([201, 429, 429] if shared else [201, 201, 201])


@pytest.mark.parametrize("more", [[], ["X-Twice: 1", "X-Twice: 2"]], ids=["fast path", "handler"])
def test_forwarded_address_counts_for_connections_by_both_ways_to_upgrade(
    start_server: StartServer, room: str, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    server = start_server("--trusted-proxies", "127.0.0.1", "--max-per-address", "1")
    Api(server).post(room)  # open, so that the fast path can take the upgrades

    def enter(address: str) -> Viewer:
        monkeypatch.setattr(Viewer, "header", [f"X-Forwarded-For: 10.9.9.9, {address}", *more])
        return Viewer(server, room)

    with enter("198.51.100.1"), enter("198.51.100.2"):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            enter("198.51.100.1")
        assert refused.value.status_code == 429


# --- why an upgrade would be refused --------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "headers", "status", "code"),
    [
        ("", {}, 426, "not_a_websocket"),
        ("", {"Origin": "https://evil.example"}, 403, "forbidden_origin"),
        ("?name=" + "a" * 25, {}, 422, "name_too_long"),
        ("?cursor=7", {}, 400, "bad_cursor"),
        ("?nmae=x", {}, 400, "bad_parameter"),
    ],
)
def test_plain_get_of_a_room_reports_why_an_upgrade_would_be_refused(
    server: ServerProcess, room: str, query: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = Api(server).get(f"/ws/{room}{query}", **headers)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_plain_get_of_a_room_reports_a_missing_room_or_a_full_server(
    start_server: StartServer,
) -> None:
    server = start_server("--rooms", "demo", "--max-viewers", "1")
    answer = Api(server).get("/ws/other")
    assert (answer.status, answer.error["code"]) == (404, "no_such_room")
    with Viewer(server, "demo"):
        answer = Api(server).get("/ws/demo")
        assert (answer.status, answer.error["code"]) == (503, "full")
        assert answer.error["retry_after"] >= 1
