"""The wheel contains pages and migrations, and runs from any folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.api import Api
from tests.support.server_process import ROOT, ServerProcess
from tests.support.viewer import Viewer

REGISTRY = "https://registry.npmjs.org"
SOURCES = """
    chat static templates tools pyproject.toml setup.py package-lock.json README.md LICENSE
""".split()


def run(*command: str | Path, **options) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def build_wheel(folder: Path, **environment: str) -> str:
    """Build the wheel into a folder, and return what was printed."""
    # A copy: building leaves its traces beside the sources.
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "vendor")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source]
    return run(*build, env={**os.environ, **environment})


def is_registry_reachable() -> bool:
    registry = os.environ.get("npm_config_registry") or REGISTRY  # noqa: SIM112
    try:
        urlopen(f"{registry}/hls.js", timeout=10).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``danmaku`` command in an environment where the wheel was installed."""
    folder = tmp_path_factory.mktemp("wheel")
    build_wheel(folder)
    (wheel,) = folder.glob("*.whl")
    home = folder / "environment"
    venv.create(home, symlinks=True)
    (packages,) = home.glob("lib/python3*/site-packages")
    # What the program depends on is taken from here, so that the test needs no network.
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--target", packages, wheel)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    script = home / "bin" / "danmaku"
    shutil.move(packages / "bin" / "danmaku", script)
    text = script.read_text()
    script.write_text(re.sub(r"^#!.*", f"#!{home / 'bin' / 'python'}", text, count=1))
    return script


def test_installed_program_serves_pages_and_comments_from_any_folder(
    program: Path, tmp_path: Path
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.Popen(
        [str(program), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**environment, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r":(\d+)/", line)
    assert found, line + process.communicate(timeout=10)[1]
    running = ServerProcess(tmp_path / "danmaku.db")
    running.port = int(found[1])
    api = Api(running)
    for path, kind in (
        ("/", "text/html"),
        ("/r/demo", "text/html"),
        ("/static/js/room/room.js", "text/javascript"),
    ):
        answer = api.get(path)
        assert (answer.status, answer.headers.get_content_type()) == (200, kind), path
    page = api.get("/r/demo").body.decode()
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        assert api.get(address).status == 200, address
    if is_registry_reachable():
        module = api.get("/vendor/hls.js")
        assert (module.status, module.headers.get_content_type()) == (200, "text/javascript")
    with Viewer(running, "demo") as viewer:
        assert viewer.post("hi")["seq"] == 1
    process.send_signal(signal.SIGTERM)
    stderr = process.communicate(timeout=10)[1]
    assert not re.search(r"WARNING|ERROR|Traceback", stderr), stderr
    assert process.returncode == 0
    assert (tmp_path / "danmaku.db").exists()


def test_wheel_carries_every_page_and_module(program: Path) -> None:
    (chat,) = program.parents[1].glob("lib/python3*/site-packages/chat")
    for folder in ("static", "templates"):
        carried = {path.relative_to(chat / folder) for path in (chat / folder).rglob("*.*")}
        wanted = {path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*.*")}
        assert carried == wanted
    assert (chat / "loadtest" / "report.html").exists()
    carried = {path.relative_to(chat) for path in chat.rglob("*.py")}
    assert carried == {path.relative_to(ROOT / "chat") for path in (ROOT / "chat").rglob("*.py")}


def test_wheel_carries_hls_js_and_its_licence(program: Path) -> None:
    (chat,) = program.parents[1].glob("lib/python3*/site-packages/chat")
    if is_registry_reachable():
        assert b"isMSESupported" in (chat / "vendor" / "hls.min.mjs").read_bytes()
        assert "Apache" in (chat / "vendor" / "LICENSE").read_text()
    else:
        assert not (chat / "vendor").exists()


def test_wheel_is_built_without_hls_js_when_no_registry_can_be_reached(tmp_path: Path) -> None:
    printed = build_wheel(tmp_path, npm_config_registry="http://127.0.0.1:1")
    assert printed.count("warning: without hls.js") == 1
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "chat/app.py" in names
    assert not [name for name in names if "vendor" in name]
