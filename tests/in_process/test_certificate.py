"""A certificate that is replaced while the server runs."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from pathlib import Path

import pytest

from chat.app import ServerLimits
from tests.support.certificates import Certificate, issue_certificate
from tests.support.in_process_server import SECONDS, InProcessServer

LIMITS = ServerLimits(certificate_seconds=0.02)


def fingerprint_of(certificate: Certificate) -> str:
    leaf, end, _ = certificate.certfile.read_text().partition("-----END CERTIFICATE-----")
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(leaf + end)).hexdigest()


async def shown_by(server: InProcessServer) -> str:
    """Return the fingerprint of the certificate that a new connection is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with asyncio.timeout(SECONDS):
        _, writer = await asyncio.open_connection("127.0.0.1", server.server.port, ssl=context)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
    return hashlib.sha256(der).hexdigest()


def replace(old: Certificate, new: Certificate) -> None:
    """Replace the files as certbot does: one after the other, each at once."""
    new.keyfile.rename(old.keyfile)
    new.certfile.rename(old.certfile)


def test_new_connections_get_the_new_certificate_and_old_ones_stay(tmp_path: Path) -> None:
    asyncio.run(replace_while_running(tmp_path))


async def replace_while_running(tmp_path: Path) -> None:
    folders = [tmp_path / "old", tmp_path / "new"]
    for folder in folders:
        folder.mkdir()
    old, new = map(issue_certificate, folders)
    before, after = fingerprint_of(old), fingerprint_of(new)
    async with InProcessServer(old, LIMITS) as server:
        viewer = await server.connect("demo")
        assert await shown_by(server) == before
        replace(old, new)
        async with asyncio.timeout(SECONDS):
            while await shown_by(server) != after:
                pass
        viewer.send("post", text="still here", ref="k1")
        await viewer.read_message("ack")


def test_broken_certificate_is_logged_once_and_the_old_one_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(break_while_running(tmp_path, caplog))


async def break_while_running(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    certificate = issue_certificate(tmp_path)
    before = fingerprint_of(certificate)
    async with InProcessServer(certificate, LIMITS) as server:
        certificate.certfile.write_text("junk")
        async with asyncio.timeout(SECONDS):
            while not caplog.messages:
                assert await shown_by(server) == before
        for _ in range(5):
            assert await shown_by(server) == before
    assert len(caplog.messages) == 1
