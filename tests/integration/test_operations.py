"""Health checks, metrics, and the limits of connections and descriptors."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import ExitStack, closing

from prometheus_client.parser import text_string_to_metric_families

from chat.app import SPARE_DESCRIPTORS
from tests.support.api import Api
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]


def read_metrics(server: ServerProcess) -> dict[str, float]:
    """Return the samples by name, those by code as ``name{code}``; buckets left out."""
    answer = Api(server).get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    samples = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            if "le" not in sample.labels:
                code = sample.labels.get("code")
                samples[sample.name + (f"{{{code}}}" if code else "")] = sample.value
    return samples


def test_health_and_readiness_checks_answer_200(server: ServerProcess) -> None:
    for path in ("/healthz", "/readyz"):
        answer = Api(server).get(path)
        assert answer.status == 200
        assert answer.headers.get_content_type() == "text/plain"


def test_metrics_count_what_happens(start_server: StartServer) -> None:
    server = start_server()
    before = read_metrics(server)
    assert before["danmaku_viewers"] == before["danmaku_rooms"] == 0
    with Viewer(server, "demo") as viewer, Viewer(server, "demo") as other, Viewer(server, "music"):
        for text in ("a", "b", "c"):
            viewer.post(text)
        other.take(3)
        viewer.post("")
        viewer.socket.send("no JSON")
        viewer.wait_for("reject")
        Api(server).get("/nothing")
        now = read_metrics(server)
    assert now["danmaku_viewers"] == now["danmaku_connections"] == 3
    assert now["danmaku_rooms"] == 2
    assert now["danmaku_comments_accepted_total"] == 3
    assert now["danmaku_rejected_total{text_empty}"] == 1
    assert now["danmaku_rejected_total{bad_json}"] == 1
    assert now["danmaku_rejected_total{not_found}"] == 1
    assert now["danmaku_deliveries_total"] == 6
    assert 1 <= now["danmaku_commit_seconds_count"] <= 3
    assert now["danmaku_commit_seconds_sum"] > 0
    assert now["danmaku_wave_seconds_count"] >= 1
    assert now["danmaku_slow_viewers"] == now["danmaku_pending_comments"] == 0


def test_duplicate_is_not_counted_as_accepted(start_server: StartServer) -> None:
    server = start_server()
    with Viewer(server, "demo") as viewer:
        viewer.post("a", ref="k1")
        viewer.post("a", ref="k1")
    assert read_metrics(server)["danmaku_comments_accepted_total"] == 1


def test_connections_over_the_limit_are_closed_with_1013(start_server: StartServer) -> None:
    server = start_server("--max-viewers", "2")
    with Viewer(server, "demo") as first:
        second = Viewer(server, "demo")
        with Viewer(server, "demo") as third:
            bye = third.first
            assert (bye["type"], bye["code"]) == ("bye", 1013)
            assert bye["reconnect_after"] > 0
            assert third.read_close() == 1013
        assert read_metrics(server)["danmaku_closed_total{1013}"] == 1
        assert first.post("still here")["type"] == "ack"
        second.close()
        with Viewer(server, "demo") as next_one:
            assert next_one.welcome["seq"] == 1
    assert json.loads(Api(server).get("/api/rooms").body)["rooms"][0]["viewers"] <= 1


def test_connections_for_the_last_descriptors_are_closed_and_viewers_are_served(
    start_server: StartServer,
) -> None:
    open_files = 300
    server = start_server("--post-rate", "0", open_files=open_files)
    server.take_log(f"at most {open_files - SPARE_DESCRIPTORS} viewers")
    with Viewer(server, "demo") as viewer:
        with ExitStack() as held:
            for _ in range(open_files):
                last = held.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
                last.sendall(b"GET")  # and never the rest
            assert is_closed_by_peer(last)
            assert viewer.post("still here")["type"] == "ack"
        while (samples := try_metrics(server)) is None:
            viewer.post("until the server has seen them go")
        assert 1 <= samples["danmaku_turned_away_total"] < open_files


def test_health_checks_answer_each_time_while_the_server_is_full(
    start_server: StartServer, room: str
) -> None:
    open_files = 300
    server = start_server(open_files=open_files)
    server.take_log(f"at most {open_files - SPARE_DESCRIPTORS} viewers")
    with ExitStack() as held:
        for _ in range(open_files - SPARE_DESCRIPTORS):
            assert held.enter_context(Viewer(server, room)).welcome
        is_full = False
        while not is_full:
            idle = held.enter_context(closing(Api(server)))
            try:
                idle.get("/")
            except ConnectionError:
                is_full = True
        for _ in range(20):
            for path in ("/healthz", "/readyz", "/metrics"):
                with closing(Api(server)) as probe:
                    assert probe.get(path).status == 200
            # Who comes now is turned away, and holds nothing that the health checks need.
            with socket.create_connection(("127.0.0.1", server.port), 10) as turned_away:
                turned_away.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert is_closed_by_peer(turned_away)


def try_metrics(server: ServerProcess) -> dict[str, float] | None:
    try:
        return read_metrics(server)
    except ConnectionError:
        return None


def is_closed_by_peer(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
