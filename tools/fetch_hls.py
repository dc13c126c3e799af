"""Fetch hls.js from the npm registry, without npm: ``python tools/fetch_hls.py FOLDER``.

Browsers without HLS of their own need it to play HLS videos. It is a dependency and no part of this
repository: package-lock.json has its version and its hash. ``npm_config_registry`` names another
registry. Without a network there is one warning, and HLS then plays only where the browser can.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import sys
import tarfile
from pathlib import Path
from urllib.request import urlopen

LOCK = Path(__file__).resolve().parents[1] / "package-lock.json"
REGISTRY = "https://registry.npmjs.org"
FILES = ("dist/hls.min.mjs", "LICENSE")
TIMEOUT_SECONDS = 10.0
MAX_BYTES = 64 * 1_024 * 1_024


class FetchError(Exception):
    """hls.js could not be fetched; the text is the reason."""


def fetch_hls(folder: Path, lock: Path = LOCK) -> None:
    """Write the module and its licence into a folder; raises FetchError."""
    pinned = json.loads(lock.read_text())["packages"]["node_modules/hls.js"]
    registry = os.environ.get("npm_config_registry") or REGISTRY  # noqa: SIM112
    url = f"{registry.rstrip('/')}/hls.js/-/hls.js-{pinned['version']}.tgz"
    try:
        with urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            archive = answer.read(MAX_BYTES)
    except (OSError, ValueError) as error:
        raise FetchError(f"{url}: {error}") from None
    algorithm, _, expected = pinned["integrity"].partition("-")
    if base64.b64encode(hashlib.new(algorithm, archive).digest()).decode() != expected:
        raise FetchError(f"{url} does not have the hash in {lock.name}")
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        for name in FILES:
            member = members.extractfile(f"package/{name}")
            assert member is not None, name
            target = folder / Path(name).name
            # A fetch that is cut short must not leave half a module.
            partial = target.with_name(target.name + ".partial")
            partial.write_bytes(member.read())
            partial.replace(target)


def fetch_or_warn(folder: Path) -> None:
    """Fetch hls.js, or print why HLS videos will not play in every browser."""
    try:
        fetch_hls(folder)
    except FetchError as error:
        print(
            f"warning: without hls.js, HLS videos play in some browsers only ({error})",
            file=sys.stderr,
        )


if __name__ == "__main__":
    fetch_or_warn(Path(sys.argv[1]))
