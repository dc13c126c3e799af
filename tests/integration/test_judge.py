"""The operator's judge decides on comments before they are stored."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from chat.core.comment import Role
from tests.support.api import Api
from tests.support.moderator import Moderator
from tests.support.room_admin import sign_token
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "judge.py"
SECRET = "a secret of the judge and the server"


@contextmanager
def run_example(secret: str = SECRET) -> Iterator[str]:
    """Run the example; yield its URL."""
    command = [sys.executable, str(EXAMPLE), "0", secret]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as judge:
        assert judge.stdout is not None
        try:
            yield judge.stdout.readline().split()[-1]
        finally:
            judge.terminate()


def start(start_server: StartServer, url: str, failure: str = "open") -> ServerProcess:
    return start_server(
        "--judge-url", url, "--judge-secret", SECRET, "--judge-failure", failure, "--post-rate", "0"
    )


def test_comments_are_rejected_masked_held_or_allowed_as_the_judge_says(
    start_server: StartServer, room: str
) -> None:
    with run_example() as url:
        server = start(start_server, url)
        with Viewer(server, room) as owl, Viewer(server, room) as fox:
            assert owl.post("hello")["type"] == "ack"
            assert owl.post("CASINO here")["code"] == "filtered"
            assert owl.post("darn it", ref="r")["type"] == "ack"
            assert owl.post("darn it", ref="r")["dup"] is True
            assert owl.post("WHY DOES NOBODY LISTEN TO ME")["type"] == "held"
            assert [entry["text"] for entry in fox.take(2)] == ["hello", "**** it"]
            with closing(Moderator(server, room)) as mia:
                [held] = mia.call("GET", "held").json["held"]
            assert held["cause"] == "judge"
            # Staff are exempt.
            owl.send("auth", token=sign_token(server, room, Role.MODERATOR))
            owl.wait_for("identity")
            assert owl.post("no casino, please")["type"] == "ack"
        with closing(Api(server)) as api:
            assert api.post(room, "casino").status == 422


def test_comments_of_a_sender_keep_their_order(start_server: StartServer, room: str) -> None:
    texts = [f"number {number}" for number in range(16)]
    with run_example() as url:
        server = start(start_server, url)
        with Viewer(server, room) as owl, Viewer(server, room) as fox:
            for number, text in enumerate(texts):
                owl.send("post", text=text, ref=f"{number}")
            assert [entry["text"] for entry in fox.take(len(texts))] == texts


@pytest.mark.parametrize("secret", ["another secret", SECRET])
@pytest.mark.parametrize("failure", ["open", "closed"])
def test_while_the_judge_gives_no_verdict_comments_are_accepted_or_not_as_configured(
    start_server: StartServer, room: str, failure: str, secret: str
) -> None:
    # One that refuses the signature, and one that is not there any more.
    with run_example(secret) as url:
        server = start(start_server, url, failure)
        with Viewer(server, room) as owl:
            if secret != SECRET:
                outcome = owl.post("hello")
                assert outcome.get("code", "ack") == ("ack" if failure == "open" else "busy")
    with Viewer(server, room) as owl:
        outcome = owl.post("hello")
        assert outcome.get("code", "ack") == ("ack" if failure == "open" else "busy")
        assert failure == "open" or outcome["retry_after"] > 0
    assert "hello" not in "\n".join(server.take_log("the judge gave no verdict"))


def test_judge_without_a_secret_is_refused_at_the_start_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLE.parents[1] / "server.py"), "--port", "0"]
    command += ["--database", f"sqlite:///{tmp_path}/a.db", "--judge-url", "http://127.0.0.1:1/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "--judge-secret" in done.stderr
    assert list(tmp_path.iterdir()) == []
