"""Handing payouts and reversals to Safaricom, each under one id, once."""

from __future__ import annotations

from uuid import UUID

import structlog

from consumers.mpesa.due_requests import DueRequests
from consumers.mpesa.payout_float import PayoutFloat
from consumers.mpesa.sender import ACTOR, Sender
from domain.mpesa.payout import Payout
from domain.mpesa.payout_sending import (
    RecordPayoutDoubt,
    RecordPayoutNotSent,
    RecordPayoutRefused,
    RecordPayoutTaken,
    StartPayout,
)
from domain.mpesa.payout_states import HeldBecause, PayoutPurpose
from domain.mpesa.payouts import payout_of
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import Cause, EventStore, UnitOfWork
from infra.mpesa.outcomes import (
    AlreadyTaken,
    Ambiguous,
    NotSent,
    Refused,
    RequestOutcome,
    Taken,
)
from infra.mpesa.payout_addresses import PayoutAddresses
from infra.mpesa.short_codes import NoCredentials, ShortCodes

BALANCE_EVERY_SECONDS = 30.0
_REMARKS = {
    PayoutPurpose.LOAN_DISBURSEMENT: "Loan",
    PayoutPurpose.MEMBER_REFUND: "Refund",
    PayoutPurpose.SUSPENSE_REFUND: "Refund",
    PayoutPurpose.REVERSAL: "Reversal",
}
_Told = RecordPayoutTaken | RecordPayoutNotSent | RecordPayoutRefused | RecordPayoutDoubt

_log = structlog.get_logger()


class PayoutSender(Sender):
    """Sends due payouts, as far as the float reaches."""

    def __init__(
        self,
        store: EventStore,
        due: DueRequests,
        short_codes: ShortCodes,
        *,
        utility: PayoutFloat,
        addresses: PayoutAddresses,
    ) -> None:
        super().__init__(store, due)
        self._short_codes = short_codes
        self._float = utility
        self._addresses = addresses

    def send(self, request_id: UUID, *, attempt: int = 1) -> None:
        cause = Cause(ACTOR, str(request_id), f"due:send/{attempt}")
        short_code = payout_of(request_id, UnitOfWork(self._store, cause)).short_code
        free_cents = self._float.free_cents(short_code, payout_id=request_id)
        started = dispatch(self._store, StartPayout(request_id, free_cents, clock.now()), cause)
        if isinstance(started, HeldBecause):
            self._wait(request_id, short_code, started)
        elif started is not None:
            outcome = self._hand_over(started)
            self._record(_told(started, outcome), cause)
            _log.info("payout_sent", outcome=type(outcome).__name__)

    def _wait(self, payout_id: UUID, short_code: str, because: HeldBecause) -> None:
        _log.info("payout_held", because=str(because))
        if because is HeldBecause.FLOAT_UNKNOWN:
            self._ask_balance(short_code)
        self._due.postpone(payout_id, "send", seconds=because.pause_seconds)

    def _ask_balance(self, short_code: str) -> None:
        if not self._float.may_ask(short_code, every_seconds=BALANCE_EVERY_SECONDS):
            return
        try:
            client = self._short_codes.client(short_code)
        except NoCredentials as error:
            _log.warning("balance_not_asked", reason=str(error))
            return
        result_url, timeout_url = self._addresses.of_balance(short_code)
        outcome = client.ask_balance(result_url=result_url, timeout_url=timeout_url)
        _log.info("balance_asked", outcome=type(outcome).__name__)

    def _hand_over(self, payout: Payout) -> RequestOutcome:
        try:
            client = self._short_codes.client(payout.short_code)
        except NoCredentials as error:
            return Refused("no_credentials", str(error), is_configuration=True)
        result_url, timeout_url = self._addresses.of_result(payout)
        remarks = _REMARKS[PayoutPurpose(payout.purpose)]
        if payout.reverses is not None:
            return client.reverse(
                receipt_number=payout.reverses,
                amount_shillings=payout.amount_shillings,
                remarks=remarks,
                result_url=result_url,
                timeout_url=timeout_url,
            )
        assert payout.phone is not None, "a payout whose receiver was erased is not sent"
        return client.pay_out(
            originator_conversation_id=str(payout.id),
            phone=payout.phone,
            amount_shillings=payout.amount_shillings,
            remarks=remarks,
            occasion=remarks,
            result_url=result_url,
            timeout_url=timeout_url,
        )


def _told(payout: Payout, outcome: RequestOutcome) -> _Told:
    now = clock.now()
    match outcome:
        case Taken(conversation_id, originator_conversation_id):
            return RecordPayoutTaken(payout.id, conversation_id, originator_conversation_id, now)
        case AlreadyTaken():
            return RecordPayoutTaken(payout.id, "", "", now)
        case NotSent(reason, retry_after_seconds):
            return RecordPayoutNotSent(payout.id, payout.attempts, reason, retry_after_seconds, now)
        case Refused(code, reason, is_configuration):
            return RecordPayoutRefused(
                *(payout.id, payout.attempts, code, reason),
                is_configuration=is_configuration,
                now=now,
            )
        case Ambiguous(reason):
            return RecordPayoutDoubt(payout.id, reason, now)
