"""What the simulated M-Pesa knows: its token, the pushes it took, and the money it moved.

All of it lives in memory under one lock, and all of it is bounded.
"""

from __future__ import annotations

import secrets
import string
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from domain.dates import NAIROBI
from infra.mpesa.simulator.behaviours import Behaviour
from infra.mpesa.simulator.incoming import PushRequest
from infra.mpesa.simulator.refusals import request_id

_RECEIPT_LETTERS = string.ascii_uppercase + string.digits
_DAY_LETTERS = "123456789ABCDEFGHIJKLMNOPQRSTUV"
_TOKEN_LIFETIME = timedelta(seconds=3_599)


@dataclass(frozen=True)
class LedgerRow:
    """Money that moved, whether anybody was told or not."""

    receipt: str
    amount: int
    phone: str
    account_reference: str
    checkout_request_id: str
    paid_at: str


@dataclass
class Push:
    """One push that was taken. Its fields change only under the state's lock."""

    request: PushRequest
    behaviour: Behaviour
    merchant_request_id: str
    checkout_request_id: str
    results: tuple[str, ...]
    result_code: str | None = None  # None until the payer decides
    payment: LedgerRow | None = None
    polls: int = 0


@dataclass(frozen=True)
class Told:
    """What a push looked like at one moment: all that a callback or an answer needs."""

    push: Push
    result_code: str | None
    payment: LedgerRow | None
    pending_form: str | None = None


@dataclass
class _Memory:
    pushes: OrderedDict[str, Push] = field(default_factory=OrderedDict)
    busy_phones: dict[str, str] = field(default_factory=dict)
    receipts: set[str] = field(default_factory=set)


class SimulatorState:
    """The memory of the simulator. Safe to share between threads."""

    def __init__(self, *, clock: Callable[[], datetime], remembered_max: int) -> None:
        self._clock = clock
        self._remembered_max = remembered_max
        self._lock = Lock()
        self._token: tuple[str, datetime] | None = None
        self._memory = _Memory()
        self._ledger: deque[LedgerRow] = deque(maxlen=remembered_max)

    def new_token(self) -> str:
        """A token; the one before it is dead."""
        token = secrets.token_urlsafe(21)
        with self._lock:
            self._token = (token, self._clock() + _TOKEN_LIFETIME)
        return token

    def token_is_good(self, token: str) -> bool:
        with self._lock:
            if self._token is None:
                return False
            current, good_until = self._token
            return secrets.compare_digest(current.encode(), token.encode()) and (
                self._clock() < good_until
            )

    def kill_token(self) -> None:
        with self._lock:
            self._token = None

    def take(self, request: PushRequest, behaviour: Behaviour) -> Push | None:
        """Take a push, or None while the payer still has another one on the screen."""
        results = ("2028",) if request.parties_mismatch else behaviour.results
        with self._lock:
            if request.phone in self._memory.busy_phones:
                return None
            push = Push(
                request=request,
                behaviour=behaviour,
                merchant_request_id=request_id(),
                checkout_request_id=self._new_checkout_id(request.phone),
                results=results,
            )
            self._remember(push)
        return push

    def settle(self, push: Push, result_code: str) -> Told:
        """Let the payer's decision take effect; "0" moves the money, once."""
        with self._lock:
            if self._memory.busy_phones.get(push.request.phone) == push.checkout_request_id:
                del self._memory.busy_phones[push.request.phone]
            push.result_code = result_code
            if result_code == "0" and push.payment is None:
                push.payment = self._pay(push)
            return Told(push, push.result_code, push.payment)

    def polled(self, checkout_request_id: str) -> Told | None:
        """What a query learns of a push; None when there is no such push."""
        with self._lock:
            push = self._memory.pushes.get(checkout_request_id)
            if push is None:
                return None
            push.polls += 1
            if push.result_code is None or push.polls <= push.behaviour.pending_polls:
                form = push.behaviour.pending_form if push.behaviour.pending_polls else "500"
                return Told(push, None, None, form)
            return Told(push, push.result_code, push.payment)

    def told(self, checkout_request_id: str) -> Told | None:
        """A push as it stands; None when there is no such push."""
        with self._lock:
            push = self._memory.pushes.get(checkout_request_id)
            return None if push is None else Told(push, push.result_code, push.payment)

    def ledger(self) -> list[LedgerRow]:
        """The money that moved, oldest first."""
        with self._lock:
            return list(self._ledger)

    def _remember(self, push: Push) -> None:
        pushes = self._memory.pushes
        pushes[push.checkout_request_id] = push
        if push.results:
            self._memory.busy_phones[push.request.phone] = push.checkout_request_id
        if len(pushes) > self._remembered_max:
            _, forgotten = pushes.popitem(last=False)
            phone = forgotten.request.phone
            if self._memory.busy_phones.get(phone) == forgotten.checkout_request_id:
                del self._memory.busy_phones[phone]

    def _pay(self, push: Push) -> LedgerRow:
        now = self._clock().astimezone(NAIROBI)
        row = LedgerRow(
            receipt=self._new_receipt(now),
            amount=push.request.amount,
            phone=push.request.phone,
            account_reference=push.request.account_reference,
            checkout_request_id=push.checkout_request_id,
            paid_at=now.isoformat(timespec="seconds"),
        )
        if len(self._ledger) == self._remembered_max:
            self._memory.receipts.discard(self._ledger[0].receipt)
        self._ledger.append(row)
        return row

    def _new_receipt(self, now: datetime) -> str:
        """Year, month and day as one letter each, then seven more, as M-Pesa numbers receipts.

        The seven are drawn at random, so that a simulator started anew does not repeat itself.
        """
        year = string.ascii_uppercase[(now.year - 2006) % 26]
        day = f"{year}{string.ascii_uppercase[now.month - 1]}{_DAY_LETTERS[now.day - 1]}"
        while True:
            receipt = day + "".join(secrets.choice(_RECEIPT_LETTERS) for _ in range(7))
            if receipt not in self._memory.receipts:
                self._memory.receipts.add(receipt)
                return receipt

    def _new_checkout_id(self, phone: str) -> str:
        moment = self._clock().astimezone(NAIROBI)
        while True:
            milliseconds = f"{moment.microsecond // 1_000:03d}"
            checkout_id = f"ws_CO_{moment:%d%m%Y%H%M%S}{milliseconds}{phone[-9:]}"
            if checkout_id not in self._memory.pushes:
                return checkout_id
            moment += timedelta(milliseconds=1)
