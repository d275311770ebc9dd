"""The simulated Safaricom's own key pair, made once for each data directory.

The real certificates are Safaricom's, and only Safaricom can decrypt what leaves under them. The
simulator has to look inside, so it makes a pair of its own; the client finds the certificate where
the simulator left it.
"""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

INITIATOR_NAME = "testapi"
INITIATOR_PASSWORD = "simulator-initiator"  # noqa: S105 - opens the simulator only
_FILE = "simulated-safaricom.pem"
_KEY_BITS = 2048  # as Safaricom's, so that a credential has their 344 characters


def key_and_certificate(directory: Path) -> str:
    """The private key and the certificate, PEM one after the other; made where they are missing."""
    path = directory / _FILE
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory, delete=False) as file:
            file.write(_make())
        try:
            os.link(file.name, path)  # whoever is first wins, and nobody sees half a file
        except FileExistsError:
            pass
        finally:
            Path(file.name).unlink()
    return path.read_text()


def certificate_pem(directory: Path) -> str:
    """The certificate alone, as Safaricom's would be configured."""
    both = key_and_certificate(directory)
    return both[both.index("-----BEGIN CERTIFICATE-----") :]


def _make() -> bytes:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=_KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulated Safaricom")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        # Past its end, as the files in circulation are: a client takes the key and asks no date.
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2021, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
