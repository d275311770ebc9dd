"""Finding loans: one by its id, all of a member."""

from __future__ import annotations

from uuid import UUID

from domain.loans.errors import LoanNotFound
from domain.loans.loan import Loan
from domain.store import AggregateStore

LOAN_OF_MEMBER = "loan.member"
"""Scope: a member's loans."""


def loan_of(loan_id: UUID, store: AggregateStore) -> Loan:
    """The loan as it stands. Raises LoanNotFound."""
    loan = store.find(Loan, loan_id)
    if loan is None:
        raise LoanNotFound
    return loan


def loans_of(member_id: UUID, store: AggregateStore) -> list[Loan]:
    """All loans of a member, whatever became of them."""
    return [loan_of(loan_id, store) for loan_id in store.lookup(LOAN_OF_MEMBER, str(member_id))]
