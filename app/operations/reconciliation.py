"""`/daystar/v1/mpesa/reconciliation`: Safaricom's books beside ours, and what comes of it."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any, TypeVar
from uuid import UUID

import orjson
from flask import Response, g, request
from marshmallow import ValidationError, fields, validate, validates_schema

from app.accounting.resources import JSON, PAGE_MAX, PER_PAGE_MAX, PaginationAnswer, page_answer
from app.auth import requires, services
from app.blueprint import Blueprint
from app.fields import QueryArguments, Shillings, StrictSchema, Text
from app.idempotent import cause, run_once
from app.problems import Problem
from domain.api_keys.api_key import Permission
from domain.errors import NotFound
from domain.mpesa.matching import MovementKind
from domain.mpesa.reconciliation import DifferenceKind
from domain.mpesa.reconciliation_case import Decision, Ending, ReconciliationCase, Source
from domain.mpesa.reconciliation_errors import CaseNotFound, RunNotFound
from domain.mpesa.reconciliation_run import ReconciliationRun
from domain.mpesa.reconciling import REASON_LENGTH_MAX, ConfirmDecision, ProposeDecision
from domain.mpesa.statement import LineStatus
from infra import clock
from infra.cursors import CURSOR_LENGTH_MAX
from infra.event_store.unit_of_work import UnitOfWork
from infra.mpesa.statement_reading import IMPORT_BYTES_MAX, ReadStatement, statement_to_import
from infra.mpesa.unreadable import UnreadableStatement
from projections.listing import Listing
from projections.reconciliation import CASE_LIST, RUN_LIST

STATEMENT_BODY_BYTES_MAX = IMPORT_BYTES_MAX * 4 // 3 + 4_096  # in base64, and what stands around it
FRESH_SECONDS_MAX = 2.0
_SHORT_CODE = validate.Regexp(r"^[0-9]{5,7}$")
_CASE_STATUSES = ["open", "proposed", "resolved"]
Function = TypeVar("Function", bound=Callable[..., Any])

blueprint = Blueprint(
    "reconciliation",
    __name__,
    url_prefix="/daystar/v1/mpesa/reconciliation",
    description="Books that agree with Safaricom's.",
)


def _large_body(view: Function) -> Function:
    """A statement is larger than other bodies; whoever may not come in is not read at all."""

    @wraps(view)
    def allowed(*args: Any, **kwargs: Any) -> Any:
        request.max_content_length = STATEMENT_BODY_BYTES_MAX
        return view(*args, **kwargs)

    return allowed  # type: ignore[return-value]


class StatementFile(fields.Field[ReadStatement]):
    """An exported statement, its bytes in base64."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> ReadStatement:
        if not isinstance(value, str):
            raise ValidationError("Give the exported file (CSV) in base64.")
        try:
            return statement_to_import(base64.b64decode(value, validate=True))
        except (binascii.Error, ValueError) as error:
            raise ValidationError("Give the exported file (CSV) in base64.") from error
        except UnreadableStatement as error:
            raise ValidationError(f"Give a statement as the portal exports it: {error}.") from error


class StatementBody(StrictSchema):
    """A statement as it was exported. The short code may be left out where the file names it."""

    content = StatementFile(
        required=True,
        metadata={"type": "string", "contentEncoding": "base64", "minLength": 4},
    )
    short_code = Text(validate=_SHORT_CODE, allow_none=True, load_default=None)


class ImportedAnswer(StrictSchema):
    """The run that holds the statement against our books, soon; it is told at `Location`."""

    id = fields.UUID(required=True)
    short_code = fields.String(required=True)
    lines = fields.Integer(required=True)
    first_at = fields.AwareDateTime(required=True)
    last_at = fields.AwareDateTime(required=True)


class _PagesArguments(QueryArguments):
    """Paging."""

    page = fields.Integer(validate=validate.Range(1, PAGE_MAX), metadata={"default": 1})
    per_page = fields.Integer(load_default=50, validate=validate.Range(1, PER_PAGE_MAX))
    cursor = fields.String(validate=validate.Length(1, CURSOR_LENGTH_MAX))

    @validates_schema
    def page_or_cursor(self, data: dict[str, Any], **_: Any) -> None:
        """A place in the list is told in one way."""
        if "page" in data and "cursor" in data:
            raise ValidationError("Send either page or cursor.", "cursor")


class RunArguments(_PagesArguments):
    """Filters of the runs."""

    short_code = Text(validate=_SHORT_CODE)
    source = fields.Enum(Source, by_value=True)


class CaseArguments(_PagesArguments):
    """Filters of the cases."""

    run_id = fields.UUID()
    short_code = Text(validate=_SHORT_CODE)
    kind = fields.Enum(DifferenceKind, by_value=True)
    status = fields.String(validate=validate.OneOf(_CASE_STATUSES))
    receipt_number = Text(validate=validate.Length(1, 20))


def _one_or_none(kind: type[StrEnum]) -> fields.String:
    """One of these words, or nothing."""
    words = [*map(str, kind), None]
    return fields.String(required=True, allow_none=True, metadata={"enum": words})


def _sums() -> fields.Dict:
    return fields.Dict(
        keys=fields.String(), values=Shillings(), required=True, metadata={"example": {}}
    )


def _counts() -> fields.Dict:
    return fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, metadata={"example": {}}
    )


class RunAnswer(StrictSchema):
    """A run, as it stood when something was last new. Sums are by kind of line, out below zero.

    `unexplained` is their sum less ours, less what two persons have accepted. `balances_tie` says
    whether opening + in - out = closing; it is null where nothing tells of balances.
    """

    id = fields.UUID(required=True)
    short_code = fields.String(required=True)
    source = fields.Enum(Source, by_value=True, required=True)
    first_at = fields.AwareDateTime(required=True)
    last_at = fields.AwareDateTime(required=True)
    lines = fields.Integer(required=True)
    started_by = fields.String(required=True)
    started_at = fields.AwareDateTime(required=True)
    compared_by = fields.String(required=True, allow_none=True)
    compared_at = fields.AwareDateTime(required=True, allow_none=True)
    agreed = fields.Integer(required=True, allow_none=True)
    open_cases = _counts()
    resolved_cases = _counts()
    theirs = _sums()
    ours = _sums()
    unexplained = Shillings(required=True, allow_none=True)
    opening_balance = Shillings(required=True, allow_none=True)
    came_in = Shillings(required=True, allow_none=True)
    went_out = Shillings(required=True, allow_none=True)
    closing_balance = Shillings(required=True, allow_none=True)
    balances_tie = fields.Boolean(required=True, allow_none=True)


class RunsAnswer(StrictSchema):
    """A page of runs."""

    runs = fields.List(fields.Nested(RunAnswer), required=True)
    pagination = fields.Nested(PaginationAnswer, required=True)


class CaseAnswer(StrictSchema):
    """One difference, and what became of it. Amounts that went out are below zero.

    `effect` is their sum less ours, as far as this case explains it; `explained` is what goes on
    being a difference because two persons have accepted it.
    """

    id = fields.UUID(required=True)
    short_code = fields.String(required=True)
    kind = fields.Enum(DifferenceKind, by_value=True, required=True)
    receipt_number = fields.String(required=True, allow_none=True)
    reason_type = fields.String(required=True, allow_none=True)
    movement_kind = _one_or_none(MovementKind)
    movement_id = fields.UUID(required=True, allow_none=True)
    their_status = _one_or_none(LineStatus)
    our_status = fields.String(required=True, allow_none=True)
    theirs = Shillings(required=True)
    ours = Shillings(required=True)
    effect = Shillings(required=True)
    occurred_at = fields.AwareDateTime(required=True)
    source = fields.Enum(Source, by_value=True, required=True)
    run_id = fields.UUID(required=True)
    opened_at = fields.AwareDateTime(required=True)
    status = fields.String(required=True, validate=validate.OneOf(_CASE_STATUSES))
    decision = _one_or_none(Decision)
    reason = fields.String(required=True, allow_none=True)
    proposed_by = fields.String(required=True, allow_none=True)
    proposed_at = fields.AwareDateTime(required=True, allow_none=True)
    ending = _one_or_none(Ending)
    explained = Shillings(required=True)
    resolved_by = fields.String(required=True, allow_none=True)
    resolved_at = fields.AwareDateTime(required=True, allow_none=True)


class CasesAnswer(StrictSchema):
    """A page of cases."""

    cases = fields.List(fields.Nested(CaseAnswer), required=True)
    pagination = fields.Nested(PaginationAnswer, required=True)


class DecisionBody(StrictSchema):
    """What is to become of a case. Only money that came in and that we lack can be posted."""

    decision = fields.Enum(Decision, by_value=True, required=True)
    reason = Text(
        required=True,
        validate=validate.Length(1, REASON_LENGTH_MAX),
        metadata={"example": "the weekly transfer to our bank"},
    )


class ConfirmationBody(StrictSchema):
    """Nothing needs saying."""


class CaseStandingAnswer(StrictSchema):
    """The case, as it stands now."""

    id = fields.UUID(required=True)
    status = fields.String(required=True, validate=validate.OneOf(_CASE_STATUSES))
    ending = _one_or_none(Ending)


@blueprint.route("/statements", methods=["POST"])
@_large_body
@requires(Permission.OPERATE)
@blueprint.arguments(StatementBody())
@blueprint.response(202, ImportedAnswer)
def import_statement(body: dict[str, Any]) -> Response:
    """Import a statement that was exported from the portal: all of it, or nothing.

    It is held against our books soon. One that was imported before is refused, and changes nothing.
    """
    importing = services().reconciliation.importing()
    statement = importing.check(body["content"], short_code=body["short_code"])
    by = g.caller.principal_id
    command = statement.command(by=by)

    def answer(_run: ReconciliationRun) -> dict[str, Any]:
        """The lines are kept just before the run is recorded: a run without lines never is."""
        importing.keep(statement, by=by)
        return {
            "id": str(statement.run_id),
            "short_code": statement.short_code,
            "lines": command.lines,
            "first_at": command.first_at.isoformat(),
            "last_at": command.last_at.isoformat(),
        }

    response = run_once(command, answer=answer, status=202, because=cause(str(statement.run_id)))
    response.headers["Location"] = f"{blueprint.url_prefix}/runs/{response.json['id']}"  # type: ignore[index]
    return response


@blueprint.route("/runs")
@requires(Permission.OPERATE)
@blueprint.arguments(RunArguments(), location="query")
@blueprint.response(200, RunsAnswer)
def list_runs(arguments: dict[str, Any]) -> Response:
    """What was held against our books, newest first: statements, and each hour's pull."""
    return page_answer(RUN_LIST, arguments | {"format": JSON})


@blueprint.route("/runs/<uuid:run_id>")
@requires(Permission.OPERATE)
@blueprint.response(200, RunAnswer)
def show_run(run_id: UUID) -> Response:
    """One run. Its cases are told by `cases?run_id=`."""
    return _one(RUN_LIST, ReconciliationRun, run_id, RunNotFound)


@blueprint.route("/cases")
@requires(Permission.OPERATE)
@blueprint.arguments(CaseArguments(), location="query")
@blueprint.response(200, CasesAnswer)
def list_cases(arguments: dict[str, Any]) -> Response:
    """The differences between Safaricom's books and ours, newest first."""
    return page_answer(CASE_LIST, arguments | {"format": JSON})


@blueprint.route("/cases/<uuid:case_id>")
@requires(Permission.OPERATE)
@blueprint.response(200, CaseAnswer)
def show_case(case_id: UUID) -> Response:
    """One case."""
    return _one(CASE_LIST, ReconciliationCase, case_id, CaseNotFound)


@blueprint.route("/cases/<uuid:case_id>/proposal", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(DecisionBody())
@blueprint.response(200, CaseStandingAnswer)
def propose_decision(body: dict[str, Any], case_id: UUID) -> Response:
    """Say what is to become of a case, and why. Another person confirms it."""
    by = g.caller.principal_id
    return _decided(ProposeDecision(case_id, body["decision"], body["reason"], by, clock.now()))


@blueprint.route("/cases/<uuid:case_id>/confirmation", methods=["POST"])
@requires(Permission.APPROVE)
@blueprint.arguments(ConfirmationBody())
@blueprint.response(200, CaseStandingAnswer)
def confirm_decision(_body: dict[str, Any], case_id: UUID) -> Response:
    """Agree to what another proposed, within one's band."""
    payment = services().reconciliation.payment_to_post(case_id)
    return _decided(ConfirmDecision(case_id, g.caller.principal_id, payment, clock.now()))


def _decided(command: ProposeDecision | ConfirmDecision) -> Response:
    def answer(case: ReconciliationCase) -> dict[str, Any]:
        waiting = "proposed" if case.proposal else "open"
        return {
            "id": str(case.id),
            "status": waiting if case.is_open else "resolved",
            "ending": case.ending,
        }

    return run_once(command, answer=answer, status=200, because=cause(str(command.case_id)))


def _one(listing: Listing, kind: type[Any], wanted: UUID, missing: type[NotFound]) -> Response:
    """One row; what was recorded a moment ago is waited for."""
    deadline = time.monotonic() + FRESH_SECONDS_MAX
    while True:
        found = listing.page(services().pool, page=1, per_page=1, filters={"id": wanted})
        rows = orjson.loads(found.json_text)
        if rows:
            return Response(orjson.dumps(rows[0]), content_type="application/json")
        if UnitOfWork(services().store, cause()).find(kind, wanted) is None:
            raise missing
        if time.monotonic() > deadline:
            raise Problem(
                503,
                "read_model_behind",
                "This exists, but its read model lags behind. Please try again.",
                headers={"Retry-After": "2"},
            )
        time.sleep(0.02)
