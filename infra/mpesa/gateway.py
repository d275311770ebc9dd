"""One Daraja app's way to the gateway: the token, the one POST, and what may be repeated.

It repeats no call by itself, with one exception: a token that the gateway refuses is renewed once
and the call made again, because the gateway turns such a call away before M-Pesa sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import requests

from infra.mpesa.addresses import ForbiddenCallbackUrl, check_public_url
from infra.mpesa.answers import token_was_refused
from infra.mpesa.credentials import Credentials
from infra.mpesa.outcomes import Ambiguous, NotAnswered, NotSent, Refused
from infra.mpesa.tokens import TokenStore, TokenUnavailable
from infra.mpesa.transport import Answer, BearerToken, NeverLeft, NoAnswer, Timeouts, post_json

_NETWORK_RETRY_SECONDS = 5.0
_TOKEN_RETRY_SECONDS = 15.0
_ANSWER = TypeVar("_ANSWER")
Fields = Mapping[str, str | int]


class Gateway:
    """Sends each call at most once. Safe to share between threads."""

    def __init__(
        self,
        credentials: Credentials,
        tokens: TokenStore,
        *,
        session_factory: Callable[[], requests.Session],
        timeouts: Timeouts,
    ) -> None:
        self._credentials = credentials
        self._tokens = tokens
        self._session_factory = session_factory
        self._timeouts = timeouts

    def request(
        self,
        path: str,
        fields: Fields,
        read: Callable[[Answer], _ANSWER],
        *,
        callback_urls: Sequence[str],
    ) -> _ANSWER | NotSent | Refused | Ambiguous:
        """Ask for something to be done, once; without an answer it is told whether it left."""
        try:
            for url in callback_urls:
                check_public_url(url)
            call = self._call(path, fields)
        except ForbiddenCallbackUrl as error:
            return Refused("callback_url", str(error), is_configuration=True)
        except TokenUnavailable as error:
            if error.permanent:
                return Refused("token", error.reason, is_configuration=True)
            return NotSent(error.reason, _TOKEN_RETRY_SECONDS)
        match call:
            case Answer():
                return read(call)
            case NeverLeft(reason):
                return NotSent(reason, _NETWORK_RETRY_SECONDS)
            case NoAnswer(reason):
                return Ambiguous(reason)

    def learn(
        self,
        path: str,
        fields: Fields,
        read: Callable[[Answer], _ANSWER],
        *,
        retry_seconds: float,
    ) -> _ANSWER | NotAnswered:
        """Ask something that the answer itself tells. Moves no money; may be asked again."""
        try:
            call = self._call(path, fields)
        except TokenUnavailable as error:
            return NotAnswered(error.reason, retry_seconds)
        match call:
            case Answer():
                return read(call)
            case NeverLeft(reason) | NoAnswer(reason):
                return NotAnswered(reason, retry_seconds)

    def why_not_connected(self) -> str | None:
        """Ask for a fresh token, whatever is in use. Answers what stands in the way, or None."""
        try:
            self._tokens.drop(self._tokens.current())
            self._tokens.current()
        except TokenUnavailable as error:
            return error.reason
        return None

    def _call(self, path: str, fields: Fields) -> Answer | NeverLeft | NoAnswer:
        token = self._tokens.current()
        call = self._post(path, fields, token=token)
        if isinstance(call, Answer) and token_was_refused(call):
            self._tokens.drop(token)
            call = self._post(path, fields, token=self._tokens.current())
        return call

    def _post(self, path: str, fields: Fields, *, token: str) -> Answer | NeverLeft | NoAnswer:
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
