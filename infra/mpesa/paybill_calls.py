"""Paybill and till: say where Safaricom tells of payments, and ask for those it did not tell."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Literal

from domain.dates import NAIROBI
from infra.mpesa.answers import read_pull_registration, read_request_answer
from infra.mpesa.credentials import Credentials
from infra.mpesa.gateway import Gateway
from infra.mpesa.outcomes import NotAnswered, RequestOutcome
from infra.mpesa.paths import PULL_PATH, REGISTER_PULL_PATH, REGISTER_URLS_PATH
from infra.mpesa.pulled import PulledPage, read_pull_answer

ResponseType = Literal["Completed", "Cancelled"]
_PULL_RETRY_SECONDS = 60.0


class PaybillCalls:
    """The calls of customer-to-business payments."""

    _credentials: Credentials
    _gateway: Gateway

    def register_urls(
        self, *, confirmation_url: str, validation_url: str, response_type: ResponseType
    ) -> RequestOutcome:
        """Say where payments to this short code are told.

        `response_type` is what M-Pesa does when our validation stays silent. In production the
        addresses can be given once; a second time is AlreadyTaken, whatever they were then.
        """
        fields = {
            "ShortCode": self._credentials.short_code,
            "ResponseType": response_type,
            "ConfirmationURL": confirmation_url,
            "ValidationURL": validation_url,
        }
        path = REGISTER_URLS_PATH.format(version=self._credentials.c2b_version.value)
        read = partial(read_request_answer, moves_money=False)
        urls = [confirmation_url, validation_url]
        return self._gateway.request(path, fields, read, callback_urls=urls)

    def register_pull(self, *, phone: str, callback_url: str) -> RequestOutcome:
        """Say that this short code's payments will be pulled; `phone` is the nominated number."""
        fields = {
            "ShortCode": self._credentials.short_code,
            "RequestType": "Pull",
            "NominatedNumber": phone,
            "CallBackURL": callback_url,
        }
        return self._gateway.request(
            REGISTER_PULL_PATH, fields, read_pull_registration, callback_urls=[callback_url]
        )

    def pull(self, *, start: datetime, end: datetime, offset: int) -> PulledPage | NotAnswered:
        """The payments of a span of at most 48 hours, from the offset on. Moves no money.

        Raises nothing; a page without transactions is the end.
        """
        assert start.tzinfo is not None
        assert end.tzinfo is not None
        assert offset >= 0
        fields = {
            "ShortCode": self._credentials.short_code,
            "StartDate": _kenyan(start),
            "EndDate": _kenyan(end),
            "OffSetValue": str(offset),
        }
        return self._gateway.learn(
            PULL_PATH, fields, read_pull_answer, retry_seconds=_PULL_RETRY_SECONDS
        )


def _kenyan(moment: datetime) -> str:
    return moment.astimezone(NAIROBI).strftime("%Y-%m-%d %H:%M:%S")
