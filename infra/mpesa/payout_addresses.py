"""Where Safaricom is to tell what became of a payout, a question about it, and a balance."""

from __future__ import annotations

from uuid import UUID

from domain.identities import short_code_id
from domain.mpesa.payout import Payout
from infra.keyring import Keyring

Addresses = tuple[str, str]
"""Where a result is told, and where that the request waited too long in Safaricom's queue."""


class PayoutAddresses:
    """Made from our public address and a token for each subject; kept nowhere."""

    def __init__(self, public_url: str, keyring: Keyring) -> None:
        self._public_url = public_url
        self._keyring = keyring

    def of_result(self, payout: Payout) -> Addresses:
        """Of a payout, or of a reversal."""
        return self._addresses("reversal" if payout.is_reversal else "b2c", payout.id)

    def of_status(self, payout_id: UUID) -> Addresses:
        """Of a question about a payout."""
        return self._addresses("status", payout_id)

    def of_balance(self, short_code: str) -> Addresses:
        """Of a question about a short code's accounts."""
        return self._addresses("balance", short_code_id(short_code))

    def _addresses(self, kind: str, subject_id: UUID) -> Addresses:
        token = self._keyring.callback_token(kind, subject_id)
        result = f"{self._public_url}/hooks/{kind}/{token}"
        return result, f"{result}/timeout"
