"""The guarantees of following a room, over each of the three transports."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support.followers import TRANSPORTS, Follower, WebSocketFollower
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

Follow = Callable[..., Follower]
StartServer = Callable[..., ServerProcess]


@pytest.fixture(params=TRANSPORTS)
def follow(request: pytest.FixtureRequest) -> Iterator[Follow]:
    followers: list[Follower] = []

    def begin(server: ServerProcess, room: str, cursor: str | None = None) -> Follower:
        followers.append(TRANSPORTS[request.param](server, room, cursor))
        return followers[-1]

    yield begin
    for follower in followers:
        follower.close()


def texts_of(entries: list[dict]) -> list[str]:
    return [entry["text"] for entry in entries]


def post_all(server: ServerProcess, room: str, texts: list[str]) -> None:
    with Viewer(server, room) as poster:
        poster.post_many(texts)


FREE = ("--post-rate", "0", "--delivery-rate", "0")


def test_posts_of_others_are_received_in_order(
    server: ServerProcess, room: str, follow: Follow
) -> None:
    follower = follow(server, room)
    texts = [f"comment {number}" for number in range(30)]
    post_all(server, room, texts)
    entries = follower.take(30)
    assert texts_of(entries) == texts
    assert [entry["seq"] for entry in entries] == list(range(1, 31))


def test_every_transport_is_given_the_same_entries(
    server: ServerProcess, room: str, follow: Follow
) -> None:
    follower = follow(server, room)
    with Viewer(server, room, name="Owl") as poster:
        poster.post("plain")
        poster.post("弹幕 \U0001f600", mode="top", color="#FF8800", size="large")
        entries = poster.take(2)
    assert follower.take(2) == entries
    assert entries[1] == {
        "kind": "comment",
        "seq": 2,
        "user": poster.welcome["user"],
        "name": "Owl",
        "text": "弹幕 \U0001f600",
        "at": entries[1]["at"],
        "mode": "top",
        "color": "#ff8800",
        "size": "large",
    }
    assert entries[0].keys() == {"kind", "seq", "user", "name", "text", "at"}


def test_concurrent_posts_have_one_order_for_all_viewers(
    server: ServerProcess, room: str, follow: Follow
) -> None:
    first, second = follow(server, room), follow(server, room)
    posters = [
        threading.Thread(target=post_all, args=(server, room, [f"{who} {n}" for n in range(20)]))
        for who in ("a", "b")
    ]
    for poster in posters:
        poster.start()
    entries = first.take(40)
    assert second.take(40) == entries
    for poster in posters:
        poster.join()
    for who in ("a", "b"):
        mine = [text for text in texts_of(entries) if text.startswith(who)]
        assert mine == [f"{who} {n}" for n in range(20)]


def test_new_viewer_gets_the_recent_history(
    server: ServerProcess, room: str, follow: Follow
) -> None:
    texts = [f"comment {number}" for number in range(60)]
    post_all(server, room, texts)
    follower = follow(server, room)
    assert texts_of(follower.first) == texts[-50:]
    assert not follower.recovered
    assert follower.reason is None


def test_viewer_that_resumes_from_a_cursor_misses_nothing(
    server: ServerProcess, room: str, follow: Follow
) -> None:
    follower = follow(server, room)
    post_all(server, room, ["seen 1", "seen 2"])
    follower.take(2)
    follower.close()
    post_all(server, room, [f"missed {number}" for number in range(100)])
    again = follow(server, room, follower.cursor)
    assert (again.recovered, again.reason) == (True, None)
    missed = again.first + again.take(100 - len(again.first))
    assert [entry["seq"] for entry in missed] == list(range(3, 103))


def test_resume_in_a_quiet_room_returns_no_entries(
    server: ServerProcess, room: str, follow: Follow
) -> None:
    post_all(server, room, ["a", "b"])
    follower = follow(server, room)
    again = follow(server, room, follower.cursor)
    assert (again.recovered, again.reason, again.first) == (True, None, [])


def test_server_restart_loses_no_entry(
    start_server: StartServer, room: str, follow: Follow
) -> None:
    server = start_server(*FREE)
    follower = follow(server, room)
    post_all(server, room, ["a", "b", "c"])
    follower.take(2)
    cursor = follower.cursor
    follower.close()
    server.restart()
    again = follow(server, room, cursor)
    assert again.recovered
    post_all(server, room, ["d"])
    entries = again.first + again.take(2 - len(again.first))
    assert [(entry["seq"], entry["text"]) for entry in entries] == [(3, "c"), (4, "d")]
    assert again.cursor == f"{cursor.split(':')[0]}:4"


def test_acked_comments_survive_a_killed_server(
    start_server: StartServer, room: str, follow: Follow
) -> None:
    server = start_server(*FREE)
    follower = follow(server, room)
    acks = [follower.post(f"comment {number}") for number in range(10)]
    server.kill()
    assert [ack["seq"] for ack in acks] == list(range(1, 11))
    server.start()
    again = follow(server, room, f"{acks[0]['epoch']}:0")
    assert again.recovered
    assert texts_of(again.first) == [f"comment {number}" for number in range(10)]


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [("0unknown:1", "epoch"), ("{epoch}:4", "ahead"), ("{epoch}:9999", "ahead")],
)
def test_cursor_of_another_epoch_is_reported_with_the_recent_history(
    server: ServerProcess, room: str, follow: Follow, cursor: str, reason: str
) -> None:
    post_all(server, room, ["a", "b", "c"])
    epoch = follow(server, room).cursor.split(":")[0]
    follower = follow(server, room, cursor.format(epoch=epoch))
    assert (follower.recovered, follower.reason) == (False, reason)
    assert texts_of(follower.first) == ["a", "b", "c"]
    assert follower.cursor == f"{epoch}:3"
    follower.post("d")
    assert texts_of(follower.take(1)) == ["d"]


def test_whole_room_can_be_read_from_the_archive(
    start_server: StartServer, room: str, follow: Follow
) -> None:
    server = start_server(*FREE)
    texts = [f"comment {number}" for number in range(450)]
    post_all(server, room, texts)
    epoch = follow(server, room).cursor.split(":")[0]
    server.restart()  # from here on memory holds the newest 300
    follower = follow(server, room, f"{epoch}:0")
    if isinstance(follower, WebSocketFollower):
        assert (follower.recovered, follower.reason) == (False, "limit")
        assert texts_of(follower.first) == texts[-50:]
        most = follow(server, room, f"{epoch}:150")
        assert most.recovered
        assert texts_of(most.first) == texts[150:]
        one_more = follow(server, room, f"{epoch}:149")
        assert (one_more.recovered, one_more.reason) == (False, "limit")
    else:
        assert follower.recovered
        read = follower.first + follower.take(450 - len(follower.first))
        assert texts_of(read) == texts


def test_own_post_is_acked_and_delivered(server: ServerProcess, room: str, follow: Follow) -> None:
    follower = follow(server, room)
    ack = follower.post("mine", ref="k1")
    (entry,) = follower.take(1)
    assert (entry["seq"], entry["text"]) == (1, "mine")
    assert (ack["ref"], ack["seq"], ack["epoch"]) == ("k1", 1, follower.cursor.split(":")[0])
    assert "dup" not in ack


def test_retry_with_the_same_ref_is_acked_as_dup_and_shown_once(
    server: ServerProcess, room: str, follow: Follow
) -> None:
    follower = follow(server, room)
    first = follower.post("mine", ref="k1")
    again = follower.post("mine", ref="k1")
    first.pop("session", None)  # over HTTP; only the first post of a guest gets one
    assert again == {**first, "dup": True}
    follower.post("next")
    assert texts_of(follower.take(2)) == ["mine", "next"]
