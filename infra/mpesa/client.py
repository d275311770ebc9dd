"""The client of Daraja: one app, seen from our side, with every call that we make.

Called by the M-Pesa senders, sweepers and commands. Each call is sent at most once (`gateway.py`
says what may be repeated), returns what came of it and raises nothing. Nothing that it returns
holds a number, a token or a key.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import requests

from infra.mpesa.credentials import Credentials
from infra.mpesa.gateway import Gateway
from infra.mpesa.initiator_calls import InitiatorCalls
from infra.mpesa.paybill_calls import PaybillCalls
from infra.mpesa.stk_calls import StkCalls
from infra.mpesa.tokens import TokenStore
from infra.mpesa.transport import Timeouts


class DarajaClient(StkCalls, PaybillCalls, InitiatorCalls):
    """One Daraja app and its products. Safe to share between threads."""

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
        self._clock = clock
        self._gateway = Gateway(
            credentials, tokens, session_factory=session_factory, timeouts=timeouts or Timeouts()
        )

    def why_not_connected(self) -> str | None:
        """Ask for a fresh token, whatever is in use. Answers what stands in the way, or None."""
        return self._gateway.why_not_connected()
