"""Handing pushes to Safaricom: a member's phone is asked to pay."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import structlog

from consumers.mpesa.due_requests import DueRequests
from consumers.mpesa.sender import ACTOR, Sender
from domain.mpesa.sending import (
    RecordAcknowledgement,
    RecordDoubt,
    RecordNotSent,
    RecordRefusal,
    StartSending,
)
from domain.mpesa.stk_push import Push
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import Cause, EventStore
from infra.mpesa.outcomes import Accepted, Ambiguous, NotSent, PushOutcome, Refused
from infra.mpesa.short_codes import NoCredentials, ShortCodes

_DESCRIPTIONS = {
    "monthly": "Deposit",
    "share_capital": "Shares",
    "registration_fee": "Registration",
    "loan_repayment": "Loan",
}

_log = structlog.get_logger()


class PushSender(Sender):
    """Sends due pushes."""

    def __init__(
        self,
        store: EventStore,
        due: DueRequests,
        short_codes: ShortCodes,
        *,
        callback_url: Callable[[UUID], str],
    ) -> None:
        super().__init__(store, due)
        self._short_codes = short_codes
        self._callback_url = callback_url

    def send(self, request_id: UUID, *, attempt: int = 1) -> None:
        cause = Cause(ACTOR, str(request_id), f"due:send/{attempt}")
        push = dispatch(self._store, StartSending(request_id, clock.now()), cause)
        if push is None:
            return
        outcome = self._push(push)
        self._record(_command(push, outcome), cause)
        _log.info("push_sent", outcome=type(outcome).__name__)

    def _push(self, push: Push) -> PushOutcome:
        assert push.phone is not None, "a push whose member was erased is not sent"
        try:
            client = self._short_codes.client(push.short_code)
        except NoCredentials as error:
            return Refused("no_credentials", str(error))
        return client.push(
            phone=push.phone,
            amount_shillings=push.push_shillings,
            account_reference=push.account_reference,
            description=_DESCRIPTIONS.get(push.purpose, "Payment"),
            callback_url=self._callback_url(push.id),
        )


def _command(
    push: Push, outcome: PushOutcome
) -> RecordAcknowledgement | RecordNotSent | RecordRefusal | RecordDoubt:
    now = clock.now()
    match outcome:
        case Accepted(merchant_request_id, checkout_request_id):
            return RecordAcknowledgement(push.id, merchant_request_id, checkout_request_id, now)
        case NotSent(reason, retry_after_seconds):
            return RecordNotSent(push.id, reason, retry_after_seconds, now, push.attempts)
        case Refused(code, reason):
            return RecordRefusal(push.id, code, reason, now)
        case Ambiguous(reason):
            return RecordDoubt(push.id, reason, now)
