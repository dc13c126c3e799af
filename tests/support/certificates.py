"""A certificate for a server on loopback, and its issuer."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple

import trustme


class Certificate(NamedTuple):
    """The chain and the key as a server reads them, and what a viewer trusts."""

    certfile: Path
    keyfile: Path
    trust: ssl.SSLContext


def issue_certificate(folder: Path) -> Certificate:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate = Certificate(folder / "cert.pem", folder / "key.pem", ssl.create_default_context())
    issued.private_key_pem.write_to_path(certificate.keyfile)
    for blob in issued.cert_chain_pems:
        blob.write_to_path(certificate.certfile, append=True)
    authority.configure_trust(certificate.trust)
    return certificate
