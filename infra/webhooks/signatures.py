"""Signing a delivery: the Standard Webhooks headers, and the older system's beside them.

Both are HMAC-SHA256 under the very bytes of the endpoint's secret, which it is shown in the form
`whsec_` and base64. Facts: the Standard Webhooks specification 1.0.0, and the older system's own.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Sequence


def signed_headers(
    secrets: Sequence[bytes], *, webhook_id: str, timestamp: int, event: str, body: bytes
) -> dict[str, str]:
    """The headers of one attempt, at a Unix time in whole seconds.

    Each secret that holds signs, newest first; the older system's header has room for the newest.
    """
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    signatures = [b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in secrets]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        "X-Daystar-Event": event,
        "X-Daystar-Signature": f"sha256={hmac.digest(secrets[0], body, 'sha256').hex()}",
    }
