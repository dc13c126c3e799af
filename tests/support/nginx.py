"""nginx with the configuration of docs/operations.md, in front of a server."""

from __future__ import annotations

import contextlib
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

PROGRAM = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
CONFIGURATION = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {sites}
}}
"""


class Nginx:
    """A set of sites, each the documented configuration with changes; ``run`` starts them."""

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        self._folder = folder
        self._certificate = certificate
        self._sites: list[str] = []

    def add(
        self, server: ServerProcess, *changes: tuple[str, str], location: str = "", prefix: str = ""
    ) -> Front:
        """Add a site; each change replaces a text, which the documented configuration has."""
        site, port = read_blocks("operations.md", "nginx")[0], find_free_port()
        documented = re.search(r"    location / \{.*?\n    \}\n", site, re.DOTALL)
        assert documented
        for old, new in [
            *changes,
            (documented[0], location or documented[0]),
            ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
            ("127.0.0.1:8888", f"127.0.0.1:{server.port}"),
            *[
                (f"/etc/letsencrypt/live/danmaku.example.org/{name}.pem", str(path))
                for name, path in (
                    ("fullchain", self._certificate.certfile),
                    ("privkey", self._certificate.keyfile),
                )
            ],
            ("upstream danmaku", f"upstream danmaku{len(self._sites)}"),
            ("http://danmaku", f"http://danmaku{len(self._sites)}"),
        ]:
            assert old in site, old
            site = site.replace(old, new)
        self._sites.append(site)
        return Front(port, self._certificate.trust, prefix)

    @contextlib.contextmanager
    def run(self, fronts: list[Front]) -> Iterator[None]:
        """Run nginx until the block ends."""
        file = self._folder / "nginx.conf"
        # Only root may choose a user; its own keeps the temporary files readable.
        user = "user root;" if Path("/proc/self").stat().st_uid == 0 else ""
        sites = "\n".join(self._sites)
        file.write_text(CONFIGURATION.format(folder=self._folder, user=user, sites=sites))
        assert PROGRAM
        command = [PROGRAM, "-p", str(self._folder), "-c", str(file)]
        running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            for front in fronts:
                wait_until_listening(front.port, running)
            yield
        finally:
            running.terminate()
            running.communicate(timeout=10)
