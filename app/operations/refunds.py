"""`/daystar/v1/refunds`: deposits and share capital that go back to their member."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import orjson
from flask import Response, g
from marshmallow import fields, validate

from app.auth import requires, services
from app.blueprint import Blueprint
from app.fields import Amount, Shillings, StrictSchema, Text
from app.idempotent import cause, run_once
from app.operations.payouts import EmptyBody
from app.problems import Problem
from domain.api_keys.api_key import Permission
from domain.contributions.handlers import REASON_LENGTH_MAX, REFERENCE_LENGTH_MAX
from domain.contributions.refund import Refund, RefundMethod, RefundState
from domain.contributions.refunds import (
    REFUNDABLE,
    ConfirmRefund,
    ProposeRefund,
    RejectRefund,
    refund_of,
)
from domain.contributions.rules import ContributionType
from domain.dates import business_day
from domain.identities import payout_id
from domain.money import text_from_cents
from infra import clock
from infra.event_store.unit_of_work import UnitOfWork
from infra.mpesa.short_codes import NoCredentials

blueprint = Blueprint(
    "refunds", __name__, url_prefix="/daystar/v1", description="Money that goes back to members."
)


class RefundBody(StrictSchema):
    """What goes back to whom, and how. Cash and bank name the reference that proves them."""

    member_id = fields.UUID(required=True)
    contribution_type = fields.String(
        required=True, validate=validate.OneOf(list(map(str, REFUNDABLE)))
    )
    amount = Amount(required=True)
    payment_method = fields.Enum(RefundMethod, by_value=True, required=True)
    payment_reference = Text(
        validate=validate.Length(1, REFERENCE_LENGTH_MAX), allow_none=True, load_default=None
    )
    reason = Text(
        required=True,
        validate=validate.Length(1, REASON_LENGTH_MAX),
        metadata={"example": "leaves the co-operative"},
    )


class RefundReasonBody(StrictSchema):
    """Why it is refused."""

    reason = Text(required=True, validate=validate.Length(1, REASON_LENGTH_MAX))


class RefundAnswer(StrictSchema):
    """A refund, as it stands now; `payout_id` is that of its M-Pesa payout, once it has one."""

    id = fields.UUID(required=True)
    member_id = fields.UUID(required=True)
    contribution_type = fields.String(required=True, metadata={"enum": list(map(str, REFUNDABLE))})
    amount = Shillings(required=True)
    payment_method = fields.Enum(RefundMethod, by_value=True, required=True)
    payment_reference = fields.String(required=True, allow_none=True)
    status = fields.Enum(RefundState, by_value=True, required=True)
    proposed_by = fields.String(required=True)
    payout_id = fields.UUID(required=True, allow_none=True)


@blueprint.route("/refunds", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(RefundBody())
@blueprint.response(201, RefundAnswer)
def propose_refund(body: dict[str, Any]) -> Response:
    """Ask that deposits or share capital go back to their member. Another person confirms."""
    command = ProposeRefund(
        refund_id=uuid4(),
        member_id=body["member_id"],
        contribution_type=ContributionType(body["contribution_type"]),
        amount_cents=body["amount"],
        payment_method=body["payment_method"],
        payment_reference=body["payment_reference"],
        reason=body["reason"],
        principal_id=g.caller.principal_id,
        today=business_day(clock.now()),
    )
    return _decided(command, status=201)


@blueprint.route("/refunds/<uuid:refund_id>")
@requires(Permission.OPERATE)
@blueprint.response(200, RefundAnswer)
def show_refund(refund_id: UUID) -> Response:
    """One refund."""
    refund = refund_of(refund_id, UnitOfWork(services().store, cause()))
    return Response(orjson.dumps(_answer(refund)), content_type="application/json")


@blueprint.route("/refunds/<uuid:refund_id>/confirmation", methods=["POST"])
@requires(Permission.APPROVE)
@blueprint.arguments(EmptyBody())
@blueprint.response(200, RefundAnswer)
def confirm_refund(_body: dict[str, Any], refund_id: UUID) -> Response:
    """Let a refund go out: not one's own, not one that one proposed, and within one's band."""
    refund = refund_of(refund_id, UnitOfWork(services().store, cause()))
    by_mpesa = refund.payment_method == RefundMethod.MPESA
    short_code = paying_short_code() if by_mpesa else None
    return _decided(ConfirmRefund(refund_id, g.caller.principal_id, short_code, clock.now()))


@blueprint.route("/refunds/<uuid:refund_id>/rejection", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(RefundReasonBody())
@blueprint.response(200, RefundAnswer)
def reject_refund(body: dict[str, Any], refund_id: UUID) -> Response:
    """Leave the money where it is; whoever proposed it may take it back so."""
    today = business_day(clock.now())
    return _decided(RejectRefund(refund_id, g.caller.principal_id, body["reason"], today))


def paying_short_code() -> str:
    """The short code that payouts leave from. Raises Problem where there is none."""
    try:
        return services().short_codes.paying().short_code
    except NoCredentials as error:
        raise Problem(409, "mpesa_not_configured", str(error)) from error


def _decided(
    command: ProposeRefund | ConfirmRefund | RejectRefund, *, status: int = 200
) -> Response:
    because = cause(str(command.refund_id))
    return run_once(command, answer=_answer, status=status, because=because)


def _answer(refund: Refund) -> dict[str, Any]:
    by_mpesa = refund.payment_method == RefundMethod.MPESA
    undecided = (RefundState.PROPOSED, RefundState.REJECTED)
    has_payout = by_mpesa and refund.state not in undecided
    return {
        "id": str(refund.id),
        "member_id": refund.member_id,
        "contribution_type": refund.contribution_type,
        "amount": text_from_cents(refund.amount_cents),
        "payment_method": refund.payment_method,
        "payment_reference": refund.payment_reference,
        "status": refund.state,
        "proposed_by": refund.proposed_by,
        "payout_id": str(payout_id(refund.id, number=1)) if has_payout else None,
    }
