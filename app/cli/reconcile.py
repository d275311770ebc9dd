"""Holding Safaricom's books against ours, at the command line."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import orjson

from app.cli.administration import administrator
from app.wiring import Services
from consumers.mpesa.pulling import NotPulled
from consumers.mpesa.reconciliation_report import Report
from domain.mpesa.reconciliation import DifferenceKind
from domain.mpesa.reconciliation_case import Decision, ReconciliationCase
from domain.mpesa.reconciliation_errors import RunNotFound, StatementKnown
from domain.mpesa.reconciling import ConfirmDecision, ProposeDecision
from domain.phones import normalised_phone
from domain.principals.principal import PRINCIPAL_NAME
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import Cause, UnitOfWork
from infra.mpesa.outcomes import AlreadyTaken, Ambiguous, NotSent, Refused, Taken
from infra.mpesa.statement_reading import statement_to_import
from infra.mpesa.unreadable import UnreadableStatement
from projections.reconciliation import CASE_LIST, RUN_LIST

_ACTOR = "system:command-line"
_DAYS = 31
_LISTED_MAX = 1_000


@click.group()
def reconcile() -> None:
    """Hold what Safaricom says against our books, to the shilling.

    Example: daystar reconcile import statement.csv
    """


@reconcile.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--short-code", help="Whose statement it is, where it does not say so itself.")
def import_statement(file: Path, short_code: str | None) -> None:
    """Import a statement that was exported from the M-Pesa portal (CSV), and match it.

    All of it or nothing: a row that makes no sense is named, and nothing is changed. The same
    statement again changes nothing; it is only matched again.

    Example: daystar reconcile import 600000-february.csv --short-code 600000
    """
    with administrator() as (services, cause):
        importing = services.reconciliation.importing()
        try:
            read = statement_to_import(file.read_bytes())
        except UnreadableStatement as error:
            raise click.ClickException(f"{error}; nothing was imported") from error
        statement = importing.check(read, short_code=short_code)
        is_new = importing.keep(statement, by=_ACTOR)
        with suppress(StatementKnown):
            dispatch(services.store, statement.command(by=_ACTOR), cause)
        report = services.reconciliation.matching().match(statement.run_id, by=_ACTOR)
        services.reconciliation.statements.done(statement.run_id, again=report.has_open_cases)
    click.echo("imported" if is_new else "imported before; matched again")
    _tell(report)


@reconcile.command()
@click.option("--short-code", help="Only this one.")
@click.option("--days", default=_DAYS, show_default=True, help="Statements that reach so far back.")
@click.option("--no-pull", is_flag=True, help="Do not ask Safaricom what was paid.")
def run(short_code: str | None, days: int, *, no_pull: bool) -> None:
    """Pull what was paid in the last 48 hours, and match the latest statements again.

    Example: daystar reconcile run --short-code 600000
    """
    with administrator() as (services, _):
        for each in [] if no_pull else _short_codes(services, short_code):
            try:
                _tell(services.reconciliation.pulling().pull(each, by=_ACTOR))
            except NotPulled as error:
                click.echo(f"{each}: {error}", err=True)
        for run_id in services.reconciliation.statements.latest(short_code=short_code, days=days):
            _tell(services.reconciliation.matching().match(run_id, by=_ACTOR))


@reconcile.command("register-pull")
@click.argument("short_code")
@click.option("--phone", required=True, help="The nominated number, a Safaricom one of ours.")
def register_pull(short_code: str, phone: str) -> None:
    """Tell Safaricom, once, that the payments of a short code will be pulled.

    Example: daystar reconcile register-pull 600992 --phone 0722000000
    """
    with administrator() as (services, _):
        client = services.short_codes.client(short_code)
        outcome = client.register_pull(
            phone=normalised_phone(phone),
            callback_url=services.paybill_url(short_code, "confirmation"),
        )
    match outcome:
        case Taken():
            click.echo(f"{short_code}: Safaricom opened the pull")
        case AlreadyTaken():
            click.echo(f"{short_code}: the pull was open already")
        case NotSent(reason) | Refused(_, reason) | Ambiguous(reason):
            raise click.ClickException(f"{short_code}: {reason}")


@reconcile.command()
@click.option("--short-code", help="Only this one.")
@click.option("--kind", type=click.Choice([str(kind) for kind in DifferenceKind]))
@click.option(
    "--status",
    type=click.Choice(["open", "proposed", "resolved"]),
    default=None,
    help="Without it, all that wait for somebody.",
)
def cases(short_code: str | None, kind: str | None, status: str | None) -> None:
    """List the differences that wait for a person, or others.

    Example: daystar reconcile cases --kind only_there
    """
    with administrator() as (services, _):
        wanted = [status] if status else ["open", "proposed"]
        filters = {"short_code": short_code, "kind": kind}
        found = [case for each in wanted for case in _listed(services, filters | {"status": each})]
    _show_cases(found)


@reconcile.command()
@click.argument("run_or_case", type=click.UUID)
def show(run_or_case: UUID) -> None:
    """Show a run with its cases, or one case, with all that is known of it.

    Example: daystar reconcile show 6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a42
    """
    with administrator() as (services, _):
        found = _one(services, run_or_case)
        of_run = _listed(services, {"run_id": run_or_case})
    click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    if of_run:
        _show_cases(of_run)


@reconcile.command()
@click.argument("case_id", type=click.UUID)
@click.option(
    "--propose",
    "decision",
    type=click.Choice([str(decision) for decision in Decision]),
    help="What is to become of it: accept it as it is, or post the money that came in.",
)
@click.option("--confirm", is_flag=True, help="Agree to what another proposed.")
@click.option("--reason", help="Why, with --propose. No names: it is part of the books.")
@click.option("--principal", "name", required=True, help="Who decides: a principal's name.")
def resolve(
    case_id: UUID, decision: str | None, reason: str | None, name: str, *, confirm: bool
) -> None:
    """Decide a case: one principal proposes, and another, an approver, confirms.

    Example: daystar reconcile resolve 6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a42 --propose accept
    --reason "the weekly transfer to our bank" --principal "Jane Wanjiku"
    """
    if (decision is None) != confirm or (decision is None) != (reason is None):
        raise click.UsageError("Say either --propose and --reason, or --confirm.")
    with administrator() as (services, cause):
        principal_id = _principal(services, name, cause)
        by = Cause(principal_id, str(case_id), cause.causation_id)
        command: ProposeDecision | ConfirmDecision
        if decision is not None:
            command = ProposeDecision(
                case_id, Decision(decision), reason or "", principal_id, clock.now()
            )
        else:
            payment = services.reconciliation.payment_to_post(case_id)
            command = ConfirmDecision(case_id, principal_id, payment, clock.now())
        case: ReconciliationCase = dispatch(services.store, command, by)
    click.echo(f"{case_id} {case.ending or 'waits for another to confirm'}")


def _principal(services: Services, name: str, cause: Cause) -> str:
    known = " ".join(name.split()).casefold()
    found = UnitOfWork(services.store, cause).lookup(PRINCIPAL_NAME, known)
    if not found:
        raise click.ClickException(f"There is no principal {name}.")
    return str(found[0])


def _short_codes(services: Services, short_code: str | None) -> list[str]:
    return (
        [services.short_codes.of(short_code).short_code]
        if short_code
        else list(services.short_codes.all())
    )


def _listed(services: Services, filters: dict[str, Any]) -> list[dict[str, Any]]:
    asked = {name: value for name, value in filters.items() if value is not None}
    page = CASE_LIST.page(services.pool, page=1, per_page=_LISTED_MAX, filters=asked)
    found: list[dict[str, Any]] = orjson.loads(page.json_text)
    return found


def _one(services: Services, wanted: UUID) -> dict[str, Any]:
    for listing in (RUN_LIST, CASE_LIST):
        page = listing.page(services.pool, page=1, per_page=1, filters={"id": wanted})
        found: list[dict[str, Any]] = orjson.loads(page.json_text)
        if found:
            return found[0]
    raise RunNotFound("There is neither a run nor a case with this id.")


def _show_cases(found: Iterable[dict[str, Any]]) -> None:
    """A line for each: what they say, what we say, and how it stands."""
    for case in found:
        about = case["receipt_number"] or case["movement_id"] or ""
        status = case["ending"] or (case["status"] if case["status"] != "open" else "")
        click.echo(
            f"{case['id']}  {case['short_code']:<7} {case['kind']:<15} {about:<12}"
            f" theirs {case['theirs']:>14}  ours {case['ours']:>14}  {case['occurred_at'][:16]}"
            f"  {status}".rstrip()
        )


def _tell(report: Report) -> None:
    """How it stands, in lines that a person and a script can read."""
    standing = report.standing
    assert standing is not None, "a run that came to its end stands somewhere"
    click.echo(f"{report.source} of {report.short_code}, run {report.run_id}")
    click.echo(f"  lines {standing.lines:,}, agreed {standing.agreed:,}")
    if standing.opening_cents is not None and standing.closing_cents is not None:
        whole = (
            *(standing.opening_cents, standing.came_in_cents or 0, standing.went_out_cents or 0),
            standing.closing_cents,
        )
        opening, came_in, went_out, closing = whole
        ties = "ties" if opening + came_in - went_out == closing else "DOES NOT TIE"
        click.echo(
            f"  opening {_spoken(opening)} + in {_spoken(came_in)} - out {_spoken(went_out)}"
            f" = closing {_spoken(closing)}: {ties}"
        )
    kinds = sorted({*standing.theirs_cents, *standing.ours_cents})
    for kind in kinds:
        theirs, ours = standing.theirs_cents.get(kind, 0), standing.ours_cents.get(kind, 0)
        if theirs or ours:
            click.echo(f"  {kind:<10} theirs {_spoken(theirs):>18}  ours {_spoken(ours):>18}")
    click.echo(f"  unexplained {_spoken(standing.unexplained_cents)}")
    for word, counts in (("open", standing.open_cases), ("resolved", standing.resolved_cases)):
        told = ", ".join(f"{kind} {count:,}" for kind, count in sorted(counts.items())) or "none"
        click.echo(f"  cases {word}: {told}")
    if report.problem:
        click.echo(f"  {report.problem}")


def _spoken(cents: int) -> str:
    sign, whole = ("-" if cents < 0 else ""), abs(cents)
    return f"{sign}{whole // 100:,}.{whole % 100:02d}"
