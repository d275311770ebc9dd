"""The lists that can be asked of the past, and which events make the rows of a page of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from domain.contributions.rules import PaymentMethod
from domain.identities import account_id
from infra.event_store.as_of import AsOf, PastEvents
from infra.event_store.reader import RecordedEvent
from projections.contributions import CONTRIBUTION_LIST, CONTRIBUTIONS
from projections.listing import Listing
from projections.loan_in_full import EMBEDDED_REPAYMENTS_MAX
from projections.loans import LOAN_LIST, LOANS, REPAYMENT_LIST
from projections.members import MEMBER_LIST, MEMBERS
from projections.read_model import ReadModel

# A payment that was posted before its receipt came: its push tells the receipt's number later.
_POSTED = frozenset({"push.paid-receipt-awaited", "push.succeeded"})
_SUCCEEDED = frozenset({"push.succeeded"})

# Each of these tells all sums of a loan anew, and the instalments it changed.
_MONEY_MOVED = frozenset(
    {
        "loan.repayment-received",
        "loan.repayment-reversed",
        "loan.penalty-charged",
        "loan.penalty-reversed",
        "loan.fee-charged",
    }
)
REPAID = frozenset({"loan.repayment-received", "loan.recovery-received"})
_REPAYMENTS_CHANGED = frozenset(
    {"loan.repayment-reversed", "loan.recovery-reversed", "loan.repayments-reallocated"}
)

PageRow = Mapping[str, Any]
"""A row of a page, as the live table names it: its key, and the position at which it was added."""


@dataclass(frozen=True)
class PastList:
    """A list that can be asked as of a position: `events` brings all that made a page's rows."""

    listing: Listing
    model: ReadModel
    key: str
    state_filters: frozenset[str]
    events: Callable[[PastEvents, Sequence[PageRow], AsOf], list[RecordedEvent]]

    @cached_property
    def rows(self) -> Listing:
        """Which rows there were: the live list, with what never changes of it."""
        filters = {
            name: condition
            for name, condition in self.listing.filters.items()
            if name not in self.state_filters
        }
        return Listing(
            plural=self.listing.plural,
            schema=self.listing.schema,
            table=self.listing.table,
            item=f"'key', t.{self.key}, 'position', t.position",
            order=self.listing.order,
            filters=filters | {"as_of_position": "t.position <= %(as_of_position)s"},
        )


def _whole_streams(
    topics: frozenset[str],
    streams: Callable[[UUID], list[UUID]],
    last_of: frozenset[str] = frozenset(),
) -> Callable[[PastEvents, Sequence[PageRow], AsOf], list[RecordedEvent]]:
    """For rows that are things with streams of their own."""

    def events(past: PastEvents, rows: Sequence[PageRow], as_of: AsOf) -> list[RecordedEvent]:
        wanted = [stream for row in rows for stream in streams(UUID(row["key"]))]
        return past.of_streams(wanted, until=as_of, topics=topics, last_of=last_of)

    return events


def _facts(
    changes: frozenset[str],
) -> Callable[[PastEvents, Sequence[PageRow], AsOf], list[RecordedEvent]]:
    """For rows that one event each adds, and that few events of the same stream change later."""

    def events(past: PastEvents, rows: Sequence[PageRow], as_of: AsOf) -> list[RecordedEvent]:
        added = past.at([row["position"] for row in rows])
        streams = {UUID(event.stream_id) for event in added}
        changed = past.of_streams([*streams], until=as_of, topics=changes)
        told = receipts_told(past, added, as_of)
        return sorted([*added, *changed, *told], key=lambda event: event.position)

    return events


def receipts_told(
    past: PastEvents, events: Iterable[RecordedEvent], as_of: AsOf
) -> list[RecordedEvent]:
    """What pushes told of the receipts of payments among these events."""
    mpesa = [
        event.position
        for event in events
        if event.data.get("payment_method") == PaymentMethod.MPESA
    ]
    pushes = past.streams_beside(mpesa, topics=_POSTED) if mpesa else []
    return past.of_streams(pushes, until=as_of, topics=_SUCCEEDED) if pushes else []


PAST_MEMBERS = PastList(
    listing=MEMBER_LIST,
    model=MEMBERS,
    key="member_id",
    state_filters=frozenset({"status", "updated_since"}),
    events=_whole_streams(MEMBERS.topics, lambda key: [key, account_id(key)]),
)
PAST_LOANS = PastList(
    listing=LOAN_LIST,
    model=LOANS,
    key="loan_id",
    state_filters=frozenset({"status", "updated_since"}),
    events=_whole_streams(LOANS.topics, lambda key: [key], last_of=_MONEY_MOVED),
)
PAST_CONTRIBUTIONS = PastList(
    listing=CONTRIBUTION_LIST,
    model=CONTRIBUTIONS,
    key="contribution_id",
    state_filters=frozenset({"updated_since"}),
    events=_facts(frozenset({"account.contribution-reversed"})),
)
PAST_REPAYMENTS = PastList(
    listing=REPAYMENT_LIST,
    model=LOANS,
    key="repayment_id",
    state_filters=frozenset({"updated_since"}),
    events=_facts(_REPAYMENTS_CHANGED),
)


PAST_LISTS: Mapping[str, PastList] = {
    past_list.listing.plural: past_list
    for past_list in (PAST_MEMBERS, PAST_LOANS, PAST_CONTRIBUTIONS, PAST_REPAYMENTS)
}


def last_words(events: Sequence[RecordedEvent]) -> list[RecordedEvent]:
    """Without those that move money and say nothing that no later one says again.

    Folds only assign, so the rows are the same: a loan may have been paid on thousands of times.
    """
    kept: list[RecordedEvent] = []
    said: set[int] | None = None
    for event in reversed(events):
        if event.topic in _MONEY_MOVED:
            numbers = {line["number"] for line in event.data["after"]["lines"]}
            if said is not None and numbers <= said:
                continue
            said = numbers | (said or set())
        kept.append(event)
    return kept[::-1]


def newest_repayments(events: Sequence[RecordedEvent]) -> list[RecordedEvent]:
    """What made the newest repayments of a loan what they are, in the order of the log."""
    received = [event for event in events if event.topic in REPAID]
    received.sort(key=lambda event: (event.data["paid_on"], event.position), reverse=True)
    newest = {event.data["repayment_id"]: event for event in received[:EMBEDDED_REPAYMENTS_MAX]}
    changed = [
        event
        for event in events
        if event.topic in _REPAYMENTS_CHANGED
        and not newest.keys().isdisjoint(_repayments_of(event))
    ]
    return sorted([*newest.values(), *changed], key=lambda event: event.position)


def _repayments_of(event: RecordedEvent) -> Iterable[str]:
    if event.topic == "loan.repayments-reallocated":
        reallocated: dict[str, object] = event.data["parts"]
        return reallocated
    return (event.data["repayment_id"],)
