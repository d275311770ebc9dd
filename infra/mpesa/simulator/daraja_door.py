"""The paths that Safaricom documents, as the simulator answers them."""

from __future__ import annotations

from flask import Response, jsonify

from infra.mpesa.simulator.admission import Admission, TurnedAway, accepted
from infra.mpesa.simulator.initiator_requests import RequestKind, read_request
from infra.mpesa.simulator.mpesa import SimulatedMpesa
from infra.mpesa.simulator.paybill_requests import (
    read_pull,
    read_pull_registration,
    read_registration,
    read_simulated_payment,
)
from infra.mpesa.simulator.pulling import pulled
from infra.mpesa.simulator.push_desk import sentence_of
from infra.mpesa.simulator.push_requests import read_push, read_query
from infra.mpesa.simulator.pushes import Told
from infra.mpesa.simulator.refusals import REFUSALS, request_id

_ACCEPTED = "Success. Request accepted for processing"
_TAKEN = "Accept the service request successfully."


class DarajaDoor:
    """A method for each call."""

    def __init__(self, mpesa: SimulatedMpesa, admission: Admission) -> None:
        self._mpesa = mpesa
        self._settings = mpesa.settings
        self._admission = admission

    def push(self) -> Response:
        fields = self._admission.fields()
        wanted = accepted(
            read_push(
                fields, short_code=self._settings.short_code, pass_key=self._settings.pass_key
            )
        )
        taken = accepted(self._mpesa.pushes.push(wanted))
        return self._admission.acknowledge(
            taken.behaviour.acknowledgement,
            MerchantRequestID=taken.merchant_request_id,
            CheckoutRequestID=taken.checkout_request_id,
            ResponseCode="0",
            ResponseDescription=_ACCEPTED,
            CustomerMessage=_ACCEPTED,
        )

    def query(self) -> Response:
        fields = self._admission.fields()
        wanted = accepted(
            read_query(
                fields, short_code=self._settings.short_code, pass_key=self._settings.pass_key
            )
        )
        return _query_answer(accepted(self._mpesa.pushes.query(wanted)))

    def register_urls(self, version: str) -> Response:
        fields = self._admission.fields()
        wanted = read_registration(fields, version=version, short_code=self._settings.short_code)
        accepted(self._mpesa.paybill.register(accepted(wanted)))
        return _paybill_answer("success")

    def simulate(self, version: str) -> Response:
        assert version
        fields = self._admission.fields()
        wanted = read_simulated_payment(fields, short_code=self._settings.short_code)
        self._mpesa.paybill.pay_soon(accepted(wanted))
        return _paybill_answer(_TAKEN)

    def register_pull(self) -> Response:
        fields = self._admission.fields()
        accepted(read_pull_registration(fields, short_code=self._settings.short_code))
        is_new = self._mpesa.paybill.register_pull()
        return jsonify(
            ResponseRefID=request_id(),
            ResponseStatus="1000" if is_new else "1001",
            ShortCode=self._settings.short_code,
            ResponseDescription="Success" if is_new else "Short Code already registered",
        )

    def pull(self) -> Response:
        fields = self._admission.fields()
        behaviour, refusal = self._mpesa.pulls.chosen()
        if refusal is not None:
            raise TurnedAway(REFUSALS[refusal])
        wanted = accepted(read_pull(fields, short_code=self._settings.short_code))
        page = pulled(self._mpesa.ledger, wanted, rows_max=self._settings.pulled_page_rows)
        return self._admission.acknowledge(
            behaviour.acknowledgement,
            ResponseRefID=request_id(),
            ResponseCode="1000" if page else "1001",
            ResponseMessage="Success" if page else "No transactions found",
            Response=[page],
        )

    def pay_out(self) -> Response:
        return self._take(RequestKind.PAYOUT)

    def pay_out_as_of_old(self) -> Response:
        return self._take(RequestKind.PAYOUT, is_old=True)

    def status(self) -> Response:
        return self._take(RequestKind.STATUS)

    def balance(self) -> Response:
        return self._take(RequestKind.BALANCE)

    def reverse(self) -> Response:
        return self._take(RequestKind.REVERSAL)

    def _take(self, kind: RequestKind, *, is_old: bool = False) -> Response:
        fields = self._admission.fields()
        wanted = read_request(
            fields, kind=kind, short_code=self._settings.short_code, is_old=is_old
        )
        taken = accepted(self._mpesa.requests.take(accepted(wanted)))
        return self._admission.acknowledge(
            taken.behaviour.acknowledgement,
            ConversationID=taken.conversation_id,
            OriginatorConversationID=taken.originator_conversation_id,
            ResponseCode="0",
            ResponseDescription=_TAKEN,
        )


def _paybill_answer(sentence: str) -> Response:
    # The id is misspelt: that is how Safaricom writes it, here alone.
    return jsonify(
        OriginatorCoversationID=request_id(), ResponseCode="0", ResponseDescription=sentence
    )


def _query_answer(told: Told) -> Response:
    code, words = "4999", "The transaction is still under processing"
    if told.result_code is not None:
        code, words = told.result_code, sentence_of(told.result_code)
    return jsonify(
        ResponseCode="0",
        # Three s: that is how Safaricom writes it.
        ResponseDescription="The service request has been accepted successsfully",
        MerchantRequestID=told.push.merchant_request_id,
        CheckoutRequestID=told.push.checkout_request_id,
        ResultCode=code,
        ResultDesc=words,
    )
