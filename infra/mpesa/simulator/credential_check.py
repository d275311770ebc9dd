"""Whether an initiator is who it says it is: the simulator decrypts the password and looks."""

from __future__ import annotations

import base64
import binascii
import secrets
from threading import Lock

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from infra.mpesa.simulator.settings import SimulatorSettings

_WRONG, _LOCKED = "2001", "8006"


class CredentialCheck:
    """Locks the initiator after some wrong passwords in a row. Safe to share between threads."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._key = _private_key(settings.private_key_pem)
        self._lock = Lock()
        self._wrong_in_a_row = 0

    def unlock(self) -> None:
        """As an operator does in Safaricom's portal."""
        with self._lock:
            self._wrong_in_a_row = 0

    def failure_code(self, *, initiator: str, credential: str) -> str | None:
        """The result code that this initiator earns, or None when all is well."""
        right = initiator == self._settings.initiator_name and self._opens(credential)
        with self._lock:
            if self._wrong_in_a_row >= self._settings.wrong_credentials_max:
                return _LOCKED
            self._wrong_in_a_row = 0 if right else self._wrong_in_a_row + 1
        return None if right else _WRONG

    def _opens(self, credential: str) -> bool:
        if self._key is None:
            return False
        try:
            sealed = base64.b64decode(credential, validate=True)
            # Wrong padding yields another text here, never an error: OpenSSL gives nothing away.
            password = self._key.decrypt(sealed, padding.PKCS1v15())
        except (binascii.Error, ValueError):
            return False
        return secrets.compare_digest(password, self._settings.initiator_password.encode())


def _private_key(pem: str) -> RSAPrivateKey | None:
    if not pem:
        return None
    key = load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key
