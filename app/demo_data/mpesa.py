"""Payments by M-Pesa pushes: mostly paid, sometimes declined, short of money, or lost."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random
from uuid import UUID

from app.demo_data.memory import MemoryStore
from domain.contributions.rules import ContributionRules
from domain.mpesa.commands import RecordPushResult, RecordQueryAnswer, RequestPush
from domain.mpesa.sending import RecordAcknowledgement, StartSending, StopWaiting
from domain.mpesa.stk_push import Push, PushPurpose

SHORT_CODE = "174379"
_ENDS = ("paid", "paid, told by query first", "cancelled", "no money", "no answer")
_WEIGHTS = (90, 1, 5, 3, 1)


class Phone:
    """One member's phone, and the pushes sent to it."""

    def __init__(
        self,
        store: MemoryStore,
        rng: Random,
        *,
        member_id: UUID,
        index: int,
        rules: ContributionRules,
    ) -> None:
        self._store = store
        self._rng = rng
        self._member_id = member_id
        self._index = index
        self._rules = rules
        self._pushes = 0

    def pay(
        self, day: date, *, purpose: PushPurpose, amount_cents: int, loan_id: UUID | None = None
    ) -> bool:
        """Ask the member to pay. Answers whether they did."""
        self._pushes += 1
        name = f"D{self._index:06X}{self._pushes:03X}"
        push_id = UUID(int=self._rng.getrandbits(128), version=4)
        asked = datetime(day.year, day.month, day.day, 5, tzinfo=UTC)
        asked += timedelta(seconds=self._rng.randrange(10 * 3600))
        do = self._store.dispatch
        do(
            RequestPush(
                push_id=push_id,
                member_id=self._member_id,
                phone=None,
                purpose=purpose,
                amount_cents=amount_cents,
                account_reference=name + "P",
                short_code=SHORT_CODE,
                now=asked,
                rules=self._rules,
                loan_id=loan_id,
            )
        )
        do(StartSending(push_id, asked + timedelta(seconds=1)))
        checkout = f"ws_CO_{name}"
        do(RecordAcknowledgement(push_id, name, checkout, asked + timedelta(seconds=2)))
        return self._end(push_id, checkout, receipt_number=name, asked=asked)

    def _end(self, push_id: UUID, checkout: str, *, receipt_number: str, asked: datetime) -> bool:
        do = self._store.dispatch
        [end] = self._rng.choices(_ENDS, _WEIGHTS)
        if end == "no answer":
            do(StopWaiting(push_id, asked + timedelta(minutes=10)))
            return False
        if end in ("cancelled", "no money"):
            code = "1032" if end == "cancelled" else "1"
            then = asked + timedelta(seconds=40)
            do(RecordPushResult(push_id, checkout, code, "", None, None, None, None, then))
            return False
        if end == "paid, told by query first":
            do(RecordQueryAnswer(push_id, "0", "", asked + timedelta(seconds=90)))
        push = self._store.get(Push, push_id)
        do(
            RecordPushResult(
                push_id=push_id,
                checkout_request_id=checkout,
                result_code="0",
                result_description="",
                receipt_number=receipt_number,
                amount_cents=push.push_cents,
                paid_at=asked + timedelta(seconds=30),
                payer_phone=push.phone,
                now=asked + timedelta(seconds=120),
            )
        )
        return True
