"""Upgrades that are refused before the handshake: bad addresses and invalid handshakes."""

from __future__ import annotations

import pytest

from tests.support.api import Api
from tests.support.server_process import ServerProcess

UPGRADE = {
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/ws/Bad.Room", 400, "bad_room"),
        ("/ws/" + "a" * 65, 400, "bad_room"),
        ("/ws/%E6%88%BF", 400, "bad_room"),
        ("/ws/demo?cursor=7", 400, "bad_cursor"),
        ("/ws/demo?curser=ab:1", 400, "bad_parameter"),
        ("/ws/demo?histroy=5", 400, "bad_parameter"),
        ("/ws/demo?history=301", 400, "bad_parameter"),
        ("/ws/demo?history=-1", 400, "bad_parameter"),
        ("/ws/demo?history=many", 400, "bad_parameter"),
        ("/ws/demo?history=" + "9" * 1000, 400, "bad_parameter"),
        ("/ws/demo?name=%E2%80%8B", 422, "name_empty"),
        ("/ws/demo?name=" + "a" * 25, 422, "name_too_long"),
        ("/ws/demo?name=%FF", 400, "bad_request"),
        ("/ws/%FF", 400, "bad_request"),
        ("/ws/", 404, "not_found"),
    ],
)
def test_bad_address_is_refused_with_code(
    server: ServerProcess, address: str, status: int, code: str
) -> None:
    answer = Api(server).get(address, **UPGRADE)
    assert (answer.status, answer.error["code"]) == (status, code)


@pytest.mark.parametrize(
    "wrong",
    [
        {"Upgrade": "h2c"},
        {"Connection": "keep-alive"},
        {"Sec_WebSocket_Version": "8"},
        {"Sec_WebSocket_Key": "short"},
        {"Sec_WebSocket_Key": ""},
    ],
    ids=str,
)
def test_request_that_is_no_handshake_is_refused_with_the_supported_version(
    server: ServerProcess, room: str, wrong: dict[str, str]
) -> None:
    answer = Api(server).get(f"/ws/{room}", **{**UPGRADE, **wrong})
    assert (answer.status, answer.error["code"]) == (426, "not_a_websocket")
    # RFC 6455, section 4.4, and RFC 9110, section 15.5.22
    assert answer.headers["Sec-WebSocket-Version"] == "13"
    assert answer.headers["Upgrade"] == "websocket"
    assert answer.headers["Connection"] == "Upgrade"
