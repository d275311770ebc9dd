"""The pushes that the simulated M-Pesa took, and what their payers decided.

All of it lives in memory under one lock, and all of it is bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from domain.dates import NAIROBI
from infra.mpesa.simulator.ledger import Kind, Ledger, LedgerRow, Movement
from infra.mpesa.simulator.payers import name_of
from infra.mpesa.simulator.push_behaviours import PushBehaviour
from infra.mpesa.simulator.push_requests import PushRequest
from infra.mpesa.simulator.refusals import request_id


@dataclass
class Push:
    """One push that was taken. Its fields change only under the memory's lock."""

    request: PushRequest
    behaviour: PushBehaviour
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
class _Kept:
    pushes: OrderedDict[str, Push] = field(default_factory=OrderedDict)
    busy_phones: dict[str, str] = field(default_factory=dict)


class PushMemory:
    """Every push by its CheckoutRequestID. Safe to share between threads."""

    def __init__(
        self, ledger: Ledger, *, clock: Callable[[], datetime], remembered_max: int
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._remembered_max = remembered_max
        self._lock = Lock()
        self._kept = _Kept()

    def take(self, request: PushRequest, behaviour: PushBehaviour) -> Push | None:
        """Take a push, or None while the payer still has another one on the screen."""
        results = ("2028",) if request.parties_mismatch else behaviour.results
        with self._lock:
            if request.phone in self._kept.busy_phones:
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
            if self._kept.busy_phones.get(push.request.phone) == push.checkout_request_id:
                del self._kept.busy_phones[push.request.phone]
            push.result_code = result_code
            if result_code == "0" and push.payment is None:
                push.payment = self._ledger.move(
                    Movement(
                        kind=Kind.PUSH,
                        amount=push.request.amount,
                        phone=push.request.phone,
                        name=name_of(push.request.phone),
                        account_reference=push.request.account_reference,
                        checkout_request_id=push.checkout_request_id,
                    )
                )
            return Told(push, push.result_code, push.payment)

    def polled(self, checkout_request_id: str) -> Told | None:
        """What a query learns of a push; None when there is no such push."""
        with self._lock:
            push = self._kept.pushes.get(checkout_request_id)
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
            push = self._kept.pushes.get(checkout_request_id)
            return None if push is None else Told(push, push.result_code, push.payment)

    def _remember(self, push: Push) -> None:
        pushes = self._kept.pushes
        pushes[push.checkout_request_id] = push
        if push.results:
            self._kept.busy_phones[push.request.phone] = push.checkout_request_id
        if len(pushes) > self._remembered_max:
            _, forgotten = pushes.popitem(last=False)
            phone = forgotten.request.phone
            if self._kept.busy_phones.get(phone) == forgotten.checkout_request_id:
                del self._kept.busy_phones[phone]

    def _new_checkout_id(self, phone: str) -> str:
        moment = self._clock().astimezone(NAIROBI)
        while True:
            milliseconds = f"{moment.microsecond // 1_000:03d}"
            checkout_id = f"ws_CO_{moment:%d%m%Y%H%M%S}{milliseconds}{phone[-9:]}"
            if checkout_id not in self._kept.pushes:
                return checkout_id
            moment += timedelta(milliseconds=1)
