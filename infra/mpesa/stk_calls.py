"""STK push: ask a payer for money, ask what became of it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import datetime
from functools import partial

from domain.dates import NAIROBI
from infra.mpesa.answers import read_push_answer, read_query_answer
from infra.mpesa.credentials import Credentials
from infra.mpesa.gateway import Gateway
from infra.mpesa.outcomes import PushOutcome, QueryOutcome
from infra.mpesa.paths import PUSH_PATH, QUERY_PATH

AMOUNT_SHILLINGS_MAX = 250_000
ACCOUNT_REFERENCE_LENGTH_MAX = 12
DESCRIPTION_LENGTH_MAX = 13
PHONE = re.compile(r"254[17]\d{8}", re.ASCII)

_REFERENCE = re.compile(r"[A-Za-z0-9]{1,12}")
_UNSAFE_IN_TEXT = re.compile(r"[^A-Za-z0-9 ]+")
_QUERY_RETRY_SECONDS = 30.0


class StkCalls:
    """The calls of M-Pesa Express."""

    _credentials: Credentials
    _gateway: Gateway
    _clock: Callable[[], datetime]

    def push(
        self,
        *,
        phone: str,
        amount_shillings: int,
        account_reference: str,
        description: str,
        callback_url: str,
    ) -> PushOutcome:
        """Ask M-Pesa to prompt the payer. Sends at most once, whatever happens."""
        assert PHONE.fullmatch(phone), "the phone must be 254 and nine digits"
        assert 1 <= amount_shillings <= AMOUNT_SHILLINGS_MAX
        # It is how a receipt finds its push again, so it is never cut to fit.
        assert _REFERENCE.fullmatch(account_reference)
        fields = {
            **self._signed_fields(),
            "TransactionType": self._credentials.transaction_type,
            "Amount": amount_shillings,
            # Numbers, not text: text is acknowledged and then ends as "phone out of reach".
            "PartyA": int(phone),
            "PartyB": int(self._credentials.party_b),
            "PhoneNumber": int(phone),
            "CallBackURL": callback_url,
            "AccountReference": account_reference,
            "TransactionDesc": prompt_text(description),
        }
        return self._gateway.request(
            PUSH_PATH, fields, read_push_answer, callback_urls=[callback_url]
        )

    def query(self, *, checkout_request_id: str) -> QueryOutcome:
        """Ask what became of a push. Moves no money; may be asked again."""
        fields = {**self._signed_fields(), "CheckoutRequestID": checkout_request_id}
        read = partial(read_query_answer, checkout_request_id=checkout_request_id)
        return self._gateway.learn(QUERY_PATH, fields, read, retry_seconds=_QUERY_RETRY_SECONDS)

    def _signed_fields(self) -> dict[str, str | int]:
        timestamp = self._clock().astimezone(NAIROBI).strftime("%Y%m%d%H%M%S")
        short_code = self._credentials.short_code
        return {
            "BusinessShortCode": int(short_code),
            "Password": push_password(
                short_code=short_code, pass_key=self._credentials.pass_key, timestamp=timestamp
            ),
            "Timestamp": timestamp,
        }


def push_password(*, short_code: str, pass_key: str, timestamp: str) -> str:
    """The password of one request, as Daraja computes it from the timestamp that was sent."""
    return base64.b64encode(f"{short_code}{pass_key}{timestamp}".encode()).decode()


def prompt_text(description: str) -> str:
    """A description that the prompt can carry: other letters make it fail silently."""
    return plain_text(description, length_max=DESCRIPTION_LENGTH_MAX)


def plain_text(text: str, *, length_max: int) -> str:
    """Free text as Daraja takes it everywhere: letters, digits and spaces; never empty."""
    plain = " ".join(_UNSAFE_IN_TEXT.sub(" ", text).split())
    return plain[:length_max].strip() or "Payment"
