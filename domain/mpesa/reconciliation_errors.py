"""Rules about holding Safaricom's books against ours that can be broken."""

from datetime import date
from uuid import UUID

from domain.errors import BrokenRule, NotFound


class RunNotFound(NotFound):
    """There is no reconciliation run with this id."""

    code = "run_not_found"


class CaseNotFound(NotFound):
    """There is no reconciliation case with this id."""

    code = "case_not_found"


class CaseIsResolved(BrokenRule):
    """This case is resolved already."""

    code = "case_is_resolved"


class NothingDecided(BrokenRule):
    """Nobody has proposed what is to become of this case."""

    code = "nothing_decided"


class CannotBePosted(BrokenRule):
    """Only money that came in, stands on a statement and is not in our books can be posted."""

    code = "cannot_be_posted"


class StatementKnown(BrokenRule):
    """This statement was imported before; nothing was changed."""

    code = "statement_known"

    def __init__(self, run_id: UUID) -> None:
        super().__init__(f"This statement was imported before, as run {run_id}; nothing changed.")
        self.run_id = run_id


class StatementOfAnother(BrokenRule):
    """This statement is not one of the short code it was imported for."""

    code = "statement_of_another"


class BeforeTheseBooks(BrokenRule):
    """The statement reaches back before these books began; export it from that day on."""

    code = "before_these_books"

    def __init__(self, *, row: int, begin_on: date) -> None:
        super().__init__(
            f"Row {row} is of a day before {begin_on}, when these books began: what moved before is"
            " in older books, and would be posted twice. Export the statement from that day on."
        )


class ShortCodeNotNamed(BrokenRule):
    """The statement does not say of which short code it is; name it."""

    code = "short_code_not_named"
