"""What is done about payouts of which nothing definite is known: ask, and ask again, then a person.

Never send: a payout that may have left is only ever asked about.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from consumers.mpesa.due_requests import DueRequest, DueRequests
from consumers.mpesa.watch import (
    DOUBTS_A_ROUND_MAX,
    QUERIES_A_ROUND_MAX,
    Step,
    Watch,
    backoff,
)
from domain.mpesa.payout import Payout
from domain.mpesa.payout_lane import StopLane
from domain.mpesa.payout_results import GiveUpAsking
from domain.mpesa.payout_sending import RecordPayoutDoubt
from domain.mpesa.payout_states import PayoutState
from infra import clock
from infra.event_store.unit_of_work import Cause, EventStore, UnitOfWork
from infra.mpesa.outcomes import NotSent, Refused, RequestOutcome
from infra.mpesa.payout_addresses import PayoutAddresses
from infra.mpesa.payout_settings import PayoutPatience
from infra.mpesa.short_codes import NoCredentials, ShortCodes

_ASKED_ABOUT = (PayoutState.ACCEPTED, PayoutState.IN_DOUBT)
_log = structlog.get_logger()


class PayoutWatch(Watch):
    """Watches over payouts and reversals that wait."""

    def __init__(
        self,
        store: EventStore,
        due: DueRequests,
        short_codes: ShortCodes,
        patience: PayoutPatience,
        *,
        addresses: PayoutAddresses,
    ) -> None:
        steps = (
            Step("doubt", patience.answer_seconds, DOUBTS_A_ROUND_MAX),
            Step("verify", patience.doubt_seconds, QUERIES_A_ROUND_MAX),
            Step("query", patience.result_seconds, QUERIES_A_ROUND_MAX),
        )
        super().__init__(store, due, steps)
        self._short_codes = short_codes
        self._patience = patience
        self._addresses = addresses

    def do(self, due: DueRequest, action: str, cause: Cause) -> None:
        if action == "doubt":
            reason = "The answer to the request never came."
            self._dispatch(RecordPayoutDoubt(due.request_id, reason, clock.now()), cause)
        else:
            self._ask(due, action, cause)

    def _ask(self, due: DueRequest, action: str, cause: Cause) -> None:
        payout = UnitOfWork(self._store, cause).get(Payout, due.request_id)
        if payout.state not in _ASKED_ABOUT:
            return
        begun = datetime.fromisoformat(payout.first_sent_at or payout.requested_at)
        if (clock.now() - begun).total_seconds() > self._patience.review_seconds:
            reason = "In all this time nobody has told what became of it."
            self._dispatch(GiveUpAsking(payout.id, reason, clock.now()), cause)
            return
        outcome = self._question(payout)
        _log.info("payout_asked_about", action=action, outcome=type(outcome).__name__)
        if isinstance(outcome, Refused) and outcome.is_configuration:
            stop = StopLane(payout.short_code, outcome.code, outcome.reason, clock.now())
            self._dispatch(stop, cause)
        self._due.postpone(due.request_id, action, seconds=self._pause(due, outcome))

    def _question(self, payout: Payout) -> RequestOutcome:
        try:
            client = self._short_codes.client(payout.short_code)
        except NoCredentials as error:
            return Refused("no_credentials", str(error), is_configuration=True)
        result_url, timeout_url = self._addresses.of_status(payout.id)
        ours = payout.known_as if payout.is_reversal else str(payout.id)
        return client.ask_status(
            originator_conversation_id=ours or None,
            receipt_number=None if ours else payout.reverses,
            result_url=result_url,
            timeout_url=timeout_url,
        )

    def _pause(self, due: DueRequest, outcome: RequestOutcome) -> float:
        pause = backoff(self._patience.backoff_seconds, due.attempts)
        return max(pause, outcome.retry_after_seconds) if isinstance(outcome, NotSent) else pause
