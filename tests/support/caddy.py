"""Caddy with the configuration of docs/operations.md, in front of a server."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.certificates import Certificate
from tests.support.reverse_proxy import (
    Front,
    find_free_port,
    read_blocks,
    wait_until_listening,
)
from tests.support.server_process import ServerProcess

PROGRAM = shutil.which("caddy")
# It asks nobody for certificates, and listens only where a site says.
GLOBAL_OPTIONS = """{
    admin off
    auto_https off
    default_sni 127.0.0.1
    servers {
        protocols h1 h2
    }
}
"""


class Caddy:
    """A set of sites, each the documented configuration; ``run`` starts them."""

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        self._folder = folder
        self._certificate = certificate
        self._sites: list[str] = []

    def add(self, server: ServerProcess, prefix: str = "") -> Front:
        """Add the documented site for a server, which is under a path of it or not."""
        (site,) = [
            block
            for block in read_blocks("operations.md", "")
            if "reverse_proxy" in block and (f"{prefix}/" in block) == bool(prefix)
        ]
        port = find_free_port()
        files = f"tls {self._certificate.certfile} {self._certificate.keyfile}"
        site, found = re.subn(
            r"^(danmaku\.)?example\.org \{", f"https://127.0.0.1:{port} {{\n    {files}", site
        )
        assert found == 1
        assert "127.0.0.1:8888" in site
        self._sites.append(site.replace("127.0.0.1:8888", f"127.0.0.1:{server.port}"))
        return Front(port, self._certificate.trust, prefix)

    @contextlib.contextmanager
    def run(self, fronts: list[Front]) -> Iterator[None]:
        """Run Caddy until the block ends."""
        file = self._folder / "Caddyfile"
        file.write_text(GLOBAL_OPTIONS + "\n".join(self._sites))
        home = str(self._folder)
        assert PROGRAM
        command = [PROGRAM, "run", "--config", str(file), "--adapter", "caddyfile"]
        with (self._folder / "caddy.log").open("w") as log:
            running = subprocess.Popen(
                command,
                stderr=log,
                text=True,
                env={**os.environ, "HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home},
            )
            try:
                for front in fronts:
                    wait_until_listening(front.port, running)
                yield
            finally:
                running.terminate()
                running.communicate(timeout=10)
