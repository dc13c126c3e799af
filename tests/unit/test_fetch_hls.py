"""Fetching hls.js without npm: from a registry, by its pinned hash, or not at all."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import json
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server_process import ROOT

sys.path.insert(0, str(ROOT / "tools"))

from fetch_hls import FetchError, fetch_hls

CONTENTS = {
    "package/package.json": b"{}",
    "package/dist/hls.min.mjs": b"export default class {}",
    "package/LICENSE": b"Apache License",
}


def pack(contents: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


ARCHIVE = pack(CONTENTS)


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A registry with one package, named by the variable that npm uses."""

    class Registry(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_there = self.path == "/npm/hls.js/-/hls.js-1.2.3.tgz"
            self.send_response(200 if is_there else 404)
            self.end_headers()
            self.wfile.write(ARCHIVE if is_there else b"")

        def log_message(self, *_: object) -> None:
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=running.serve_forever, args=[0.01], daemon=True).start()
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{running.server_port}/npm/")
    yield
    running.shutdown()
    running.server_close()


def write_lock(folder: Path, version: str = "1.2.3", archive: bytes = ARCHIVE) -> Path:
    digest = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    pinned = {"version": version, "integrity": f"sha512-{digest}"}
    lock = folder / "package-lock.json"
    lock.write_text(json.dumps({"packages": {"node_modules/hls.js": pinned}}))
    return lock


def test_module_and_licence_are_fetched_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "vendor"
    fetch_hls(folder, write_lock(tmp_path))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "hls.min.mjs": CONTENTS["package/dist/hls.min.mjs"],
        "LICENSE": CONTENTS["package/LICENSE"],
    }


def test_archive_with_another_hash_is_refused(tmp_path: Path) -> None:
    lock = write_lock(tmp_path, archive=b"what was locked")
    with pytest.raises(FetchError, match="does not have the hash"):
        fetch_hls(tmp_path / "vendor", lock)
    assert not (tmp_path / "vendor").exists()


def test_version_that_the_registry_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="404"):
        fetch_hls(tmp_path / "vendor", write_lock(tmp_path, version="9.9.9"))


def test_command_without_a_registry_prints_one_warning_and_exits_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1")
    program = [sys.executable, str(ROOT / "tools" / "fetch_hls.py"), str(tmp_path / "vendor")]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 0
    assert ended.stderr.startswith("warning: without hls.js,")
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "vendor").exists()
