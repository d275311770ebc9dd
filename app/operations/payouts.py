"""`/daystar/v1/mpesa/payouts`: money that we send, the lanes it leaves by, and what waits."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from flask import Response, g
from marshmallow import ValidationError, fields, validate, validates_schema

from app.accounting.resources import JSON, PAGE_MAX, PER_PAGE_MAX, PaginationAnswer, page_answer
from app.auth import requires, services
from app.blueprint import Blueprint
from app.fields import QueryArguments, Shillings, StrictSchema, Text
from app.idempotent import cause, key_optional, run_once
from app.problems import Problem
from domain.api_keys.api_key import Permission
from domain.mpesa.payout import Payout
from domain.mpesa.payout_lane import PayoutLane, ResumeLane
from domain.mpesa.payout_review import (
    EVIDENCE_LENGTH_MAX,
    REASON_LENGTH_MAX,
    RECEIPT_LENGTH_MAX,
    ConfirmSettlement,
    ProposeSettlement,
    RejectSettlement,
)
from domain.mpesa.payout_states import NOT_PAID, PAID, HeldBecause, PayoutPurpose, PayoutState
from domain.mpesa.payouts import payout_of
from infra import clock
from infra.cursors import CURSOR_LENGTH_MAX
from infra.event_store.unit_of_work import UnitOfWork
from projections.payout_lanes import lanes_json, waiting_json
from projections.payouts import PAYOUT_LIST, payout_json

FRESH_SECONDS_MAX = 2.0
_SHORT_CODE = validate.Regexp(r"^[0-9]{5,7}$")
_TOLD = [PAID, NOT_PAID]

blueprint = Blueprint(
    "payouts", __name__, url_prefix="/daystar/v1/mpesa", description="Money sent by M-Pesa."
)


class PayoutArguments(QueryArguments):
    """Filters of the payouts."""

    status = fields.String(validate=validate.OneOf(list(map(str, PayoutState))))
    purpose = fields.String(validate=validate.OneOf(list(map(str, PayoutPurpose))))
    source_id = fields.UUID()
    member_id = fields.UUID()
    short_code = Text(validate=_SHORT_CODE)
    receipt_number = Text(validate=validate.Length(1, RECEIPT_LENGTH_MAX))
    page = fields.Integer(validate=validate.Range(1, PAGE_MAX), metadata={"default": 1})
    per_page = fields.Integer(load_default=50, validate=validate.Range(1, PER_PAGE_MAX))
    cursor = fields.String(validate=validate.Length(1, CURSOR_LENGTH_MAX))

    @validates_schema
    def page_or_cursor(self, data: dict[str, Any], **_: Any) -> None:
        """A place in the list is told in one way."""
        if "page" in data and "cursor" in data:
            raise ValidationError("Send either page or cursor.", "cursor")


class PayoutAnswer(StrictSchema):
    """A payout. `source_id` is the loan, the refund or the receipt it is for.

    Where nobody has taken it up, `held_because` says what it waits for. `proposal` is what a person
    found out, until another has confirmed it; `is_placed` is false where what it was for could not
    count what persons found.
    """

    id = fields.UUID(required=True)
    purpose = fields.Enum(PayoutPurpose, by_value=True, required=True)
    source_id = fields.UUID(required=True)
    member_id = fields.UUID(required=True, allow_none=True)
    short_code = fields.String(required=True)
    phone = fields.String(required=True, allow_none=True)
    reverses = fields.String(required=True, allow_none=True)
    amount = Shillings(required=True)
    charge = Shillings(required=True, allow_none=True)
    status = fields.Enum(PayoutState, by_value=True, required=True)
    held_because = fields.String(
        required=True, allow_none=True, metadata={"enum": [*map(str, HeldBecause), None]}
    )
    receipt_number = fields.String(required=True, allow_none=True)
    attempts = fields.Integer(required=True)
    result_code = fields.String(required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True)
    needs_a_person = fields.Boolean(required=True)
    proposal = fields.String(required=True, allow_none=True, metadata={"enum": [*_TOLD, None]})
    proposed_by = fields.String(required=True, allow_none=True)
    settled_by = fields.String(required=True, allow_none=True)
    is_placed = fields.Boolean(required=True, allow_none=True)
    requested_by = fields.String(required=True)
    approved_by = fields.String(required=True)
    requested_at = fields.AwareDateTime(required=True)
    completed_at = fields.AwareDateTime(required=True, allow_none=True)
    updated_at = fields.AwareDateTime(required=True)


class PayoutsAnswer(StrictSchema):
    """A page of payouts."""

    payouts = fields.List(fields.Nested(PayoutAnswer), required=True)
    pagination = fields.Nested(PaginationAnswer, required=True)


class PayoutStepAnswer(StrictSchema):
    """One thing that happened to a payout."""

    happened = fields.String(required=True)
    detail = fields.String(required=True)
    at = fields.AwareDateTime(required=True)


class OnePayoutAnswer(PayoutAnswer):
    """A payout, and its story from the beginning."""

    story = fields.List(fields.Nested(PayoutStepAnswer), required=True)


class LaneAnswer(StrictSchema):
    """A short code that pays. `float` is what its utility account held when it was last told."""

    short_code = fields.String(required=True)
    is_stopped = fields.Boolean(required=True)
    stopped_because = fields.String(required=True, allow_none=True)
    stopped_at = fields.AwareDateTime(required=True, allow_none=True)
    float = Shillings(required=True, allow_none=True)
    float_told_at = fields.AwareDateTime(required=True, allow_none=True)
    under_way = Shillings(required=True)


class LanesAnswer(StrictSchema):
    """Every short code that ever paid."""

    lanes = fields.List(fields.Nested(LaneAnswer), required=True)


class UnpaidLoanAnswer(StrictSchema):
    """An approved loan of which `unpaid` did not reach the member: somebody pays it anew."""

    loan_id = fields.UUID(required=True)
    member_id = fields.UUID(required=True)
    payout_id = fields.UUID(required=True)
    unpaid = Shillings(required=True)
    reason = fields.String(required=True)
    since = fields.AwareDateTime(required=True)


class WaitingAnswer(StrictSchema):
    """All that waits for a person, longest first."""

    payouts = fields.List(fields.Nested(PayoutAnswer), required=True)
    loans = fields.List(fields.Nested(UnpaidLoanAnswer), required=True)
    lanes = fields.List(fields.Nested(LaneAnswer), required=True)


class SettlementBody(StrictSchema):
    """What became of a payout under review, and how one knows. What was paid has a receipt."""

    outcome = fields.String(required=True, validate=validate.OneOf(_TOLD))
    evidence = Text(
        required=True,
        validate=validate.Length(1, EVIDENCE_LENGTH_MAX),
        metadata={"example": "statement of 23 November, line 41"},
    )
    receipt_number = Text(
        validate=validate.Length(1, RECEIPT_LENGTH_MAX),
        allow_none=True,
        load_default=None,
        metadata={"example": "SKN81ABCDE"},
    )
    completion_date = fields.Date()


class PayoutReasonBody(StrictSchema):
    """Why it is done."""

    reason = Text(required=True, validate=validate.Length(1, REASON_LENGTH_MAX))


class EmptyBody(StrictSchema):
    """Nothing needs saying."""


class SettlingAnswer(StrictSchema):
    """The payout, as it stands now."""

    id = fields.UUID(required=True)
    status = fields.Enum(PayoutState, by_value=True, required=True)
    proposal = fields.String(required=True, allow_none=True, metadata={"enum": [*_TOLD, None]})
    receipt_number = fields.String(required=True, allow_none=True)


class LaneStandingAnswer(StrictSchema):
    """The lane, as it stands now."""

    short_code = fields.String(required=True)
    is_stopped = fields.Boolean(required=True)


@blueprint.route("/payouts")
@requires(Permission.OPERATE)
@blueprint.arguments(PayoutArguments(), location="query")
@blueprint.response(200, PayoutsAnswer)
def list_payouts(arguments: dict[str, Any]) -> Response:
    """Payouts, newest first; reversals of receipts too."""
    return page_answer(PAYOUT_LIST, arguments | {"format": JSON})


@blueprint.route("/payouts/<uuid:payout_id>")
@requires(Permission.OPERATE)
@blueprint.response(200, OnePayoutAnswer)
def show_payout(payout_id: UUID) -> Response:
    """One payout, and its story."""
    payout_of(payout_id, UnitOfWork(services().store, cause()))
    deadline = time.monotonic() + FRESH_SECONDS_MAX
    while (json_text := payout_json(services().pool, payout_id)) is None:
        if time.monotonic() > deadline:
            raise Problem(
                503,
                "read_model_behind",
                "This payout exists, but its read model lags behind. Please try again.",
                headers={"Retry-After": "2"},
            )
        time.sleep(0.02)
    return Response(json_text, content_type="application/json")


@blueprint.route("/payouts/waiting")
@requires(Permission.OPERATE)
@blueprint.response(200, WaitingAnswer)
def list_waiting() -> Response:
    """All that waits for a person: payouts under review, loans to be paid anew, stopped lanes."""
    return Response(waiting_json(services().pool), content_type="application/json")


@blueprint.route("/payouts/<uuid:payout_id>/settlement", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(SettlementBody())
@blueprint.response(200, SettlingAnswer)
def propose_settlement(body: dict[str, Any], payout_id: UUID) -> Response:
    """Say whether a payout under review was paid. Another person confirms it."""
    command = ProposeSettlement(
        payout_id=payout_id,
        is_paid=body["outcome"] == PAID,
        receipt_number=body["receipt_number"],
        completed_on=body.get("completion_date"),
        evidence=body["evidence"],
        principal_id=g.caller.principal_id,
        now=clock.now(),
    )
    return _settling(command)


@blueprint.route("/payouts/<uuid:payout_id>/settlement/confirmation", methods=["POST"])
@requires(Permission.APPROVE)
@blueprint.arguments(EmptyBody())
@blueprint.response(200, SettlingAnswer)
def confirm_settlement(_body: dict[str, Any], payout_id: UUID) -> Response:
    """Settle a payout as another has found out; within one's band."""
    return _settling(ConfirmSettlement(payout_id, g.caller.principal_id, clock.now()))


@blueprint.route("/payouts/<uuid:payout_id>/settlement/rejection", methods=["POST"])
@requires(Permission.APPROVE)
@blueprint.arguments(PayoutReasonBody())
@blueprint.response(200, SettlingAnswer)
def reject_settlement(body: dict[str, Any], payout_id: UUID) -> Response:
    """Disagree with what was found out; the payout stays under review."""
    by = g.caller.principal_id
    return _settling(RejectSettlement(payout_id, body["reason"], by, clock.now()))


@blueprint.route("/lanes")
@requires(Permission.OPERATE)
@blueprint.response(200, LanesAnswer)
def list_lanes() -> Response:
    """The short codes that pay: whether they are stopped, and their float."""
    lanes = lanes_json(services().pool)
    return Response(f'{{"lanes":{lanes}}}', content_type="application/json")


@blueprint.route("/lanes/<short_code>/resumption", methods=["POST"])
@requires(Permission.APPROVE)
@blueprint.arguments(EmptyBody())
@blueprint.response(200, LaneStandingAnswer)
@key_optional
def resume_lane(_body: dict[str, Any], short_code: str) -> Response:
    """Let payouts leave again, now that what stopped them is put right."""
    command = ResumeLane(short_code, g.caller.principal_id, clock.now())

    def answer(lane: PayoutLane) -> dict[str, Any]:
        return {"short_code": lane.short_code, "is_stopped": lane.is_stopped}

    return run_once(command, answer=answer, status=200, because=cause())


def _settling(command: ProposeSettlement | ConfirmSettlement | RejectSettlement) -> Response:
    def answer(payout: Payout) -> dict[str, Any]:
        return {
            "id": str(payout.id),
            "status": payout.state,
            "proposal": payout.proposal["told"] if payout.proposal else None,
            "receipt_number": payout.receipt_number,
        }

    because = cause(str(command.payout_id))
    return run_once(command, answer=answer, status=200, because=because)
