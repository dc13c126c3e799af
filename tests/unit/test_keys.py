"""Which signatures are accepted: HS256 with one of the server's secrets, and no other spelling."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.web.identity.keys import MAX_TOKEN_LENGTH, Keys

OLD, NEW = b"o" * 32, b"n" * 32
CLAIMS = {"sub": "ann", "name": "弹幕 Ann"}
TOKEN = Keys([NEW]).sign(CLAIMS)


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def sign_with_header(header: Any, secret: bytes = NEW) -> str:
    """Return a token whose signature is right, whatever its header says."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signed = f"{encode(raw)}.{encode(json.dumps(CLAIMS).encode())}"
    return f"{signed}.{encode(algorithm.sign(signed.encode(), secret))}"


def read(token: str, *secrets: bytes) -> Any:
    payload = Keys(secrets or [NEW]).read(token)
    return None if payload is None else json.loads(payload)


def test_token_is_one_that_another_library_reads_and_signs() -> None:
    assert jwt.decode(TOKEN, NEW, ["HS256"]) == CLAIMS
    assert read(jwt.encode(CLAIMS, NEW, "HS256")) == CLAIMS


def test_first_secret_signs_and_all_verify() -> None:
    keys = Keys([NEW, OLD])
    assert jwt.decode(keys.sign(CLAIMS), NEW, ["HS256"]) == CLAIMS
    for secret in (OLD, NEW):
        assert keys.read(jwt.encode(CLAIMS, secret, "HS256")) is not None
    assert keys.read(jwt.encode(CLAIMS, b"x" * 32, "HS256")) is None


def test_kid_names_a_secret_by_its_fingerprint() -> None:
    kid = hashlib.sha256(OLD).hexdigest()[:16]
    signed = jwt.encode(CLAIMS, OLD, "HS256", {"kid": kid})
    assert read(signed, NEW, OLD) == CLAIMS
    assert read(signed, NEW) is None
    # It is signed with a secret of the server, but not with the one that it names.
    assert read(jwt.encode(CLAIMS, NEW, "HS256", {"kid": kid}), NEW, OLD) is None


def test_token_with_any_bit_flipped_is_refused() -> None:
    keys = Keys([NEW, OLD])
    assert keys.read(TOKEN) is not None
    for bit in range(len(TOKEN) * 8):
        raw = bytearray(TOKEN.encode())
        raw[bit // 8] ^= 1 << bit % 8
        assert keys.read(raw.decode("latin-1")) is None, bit


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "HS384"},
        {"alg": "RS256"},
        {"alg": ["HS256"]},
        {"alg": None},
        {},
        [],
        "HS256",
        {"alg": "HS256", "kid": 1},
        {"alg": "HS256", "kid": ""},
        {"alg": "HS256", "kid": "0123456789abcdef"},
        {"alg": "HS256", "crit": []},
        {"alg": "HS256", "crit": ["b64"], "b64": False},
        b"",
        b"{",
        b"\xff",
        b'{"alg":"HS256","x":' + b"[" * 1_400,
        b'{"alg":"HS256","x":' + b"[" * 1_400 + b"]" * 1_400 + b"}",
    ],
)
def test_other_header_is_refused_though_the_signature_is_right(header: Any) -> None:
    assert read(sign_with_header({"alg": "HS256"})) == CLAIMS
    assert read(sign_with_header(header)) is None


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "...", "x", "a.b.c", TOKEN + ".", "." + TOKEN, TOKEN + "=", TOKEN + "\n"],
)
def test_malformed_token_is_refused(token: str) -> None:
    assert read(token) is None


@settings(max_examples=30)
@given(st.text(max_size=60))
def test_no_text_makes_reading_raise(text: str) -> None:
    assert read(text) is None
    assert read(f"{text}.{text}.{text}") is None


def test_token_that_is_too_long_is_refused() -> None:
    longest = Keys([NEW]).sign({"name": "x" * 2_900})
    assert len(longest) <= MAX_TOKEN_LENGTH
    assert read(longest) is not None
    assert read(Keys([NEW]).sign({"name": "x" * 3_100})) is None
