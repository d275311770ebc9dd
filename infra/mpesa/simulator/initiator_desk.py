"""Takes payouts, reversals and questions from an initiator, decides them, and tells the result."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from infra.mpesa.simulator.behaviours import Acknowledgement, BehaviourBook
from infra.mpesa.simulator.credential_check import CredentialCheck
from infra.mpesa.simulator.decisions import Decisions
from infra.mpesa.simulator.delivery import as_json, deliver
from infra.mpesa.simulator.initiator_requests import InitiatorRequest, RequestKind
from infra.mpesa.simulator.pace import Pace
from infra.mpesa.simulator.refusals import REFUSALS, Refusal
from infra.mpesa.simulator.request_behaviours import RequestBehaviour, Tell
from infra.mpesa.simulator.result_bodies import enveloped_timeout_body, result_body
from infra.mpesa.simulator.taken_requests import Decision, TakenRequest, TakenRequests

_FALSE, _UNCLEAR = Decision("1"), Decision("17")


class InitiatorDesk:
    """Safe to share between threads."""

    def __init__(
        self,
        books: Mapping[RequestKind, BehaviourBook[RequestBehaviour]],
        taken: TakenRequests,
        decisions: Decisions,
        credentials: CredentialCheck,
        pace: Pace,
    ) -> None:
        self._books = books
        self._taken = taken
        self._decisions = decisions
        self._credentials = credentials
        self._pace = pace

    def take(self, request: InitiatorRequest) -> TakenRequest | Refusal:
        """Take a request and set its future going, or refuse it."""
        book = self._books[request.kind]
        behaviour, refusal = book.chosen(phone=request.phone, amount=request.amount)
        if refusal is not None:
            return REFUSALS[refusal]
        if not behaviour.is_taken:
            return TakenRequest(request, behaviour, "", "", "")  # for the door, and no further
        taken = self._taken.take(request, behaviour)
        if taken is None:
            return REFUSALS["duplicate_id"]
        if behaviour.acknowledgement is Acknowledgement.AFTER_CALLBACK:
            self._decide(taken)
        else:
            self._pace.soon(partial(self._decide, taken))
        return taken

    def resend(self, originator_conversation_id: str) -> int | None:
        """Tell a result again, or at last; the status answered, or None."""
        taken = self._taken.find(originator_conversation_id)
        if taken is None or taken.decision is None:
            return None
        return deliver(taken.request.result_url, result_body(taken, taken.decision))

    def _decide(self, taken: TakenRequest) -> None:
        request = taken.request
        failure = self._credentials.failure_code(
            initiator=request.initiator, credential=request.credential
        )
        decision = (
            self._decisions.decide(taken, taken.behaviour.code)
            if failure is None
            else Decision(failure)
        )
        taken.decision = decision
        self._tell(taken, 0)

    def _tell(self, taken: TakenRequest, step: int) -> None:
        tells = taken.behaviour.tells
        if step == len(tells):
            return
        self._tell_one(taken, tells[step])
        further = partial(self._tell, taken, step + 1)
        if step + 1 < len(tells) and tells[step + 1] is tells[step]:
            further()
        else:
            self._pace.later(further)

    def _tell_one(self, taken: TakenRequest, tell: Tell) -> None:
        assert taken.decision is not None
        request = taken.request
        match tell:
            case Tell.RESULT:
                deliver(request.result_url, result_body(taken, taken.decision))
            case Tell.FALSE_FAILURE:
                deliver(request.result_url, result_body(taken, _FALSE))
            case Tell.UNCLEAR:
                deliver(request.result_url, result_body(taken, _UNCLEAR))
            case Tell.TIMEOUT:
                deliver(request.timeout_url, as_json(dict(request.raw)))
            case Tell.ENVELOPED_TIMEOUT:
                deliver(request.timeout_url, enveloped_timeout_body(taken))
