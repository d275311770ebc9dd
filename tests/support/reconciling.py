"""A short code's books to hold statements against: real commands, and what a run needs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from consumers.mpesa.books import Books
from consumers.mpesa.reconciliation_report import Report
from consumers.mpesa.statement_matching import StatementMatching
from domain.identities import reconciliation_run_id
from domain.mpesa.account_numbers import AccountRules
from domain.mpesa.commands import RecordQueryAnswer, RecordReceipt
from domain.mpesa.payer import Payer
from domain.mpesa.reconciliation_case import Decision, ReconciliationCase, Source
from domain.mpesa.reconciling import ConfirmDecision, ProposeDecision
from domain.mpesa.statement import Line, digest
from infra.event_store.personal_keys import PersonalKeys
from infra.event_store.reader import LogReader
from infra.mpesa.statement_store import StatementStore
from tests.support import payout_states as told
from tests.support.co_operative import NOW, CoOperative
from tests.support.statements import SHORT_CODE, Moved

RULES = AccountRules()
BY = "system:test"


class Reconciling:
    """Books and statements of one short code."""

    def __init__(self, co_operative: CoOperative) -> None:
        self.co_operative = co_operative
        store = co_operative.store
        self.pool = store.pool
        self.statements = StatementStore(store.pool, store.keyring)
        reader = LogReader(store.pool, PersonalKeys(store.pool, store.keyring))
        self.books = Books(store.pool, reader)
        self.matching = StatementMatching(store, self.statements, self.books, RULES)

    # What really happened, as our books are told of it.

    def payment(self, moved: Moved, *, cents_more: int = 0) -> None:
        """A paybill confirmation. Nobody has this account number: it goes to suspense."""
        command = RecordReceipt(
            receipt_number=moved.receipt_number,
            amount_cents=moved.shillings * 100 + cents_more,
            paid_at=moved.at,
            channel="paybill",
            short_code=SHORT_CODE,
            account_number="NOBODY",
            payer=Payer(phone=moved.phone),
            now=NOW,
            rules=RULES,
        )
        self.co_operative.dispatch(command)

    def push(self, moved: Moved) -> Moved:
        """A push that a query said was paid: posted, its receipt awaited."""
        co_operative = self.co_operative
        reference = f"K7Q2M9{moved.number:06d}"
        member_id = co_operative.member(phone=moved.phone)
        push_id = co_operative.push(
            member_id,
            amount_cents=moved.shillings * 100,
            account_reference=reference,
            short_code=SHORT_CODE,
            now=moved.at - timedelta(seconds=30),
        )
        co_operative.dispatch(RecordQueryAnswer(push_id, "0", "", moved.at))
        return self._with(moved, reference=reference)

    def payout(self, moved: Moved, *, in_doubt: bool = False) -> UUID:
        """A refund that left, or of which nobody knows."""
        co_operative = self.co_operative
        member_id = co_operative.member(phone=moved.phone)
        co_operative.contribution(member_id, amount_cents=10_000_00)
        cents = moved.shillings * 100
        refund = told.refund_proposed(co_operative, member_id, amount_cents=cents)
        payout_id = told.refund_confirmed(
            co_operative, refund, short_code=SHORT_CODE, now=moved.at - timedelta(seconds=30)
        )
        told.sending_started(co_operative, payout_id, now=moved.at)
        if in_doubt:
            told.doubted(co_operative, payout_id)
        else:
            told.taken(co_operative, payout_id, now=moved.at)
            told.result_paid(
                co_operative,
                payout_id,
                receipt_number=moved.receipt_number,
                completed_at=moved.at,
            )
        return payout_id

    @staticmethod
    def _with(moved: Moved, *, reference: str) -> Moved:
        return Moved(
            moved.number,
            moved.kind,
            moved.shillings,
            moved.charge_shillings,
            moved.told_phone,
            reference,
        )

    # Statements and cases.

    def imported(self, lines: list[Line], *, short_code: str = SHORT_CODE) -> UUID:
        """Keep a statement. Answers its run."""
        run_id = reconciliation_run_id(short_code, Source.STATEMENT, digest(lines))
        self.statements.keep(
            run_id, short_code=short_code, lines=lines, file_sha256="0" * 64, kept_by=BY
        )
        return run_id

    def run(self, lines: list[Line]) -> Report:
        """Import a statement and hold it against the books."""
        return self.matching.match(self.imported(lines), by=BY)

    def accept(self, case: ReconciliationCase, **fields: Any) -> ReconciliationCase:
        """Two persons agree to leave it as it is."""
        return self.decide(case, Decision.ACCEPT, **fields)

    def decide(self, case: ReconciliationCase, decision: Decision, **fields: Any) -> Any:
        maker, checker = (self.co_operative.principal() for _ in range(2))
        self.co_operative.dispatch(
            ProposeDecision(case.id, decision, "the bank's advice says so", maker, NOW)
        )
        values = {"receipt": None, "now": NOW} | fields
        return self.co_operative.dispatch(ConfirmDecision(case.id, checker, **values))

    def events(self) -> int:
        with self.pool.connection() as connection:
            row = connection.execute("SELECT count(*) FROM event_store.events").fetchone()
        assert row is not None
        return int(row[0])
