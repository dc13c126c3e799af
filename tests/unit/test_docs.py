"""The documents match the program: its settings, messages and codes, and all they link to."""

from __future__ import annotations

import configparser
import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest

from chat.command_line import read_command
from chat.core import reject, wire
from chat.core.comment import Comment
from chat.core.reject import REJECTIONS, Closing
from chat.settings import Settings, flag, show_default, variable

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
CLOSINGS = {name: value for name, value in vars(reject).items() if isinstance(value, Closing)}


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of every table row, without the marks of code."""
    rows = re.findall(r"^\|(.*)\|\s*$", text, re.MULTILINE)
    cells = [[cell.strip().strip("`") for cell in row.split("|")] for row in rows]
    return [row for row in cells if not set("".join(row)) <= set("-: ")]


def test_settings_page_lists_exactly_the_settings() -> None:
    listed = [row for row in rows_of((DOCS / "settings.md").read_text()) if row[0].startswith("--")]
    assert listed == [
        [flag(setting), variable(setting), show_default(setting), setting.metadata["help"]]
        for setting in fields(Settings)
    ]


def message_types() -> list[str]:
    messages = [*wire.Incoming.__args__, *wire.Outgoing.__args__, Comment]
    return sorted({message.__struct_config__.tag for message in messages})


@pytest.fixture(scope="module")
def protocol() -> str:
    return (DOCS / "protocol.md").read_text()


@pytest.mark.parametrize("name", message_types())
def test_protocol_page_names_the_message(protocol: str, name: str) -> None:
    assert re.search(rf"[`\"]{name}[`\"]", protocol)


@pytest.mark.parametrize("code", REJECTIONS)
def test_protocol_page_names_the_reject_code(protocol: str, code: str) -> None:
    assert f"`{code}`" in protocol


def test_table_of_close_codes_lists_every_code_of_the_server_once(protocol: str) -> None:
    rows = [row for row in rows_of(protocol) if re.fullmatch(r"[14]\d{3}", row[0])]
    listed = [int(row[0]) for row in rows]
    of_frames = {1002, 1007}  # sent by the frame reader, which knows no Closing
    assert listed == sorted({closing.code for closing in CLOSINGS.values()} | of_frames)
    for code, _, reconnect_after in rows:
        # A client does not come back after 4500 and above, nor after it broke the protocol.
        is_final = int(code) >= 4500 or int(code) in (1002, 1007, 1009)
        assert reconnect_after == ("null" if is_final else "seconds"), code


def test_protocol_page_names_no_code_that_does_not_exist(protocol: str) -> None:
    codes = protocol.split("\n## Reject codes\n")[1]
    rejections = [row for row in rows_of(codes) if row[0] in REJECTIONS]
    assert len(rejections) == len(REJECTIONS)
    for row in rejections:
        assert str(REJECTIONS[row[0]].status) in row, row


def test_systemd_unit_starts_the_server_with_a_database_in_its_state_directory() -> None:
    page = (DOCS / "operations.md").read_text()
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(page.split("```ini\n")[1].split("```")[0])
    service = unit["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert Path(program).name == "danmaku"
    command = read_command(arguments, dict([service["Environment"].split("=", 1)]))
    assert command.name == ""
    folder = Path("/var/lib") / service["StateDirectory"]
    assert Path(command.settings.database_path).parent == folder


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_to_a_file_and_to_a_heading(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    for link in links:
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors_of(target), link


def test_architecture_names_only_tests_that_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "ARCHITECTURE.md").read_text()))
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert named
    assert {name for name in named if not re.search(rf"def {name}\(", sources)} == set()


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "docs/delivery.md"])
def test_page_names_only_modules_limits_and_metrics_that_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    folders = [ROOT, ROOT / "chat", ROOT / "static/js", *(ROOT / "tests").iterdir()]
    # What is planned has no module yet.
    planned = text.partition("## Where later parts go")[2]
    for path in re.findall(r"`([\w/]+\.(?:py|js))`", text.removesuffix(planned)):
        assert any((folder / path).exists() for folder in folders), path
    source = "".join(path.read_text() for path in (ROOT / "chat").rglob("*.py"))
    for name in re.findall(r"`(?:\w+\.)?(\w+)`", text):
        if re.fullmatch(r"[A-Z]+_[A-Z_]+", name):
            assert re.search(rf"^{name}\b.*=", source, re.MULTILINE), name
        elif name.startswith("danmaku_"):
            assert name.removesuffix("_total") in source, name
    for limits, field in re.findall(r"`(\w+Limits)\.(\w+)`", text):
        assert re.search(rf"class {limits}\b(?:(?!\nclass ).)*\n    {field}: ", source, re.DOTALL)
