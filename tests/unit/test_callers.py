"""The sender of a request, and which pages and hosts may use the server."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.settings import Settings
from chat.web.callers import Callers

HOST = "chat.example:8888"
SETTINGS = Settings(allowed_origins=("https://example.org", "http://localhost:3000"))


def refusal(settings: Settings = SETTINGS, peer: str = "192.0.2.9", **headers: str) -> str:
    """Return the code with which a request is refused; empty if it is not."""
    named = {"host": HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
    callers = Callers(settings)
    rejection = callers.check(callers.identify(peer, named))
    return "" if rejection is None else rejection.code


@pytest.mark.parametrize(
    "origin",
    [
        "http://chat.example:8888",
        "https://chat.example:8888",  # behind a proxy that ends TLS
        "http://CHAT.example:8888",
        "https://example.org",
        "http://localhost:3000",
    ],
)
def test_origin_is_allowed(origin: str) -> None:
    assert refusal(origin=origin) == ""
    assert refusal(origin=origin, sec_fetch_site="cross-site") == ""


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "http://chat.example",
        "http://chat.example:8889",
        "http://evil.example",
        "http://chat.example:8888.evil.example",
        "http://evil.example/chat.example:8888",
        "http://chat.example:8888@evil.example",
        "http://example.org",
        "https://example.org:8443",
        "https://sub.example.org",
        "https://example.org.evil.example",
        "https://evilexample.org",
        "https://example.org.",
        "http://[",
        "http://[::1",
    ],
)
def test_origin_is_refused(origin: str) -> None:
    assert refusal(origin=origin) == "forbidden_origin"
    assert refusal(origin=origin, sec_fetch_site="same-origin") == "forbidden_origin"


def test_page_is_refused_without_a_host_header() -> None:
    assert refusal(host="", origin="http://") == "forbidden_origin"


@pytest.mark.parametrize(
    ("site", "code"),
    [
        ("same-origin", ""),
        ("none", ""),  # typed into the address bar
        ("SAME-ORIGIN", ""),
        ("", ""),
        ("same-site", "forbidden_origin"),
        ("cross-site", "forbidden_origin"),
        ("unknown", "forbidden_origin"),
    ],
)
def test_request_without_an_origin_is_judged_by_sec_fetch_site(site: str, code: str) -> None:
    assert refusal(sec_fetch_site=site) == code


def test_script_that_sends_neither_header_is_allowed() -> None:
    assert refusal() == ""


HOSTS = replace(SETTINGS, allowed_hosts=("chat.example", "tv.example:8443", "192.0.2.1"))


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("chat.example", ""),
        ("chat.example:8888", ""),
        ("CHAT.example:1", ""),
        ("tv.example:8443", ""),
        ("tv.example", "forbidden_host"),
        ("tv.example:8888", "forbidden_host"),
        ("192.0.2.1:8888", ""),
        ("192.0.2.2:8888", "forbidden_host"),
        ("evil.example:8888", "forbidden_host"),
        ("chat.example.evil.example", "forbidden_host"),
        ("evilchat.example", "forbidden_host"),
        ("chat.example@evil.example", "forbidden_host"),
        ("[localhost].evil.example", "forbidden_host"),
        ("[chat.example]evil.example", "forbidden_host"),
        ("null", "forbidden_host"),
        ("", "forbidden_host"),
        # The machine itself: these names cannot be made to resolve to it by another site.
        ("127.0.0.1:8888", ""),
        ("localhost:8888", ""),
        ("[::1]:8888", ""),
        ("localhost.evil.example", "forbidden_host"),
        ("127.0.0.1.evil.example", "forbidden_host"),
    ],
)
def test_host_is_accepted_only_if_allowed(host: str, code: str) -> None:
    assert refusal(HOSTS, host=host) == code
    # By DNS rebinding, a page of another site has the origin that it asks for.
    assert refusal(HOSTS, host=host, origin=f"http://{host}") == code or not host


def test_host_header_without_the_port_is_named_in_the_refusal() -> None:
    callers = Callers(SETTINGS)
    caller = callers.identify(
        "192.0.2.9", {"host": "chat.example", "origin": "http://chat.example:8080"}
    )
    rejection = callers.check(caller)
    assert rejection is not None
    assert rejection.code == "forbidden_origin"
    assert "asked for chat.example." in rejection.message
    assert "Host header" in rejection.message


# --- proxies --------------------------------------------------------------------------------------

PROXIES = replace(SETTINGS, trusted_proxies=("10.0.0.0/8", "2001:db8:1::/48"))


def address(peer: str, forwarded_for: str, settings: Settings = PROXIES) -> str:
    return Callers(settings).identify(peer, {"x-forwarded-for": forwarded_for}).address


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("192.0.2.9", "198.51.100.7", "192.0.2.9"),  # no proxy of ours: its header is ignored
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.1, 198.51.100.7", "198.51.100.7"),  # the first one is forged
        ("10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7"),  # a chain of two proxies
        ("10.0.0.1", "203.0.113.1,198.51.100.7,10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.1, unknown, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("2001:db8:1::5", "2001:db8:2::5", "2001:db8:2::5"),
        ("::ffff:10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7\n", "198.51.100.7"),
        ("10.0.0.1", ",".join(["203.0.113.1"] * 700), "203.0.113.1"),  # 8 KiB
        ("10.0.0.1", ",".join(["10.0.0.2"] * 900), "10.0.0.2"),
        ("10.0.0.1", "," * 8192, "10.0.0.1"),
        ("10.0.0.1", "1" * 8192, "10.0.0.1"),
    ],
)
def test_client_address_is_read_from_the_right_and_only_from_trusted_proxies(
    peer: str, forwarded_for: str, client: str
) -> None:
    assert address(peer, forwarded_for) == client


def test_forwarded_address_is_ignored_without_trusted_proxies() -> None:
    assert address("127.0.0.1", "198.51.100.7", SETTINGS) == "127.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "code"),
    [
        ({"x_forwarded_host": "tv.example"}, ""),
        ({"x_forwarded_host": "tv.example", "x_forwarded_port": "443"}, "forbidden_origin"),
        (
            {
                "x_forwarded_host": "tv.example",
                "x_forwarded_port": "443",
                "x_forwarded_proto": "https",
            },
            "",
        ),
        ({"x_forwarded_host": "evil.example"}, "forbidden_origin"),
    ],
)
def test_host_that_a_trusted_proxy_was_asked_for_counts(
    forwarded: dict[str, str], code: str
) -> None:
    page = {"origin": "https://tv.example", **forwarded}
    assert refusal(PROXIES, "10.0.0.1", **page) == code
    assert refusal(PROXIES, "192.0.2.9", **page) == "forbidden_origin"


def test_port_that_a_trusted_proxy_was_asked_at_counts() -> None:
    page = {"host": "tv.example", "origin": "http://tv.example:8080", "x_forwarded_port": "8080"}
    assert refusal(PROXIES, "10.0.0.1", **page) == ""
    assert refusal(PROXIES, "192.0.2.9", **page) == "forbidden_origin"


HEADERS = ("host", "origin", "sec-fetch-site", "x-forwarded-for", "x-forwarded-host")
texts = st.one_of(
    st.text(max_size=40), st.sampled_from(["null", "[::1]:1", "10.0.0.2, ::", "a:b:c", "http://["])
)


@given(st.dictionaries(st.sampled_from([*HEADERS, "x-forwarded-port"]), texts), texts)
def test_no_header_makes_deciding_raise(headers: dict[str, str], peer: str) -> None:
    callers = Callers(replace(PROXIES, allowed_hosts=("chat.example",)))
    for one in (peer, "10.0.0.1"):
        callers.check(callers.identify(one, headers))
