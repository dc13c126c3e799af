"""The certificate: the errors of an invalid one, and how a new one is loaded."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from chat.web.certificate import Certificate, CertificateError

AUTHORITY = trustme.CA()
ISSUED = AUTHORITY.issue_cert("example.org")
OTHER = AUTHORITY.issue_cert("other.example")
CERTIFICATE = ISSUED.cert_chain_pems[0].bytes()
KEY = ISSUED.private_key_pem.bytes()
ENCRYPTED = serialization.load_pem_private_key(KEY, None).private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.BestAvailableEncryption(b"password"),
)


def cut(pem: bytes) -> bytes:
    lines = pem.splitlines(keepends=True)
    return b"".join(lines[:2] + lines[3:])


@pytest.mark.parametrize(
    ("certificate", "key", "sentence"),
    [
        (b"junk", KEY, "cert.pem contains no certificate in PEM format."),
        (b"", None, "cert.pem contains no certificate in PEM format."),
        (CERTIFICATE, b"junk", "key.pem contains no private key in PEM format."),
        (
            CERTIFICATE,
            None,
            "cert.pem contains no private key in PEM format; name its file with --keyfile.",
        ),
        (
            CERTIFICATE,
            OTHER.private_key_pem.bytes(),
            "The private key key.pem is not that of cert.pem.",
        ),
        (
            CERTIFICATE,
            ENCRYPTED,
            "The private key key.pem is encrypted; store it without a password.",
        ),
        (CERTIFICATE, cut(KEY), "cert.pem or its private key key.pem is damaged."),
        (cut(CERTIFICATE), KEY, "cert.pem or its private key key.pem is damaged."),
    ],
)
def test_certificate_that_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    certificate: bytes,
    key: bytes | None,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cert.pem").write_bytes(certificate)
    if key is not None:
        Path("key.pem").write_bytes(key)
    with pytest.raises(CertificateError) as refused:
        Certificate("cert.pem", "" if key is None else "key.pem")
    assert str(refused.value) == sentence


def test_certificate_is_loaded_again_only_when_a_file_has_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file = tmp_path / "both.pem"
    file.write_bytes(KEY + CERTIFICATE)
    certificate = Certificate(str(file), "")
    first = certificate.context
    certificate.reload()
    assert certificate.context is first
    file.write_bytes(OTHER.private_key_pem.bytes() + OTHER.cert_chain_pems[0].bytes())
    certificate.reload()
    assert certificate.context is not first
    assert len(caplog.records) == 1


@pytest.mark.parametrize("broken", [b"junk", None], ids=["junk", "missing"])
def test_new_certificate_that_is_broken_is_logged_once_and_the_old_one_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: bytes | None
) -> None:
    file = tmp_path / "both.pem"
    file.write_bytes(KEY + CERTIFICATE)
    certificate = Certificate(str(file), "")
    first = certificate.context
    if broken is None:
        file.unlink()
    else:
        file.write_bytes(broken)
    for _ in range(3):
        certificate.reload()
    assert certificate.context is first
    (line,) = caplog.messages
    assert line.endswith("The previous certificate stays in use.")
    caplog.clear()
    file.write_bytes(KEY + CERTIFICATE)
    certificate.reload()
    assert certificate.context is not first
    assert caplog.messages == []
