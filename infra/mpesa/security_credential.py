"""The initiator's password, as it may leave this house: encrypted for Safaricom alone.

Base64 of RSA with PKCS #1 v1.5 padding, under the key of the certificate that Safaricom hands out
(one for the sandbox, another for production). The certificates in circulation are past their dates;
Safaricom takes what is encrypted under them all the same, so only the key is looked at.
"""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

from infra.errors import InfrastructureError
from infra.mpesa.credentials import Initiator


class UnusableInitiator(InfrastructureError):
    """The password cannot be encrypted under this certificate."""


def security_credential(initiator: Initiator) -> str:
    """A fresh SecurityCredential; it differs each time, and may be used any number of times.

    Raises:
        UnusableInitiator: the certificate cannot be read, or its key cannot encrypt the password.
    """
    try:
        key = load_pem_x509_certificate(initiator.certificate_pem.encode()).public_key()
        if not isinstance(key, RSAPublicKey):
            raise UnusableInitiator("the certificate's key is no RSA key")
        sealed = key.encrypt(initiator.password.encode(), padding.PKCS1v15())
    except ValueError:
        # The error's own text may quote what it was given.
        raise UnusableInitiator("the password cannot be encrypted under the certificate") from None
    return base64.b64encode(sealed).decode()
