"""Messages as JSON: every input decodes or is rejected, and each output has one shape."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.core import wire
from chat.core.comment import Comment, Mode, Role, Size
from chat.core.entry import number_entry
from chat.core.reject import REJECTIONS, Code, Rejection, reject
from chat.core.requests import HttpPost, decode_body
from chat.core.responses import Posted
from chat.core.wire import Cursor

BAD_MESSAGES = [
    (b"", "bad_json"),
    (b"hello", "bad_json"),
    (b'{"type":"post","text":"a"', "bad_json"),
    (b'{"type":"post","text":"a"} {}', "bad_json"),
    (b'{"type":"post","text":5', "bad_json"),
    (b'{"type":"post","text":NaN}', "bad_json"),
    (b"{'type':'post','text':'a'}", "bad_json"),
    (b'{"type":"post","text":"\xff"}', "bad_json"),
    (b'{"type":"post","text":"\\ud800"}', "bad_json"),
    (b'{"type":"post","text":"\\udc00\\ud800"}', "bad_json"),
    (b"[" * 8192, "bad_json"),
    (b'{"type":' * 1024, "bad_json"),
    (b"[]", "not_an_object"),
    (b'[{"type":"post","text":"a"}]', "not_an_object"),
    (b"null", "not_an_object"),
    (b"17", "not_an_object"),
    (b'"post"', "not_an_object"),
    (b"{}", "unknown_type"),
    (b'{"text":"a"}', "unknown_type"),
    (b'{"type":"shout","text":"a"}', "unknown_type"),
    (b'{"type":"Post","text":"a"}', "unknown_type"),
    (b'{"type":5,"text":"a"}', "unknown_type"),
    (b'{"type":null}', "unknown_type"),
    (b'{"type":"post"}', "missing_field"),
    (b'{"type":"rename"}', "missing_field"),
    (b'{"type":"post","text":null}', "bad_field"),
    (b'{"type":"post","text":["a"]}', "bad_field"),
    (b'{"type":"post","text":"a","mode":"sideways"}', "bad_field"),
    (b'{"type":"post","text":"a","size":"huge"}', "bad_field"),
    (b'{"type":"post","text":"a","ref":""}', "bad_field"),
    (b'{"type":"post","text":"a","ref":7}', "bad_field"),
    (b'{"type":"post","text":"a","ref":"%s"}' % (b"r" * 65), "bad_field"),
    (b'{"type":"post","text":"a","ref":"a\\u0000b"}', "bad_field"),
    (b'{"type":"post","text":"a","colour":"#ff8800"}', "bad_field"),
    (b'{"type":"ping","text":"a"}', "bad_field"),
    (b'{"type":"rename","name":{}}', "bad_field"),
    (b'{"type":"post","text":"a","color":"red"}', "bad_color"),
    (b'{"type":"post","text":"a","color":"#ff880"}', "bad_color"),
    (b'{"type":"post","text":"a","color":"#ff88000"}', "bad_color"),
    (b'{"type":"post","text":"a","color":"#ff8800\\n"}', "bad_color"),
    (b'{"type":"post","text":"a","color":16746496}', "bad_color"),
]


@pytest.mark.parametrize(("data", "code"), BAD_MESSAGES, ids=lambda value: str(value)[:48])
def test_bad_message_is_rejected_with_code(data: bytes, code: str) -> None:
    outcome = wire.decode(data)
    assert isinstance(outcome, Rejection), outcome
    assert outcome.code == code
    assert outcome.message.endswith(".")
    assert outcome.retry_after is None


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b'{"type":"post"}', "text"),
        (b'{"type":"post","text":5}', "text"),
        (b'{"type":"post","text":"a","mode":"sideways"}', "mode"),
        (b'{"type":"post","text":"a","colour":"red"}', "colour"),
    ],
)
def test_sentence_names_the_field(data: bytes, named: str) -> None:
    outcome = wire.decode(data)
    assert isinstance(outcome, Rejection)
    assert named in outcome.message


@given(st.binary(max_size=200))
def test_no_bytes_make_decoding_raise(data: bytes) -> None:
    for outcome in (wire.decode(data), decode_body(data, HttpPost)):
        assert not isinstance(outcome, Rejection) or outcome.code in REJECTIONS
    wire.find_ref(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
field_names = st.sampled_from(["type", "text", "ref", "mode", "color", "size", "name", "more"])
field_values = json_values | st.sampled_from(["post", "rename", "ping", "scroll", "#123456"])


@given(st.dictionaries(field_names, field_values))
def test_no_json_makes_decoding_raise(fields: dict[str, object]) -> None:
    data = json.dumps(fields).encode()
    outcome = wire.decode(data)
    if isinstance(outcome, Rejection):
        assert outcome.code in REJECTIONS
        # The answer to it can be sent.
        assert json.loads(wire.encode_reject(wire.find_ref(data), outcome))["code"] == outcome.code


@given(st.text(min_size=1, max_size=4).filter(str.strip))
def test_unknown_field_is_named_whatever_it_is_called(name: str) -> None:
    data = json.dumps({"type": "ping", "x" + name: 1}).encode(errors="surrogatepass")
    outcome = wire.decode(data)
    assert isinstance(outcome, Rejection)
    assert outcome.code in ("bad_field", "bad_json")


def test_post_needs_a_text_and_no_more() -> None:
    assert wire.decode(b'{"type":"post","text":"hi"}') == wire.Post("hi")


def test_post_accepts_every_documented_field() -> None:
    data = (
        b"""{"type":"post","text":"hi","ref":"k1","mode":"top","color":"#FF8800","size":"large"}"""
    )
    assert wire.decode(data) == wire.Post("hi", "k1", Mode.TOP, "#FF8800", Size.LARGE)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"type":"rename","name":"Owl"}', wire.Rename("Owl")),
        (b'{"type":"pause"}', wire.Pause()),
        (b'{"type":"resume"}', wire.Resume()),
        (b'{"type":"ping"}', wire.Ping()),
        (b' {"type" : "ping"}\n', wire.Ping()),
    ],
)
def test_message_is_read(data: bytes, message: wire.Incoming) -> None:
    assert wire.decode(data) == message


def test_posting_request_is_a_post_that_may_name_its_author() -> None:
    body = decode_body(b'{"text":"hi","name":"Owl","ref":"k1"}', HttpPost)
    assert isinstance(body, HttpPost)
    assert body.name == "Owl"
    assert body.to_post() == wire.Post("hi", "k1")


@pytest.mark.parametrize(
    ("data", "ref"),
    [
        (b'{"type":"shout","ref":"k1"}', "k1"),
        (b'{"type":"post","ref":"k1"}', "k1"),
        (b'{"ref":"%s"}' % (b"r" * 64), "r" * 64),
        (b'{"ref":"%s"}' % (b"r" * 65), None),
        (b'{"ref":7}', None),
        (b'["ref"]', None),
        (b'{"ref":"k1"', None),
        (b"", None),
    ],
)
def test_ref_is_found_in_a_message_that_cannot_be_read(data: bytes, ref: str | None) -> None:
    assert wire.find_ref(data) == ref


# --- what the server sends ------------------------------------------------------------------------


def as_sent(message: msgspec.Struct) -> object:
    return json.loads(wire.encode(message))


@pytest.mark.parametrize(
    ("message", "shape"),
    [
        (wire.Ack("k1", "e", 7), {"type": "ack", "ref": "k1", "epoch": "e", "seq": 7}),
        (wire.Ack(None, "e", 7), {"type": "ack", "ref": None, "epoch": "e", "seq": 7}),
        (
            wire.Ack("k1", "e", 7, dup=True),
            {"type": "ack", "ref": "k1", "epoch": "e", "seq": 7, "dup": True},
        ),
        (wire.Viewers(3), {"type": "viewers", "count": 3}),
        (wire.Pong(), {"type": "pong"}),
        (
            wire.Skip(3, 9, "slow", msgspec.Raw(b"{}")),
            {"type": "skip", "first": 3, "last": 9, "why": "slow", "settings": {}},
        ),
        (
            wire.Identity("g-1", "Owl", Role.VIEWER),
            {"type": "identity", "user": "g-1", "name": "Owl", "role": "viewer"},
        ),
        (
            wire.Bye(1012, "Restarting.", 1.5),
            {"type": "bye", "code": 1012, "message": "Restarting.", "reconnect_after": 1.5},
        ),
        (
            wire.Bye(4500, "No.", None),
            {"type": "bye", "code": 4500, "message": "No.", "reconnect_after": None},
        ),
        (Posted("k1", "e", 7), {"ref": "k1", "epoch": "e", "seq": 7}),
    ],
)
def test_message_is_sent_as(message: msgspec.Struct, shape: dict[str, object]) -> None:
    assert as_sent(message) == shape


def test_reject_has_a_sentence_and_retry_after() -> None:
    rejection = reject(Code.TOO_FAST, retry_after=0.5)
    assert json.loads(wire.encode_reject("k1", rejection)) == {
        "type": "reject",
        "ref": "k1",
        "code": "too_fast",
        "message": rejection.message,
        "retry_after": 0.5,
    }


def test_comment_omits_default_values() -> None:
    plain = Comment(seq=7, user="g-1", name="Owl", text="hi", at=1)
    assert json.loads(number_entry(plain, 7).body) == {
        "kind": "comment",
        "seq": 7,
        "user": "g-1",
        "name": "Owl",
        "text": "hi",
        "at": 1,
    }
    other = msgspec.structs.replace(
        plain, mode=Mode.TOP, color="#ff8800", size=Size.SMALL, role=Role.HOST
    )
    more = json.loads(number_entry(other, 8).body)
    assert more["mode"] == "top"
    assert more["color"] == "#ff8800"
    assert more["size"] == "small"
    assert more["role"] == "host"


def test_batch_contains_the_stored_bodies_unchanged() -> None:
    bodies = [b'{"kind":"comment","seq":3,"unknown":  1}', b'{"kind":"clear","seq":4}']
    data = wire.encode_batch("e", 3, 4, bodies)
    assert bodies[0] in data
    assert json.loads(data) == {
        "type": "batch",
        "epoch": "e",
        "first": 3,
        "last": 4,
        "entries": [json.loads(body) for body in bodies],
    }
    assert json.loads(wire.encode_batch("e", 3, 4, [], thinned=2))["thinned"] == 2


def test_welcome_has_a_reason_only_if_entries_were_lost() -> None:
    welcome = wire.Welcome(
        room="demo",
        epoch="e",
        seq=0,
        user="g-1",
        name="Owl",
        role=Role.VIEWER,
        session="token",
        settings=msgspec.Raw(b"{}"),
        viewers=1,
        recovered=True,
        entries=wire.join_bodies([]),
    )
    assert "reason" not in as_sent(welcome)  # type: ignore[operator]
    assert as_sent(msgspec.structs.replace(welcome, reason="epoch"))["reason"] == "epoch"  # type: ignore[index]


# --- addresses ------------------------------------------------------------------------------------


@given(
    st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=32),
    st.integers(min_value=0, max_value=10**18 - 1),
)
def test_cursor_is_read_as_it_was_written(epoch: str, seq: int) -> None:
    assert wire.parse_cursor(str(Cursor(epoch, seq))) == Cursor(epoch, seq)


@pytest.mark.parametrize(
    "raw",
    [
        *("", ":", "e", "e:", ":7", "e:-1", "e:+1", "e:07", "e: 7", "e:7 ", "e:7\n", "e:7:8"),
        *("E:7", "e:1.0", "e:٣", "e:" + "9" * 19, "e" * 33 + ":1", "e:0x1"),
    ],
)
def test_bad_cursor_is_rejected(raw: str) -> None:
    outcome = wire.parse_cursor(raw)
    assert isinstance(outcome, Rejection)
    assert outcome.code == "bad_cursor"


@given(st.text(max_size=70))
def test_no_text_makes_reading_an_address_raise(raw: str) -> None:
    wire.parse_cursor(raw)
    wire.parse_room(raw)


@pytest.mark.parametrize("name", ["demo", "0", "a-b_c", "a" * 64])
def test_room_name_is_accepted(name: str) -> None:
    assert wire.parse_room(name) == name


@pytest.mark.parametrize(
    "name", ["", "-a", "_a", "Demo", "a b", "a/b", "房间", "a" * 65, "demo\n", "a.b", "%61"]
)
def test_bad_room_name_is_rejected(name: str) -> None:
    outcome = wire.parse_room(name)
    assert isinstance(outcome, Rejection)
    assert outcome.code == "bad_room"


def test_every_rejection_has_a_sentence_and_a_status() -> None:
    for code in REJECTIONS:
        rejection = reject(code, detail="x")
        assert rejection.message.endswith((".", "}."))
        assert "{detail}" not in rejection.message
        assert 400 <= rejection.status <= 503
