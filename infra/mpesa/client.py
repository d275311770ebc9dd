"""The client of Daraja's STK push: ask a payer for money, ask what became of it.

Called by the M-Pesa sender and by the sweeper. It repeats no call by itself, with one exception: a
token that the gateway refuses is renewed once and the call made again, because the gateway turns
such a call away before M-Pesa sees it. Nothing it returns or raises holds a number, token or key.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import datetime

import requests

from domain.dates import NAIROBI
from infra.mpesa.addresses import ForbiddenCallbackUrl, check_public_url
from infra.mpesa.answers import read_push_answer, read_query_answer, token_was_refused
from infra.mpesa.credentials import Credentials
from infra.mpesa.outcomes import (
    Ambiguous,
    NotAnswered,
    NotSent,
    PushOutcome,
    QueryOutcome,
    Refused,
)
from infra.mpesa.tokens import TokenStore, TokenUnavailable
from infra.mpesa.transport import Answer, BearerToken, NeverLeft, NoAnswer, Timeouts, post_json

PUSH_PATH = "/mpesa/stkpush/v1/processrequest"
QUERY_PATH = "/mpesa/stkpushquery/v1/query"

AMOUNT_SHILLINGS_MAX = 250_000
ACCOUNT_REFERENCE_LENGTH_MAX = 12
DESCRIPTION_LENGTH_MAX = 13

_PAYER = re.compile(r"254[17]\d{8}", re.ASCII)
_REFERENCE = re.compile(r"[A-Za-z0-9]{1,12}")
_UNSAFE_IN_PROMPT = re.compile(r"[^A-Za-z0-9 ]+")
_TOKEN_RETRY_SECONDS = 15.0
_NETWORK_RETRY_SECONDS = 5.0
_QUERY_RETRY_SECONDS = 30.0

_Call = Answer | NeverLeft | NoAnswer


class DarajaClient:
    """One Daraja app, seen from our side. Safe to share between threads."""

    def __init__(
        self,
        credentials: Credentials,
        tokens: TokenStore,
        *,
        clock: Callable[[], datetime],
        session_factory: Callable[[], requests.Session] = requests.Session,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._credentials = credentials
        self._tokens = tokens
        self._clock = clock
        self._session_factory = session_factory
        self._timeouts = timeouts or Timeouts()

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
        assert _PAYER.fullmatch(phone), "the phone must be 254 and nine digits"
        assert 1 <= amount_shillings <= AMOUNT_SHILLINGS_MAX
        # It is how a receipt finds its push again, so it is never cut to fit.
        assert _REFERENCE.fullmatch(account_reference)
        try:
            check_public_url(callback_url)
        except ForbiddenCallbackUrl as error:
            return Refused("callback_url", str(error))
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
        try:
            call = self._call(PUSH_PATH, fields)
        except TokenUnavailable as error:
            return _push_without_token(error)
        match call:
            case Answer():
                return read_push_answer(call)
            case NeverLeft(reason):
                return NotSent(reason, _NETWORK_RETRY_SECONDS)
            case NoAnswer(reason):
                return Ambiguous(reason)

    def query(self, *, checkout_request_id: str) -> QueryOutcome:
        """Ask what became of a push. Moves no money; may be asked again."""
        fields = {**self._signed_fields(), "CheckoutRequestID": checkout_request_id}
        try:
            call = self._call(QUERY_PATH, fields)
        except TokenUnavailable as error:
            return NotAnswered(error.reason, _QUERY_RETRY_SECONDS)
        match call:
            case Answer():
                return read_query_answer(call, checkout_request_id=checkout_request_id)
            case NeverLeft(reason) | NoAnswer(reason):
                return NotAnswered(reason, _QUERY_RETRY_SECONDS)

    def why_not_connected(self) -> str | None:
        """Ask for a fresh token, whatever is in use. Answers what stands in the way, or None."""
        try:
            self._tokens.drop(self._tokens.current())
            self._tokens.current()
        except TokenUnavailable as error:
            return error.reason
        return None

    def _call(self, path: str, fields: Mapping[str, str | int]) -> _Call:
        token = self._tokens.current()
        call = self._post(path, fields, token=token)
        if isinstance(call, Answer) and token_was_refused(call):
            self._tokens.drop(token)
            call = self._post(path, fields, token=self._tokens.current())
        return call

    def _post(self, path: str, fields: Mapping[str, str | int], *, token: str) -> _Call:
        # A new connection each time: one kept open may be closed by the far side while we send,
        # and that would leave a payment in doubt for nothing.
        with self._session_factory() as session:
            return post_json(
                session,
                f"{self._credentials.base_url}{path}",
                fields=fields,
                auth=BearerToken(token),
                timeouts=self._timeouts,
            )

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
    plain = " ".join(_UNSAFE_IN_PROMPT.sub(" ", description).split())
    return plain[:DESCRIPTION_LENGTH_MAX].strip() or "Payment"


def _push_without_token(error: TokenUnavailable) -> PushOutcome:
    if error.permanent:
        return Refused("token", error.reason)
    return NotSent(error.reason, _TOKEN_RETRY_SECONDS)
