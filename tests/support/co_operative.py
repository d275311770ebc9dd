"""A co-operative to test with: real commands, sensible values where a test does not care."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

from domain.contributions.commands import RecordContribution, ReverseContribution
from domain.contributions.rules import ContributionRules, ContributionType, PaymentMethod
from domain.loans.commands import (
    ApplyForLoan,
    ApproveLoan,
    AssessLoan,
    DefineLoanProduct,
    DisburseLoan,
    RecordRepayment,
    ReverseRepayment,
)
from domain.loans.loan import Loan
from domain.loans.terms import LoanTerms
from domain.members.commands import RegisterMember
from domain.mpesa.account_numbers import AccountRules
from domain.mpesa.commands import (
    RecordPushResult,
    RecordQueryAnswer,
    RecordReceipt,
    RequestPush,
)
from domain.mpesa.payer import Payer
from domain.mpesa.sending import RecordAcknowledgement, StartSending
from domain.mpesa.stk_push import Push
from domain.principals.principal import AddPrincipal, PrincipalKind, Role
from infra.event_store.dispatch import dispatch
from infra.event_store.personal_keys import PersonalKeys
from infra.event_store.reader import LogReader
from infra.event_store.unit_of_work import Cause, EventStore, UnitOfWork
from projections.follower import Follower
from projections.read_models import READ_MODELS

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
CAUSE = Cause("test", "test-correlation")

DEVELOPMENT_LOAN = LoanTerms(
    amount_cents_min=10_000_00,
    amount_cents_max=2_000_000_00,
    term_months_min=1,
    term_months_max=36,
    interest_method="equal_instalments",
    rate_percent="12",
    rate_period="year",
    fee_percent="1",
    insurance_percent="0.5",
    penalty_percent="5",
    penalty_grace_days=7,
    contributed_cents_min=12_000_00,
)

_numbers = itertools.count(1)


class CoOperative:
    """Says what happens; the store remembers."""

    def __init__(self, store: EventStore) -> None:
        self.store = store

    def dispatch(self, command: Any) -> Any:
        return dispatch(self.store, command, CAUSE)

    def load(self, kind: type[Any], stream_id: UUID) -> Any:
        return UnitOfWork(self.store, CAUSE).get(kind, stream_id)

    def member(self, **fields: Any) -> UUID:
        number = next(_numbers)
        member_id = uuid4()
        values = {
            "member_number": f"DST2026{number:05d}",
            "first_name": "Jane",
            "last_name": "Doe",
            "phone": f"07{number:08d}",
            "email": None,
            "national_id": f"{30000000 + number}",
            "registered_on": TODAY,
            "today": TODAY,
        }
        self.dispatch(RegisterMember(member_id=member_id, **(values | fields)))
        return member_id

    def contribution(self, member_id: UUID, **fields: Any) -> UUID:
        contribution_id = uuid4()
        values = {
            "contribution_type": ContributionType.MONTHLY,
            "amount_cents": 2_000_00,
            "payment_method": PaymentMethod.CASH,
            "payment_reference": f"R{next(_numbers)}",
            "contributed_on": TODAY,
            "today": TODAY,
            "rules": ContributionRules(),
        }
        self.dispatch(
            RecordContribution(
                contribution_id=contribution_id, member_id=member_id, **(values | fields)
            )
        )
        return contribution_id

    def reverse(self, member_id: UUID, contribution_id: UUID) -> None:
        self.dispatch(
            ReverseContribution(member_id, contribution_id, reason="typed twice", today=TODAY)
        )

    def principal(self, **fields: Any) -> str:
        """A person who approves loans up to a million."""
        principal_id = uuid4()
        values = {
            "name": f"Approver {next(_numbers)}",
            "kind": PrincipalKind.PERSON,
            "roles": (Role.APPROVER,),
            "approval_limit_cents": 1_000_000_00,
        }
        self.dispatch(AddPrincipal(principal_id=principal_id, **(values | fields)))
        return str(principal_id)

    def product(self, code: str = "", **terms: Any) -> str:
        code = code or f"product_{next(_numbers)}"
        plain = DEVELOPMENT_LOAN.as_plain() | terms
        self.dispatch(DefineLoanProduct(code, "A loan", date(2020, 1, 1), plain))
        return code

    def borrower(self, **fields: Any) -> UUID:
        """A member who has put in enough to borrow."""
        member_id = self.member(**fields)
        self.contribution(member_id, amount_cents=20_000_00)
        return member_id

    def application(self, member_id: UUID | None = None, **fields: Any) -> UUID:
        loan_id = uuid4()
        values = {
            "loan_number": f"L{next(_numbers):06d}",
            "product_code": fields.get("product_code") or self.product(),
            "amount_cents": 30_000_00,
            "term_months": 3,
            "purpose": "a roof",
            "applied_on": TODAY,
            "principal_id": str(uuid4()),
            "today": TODAY,
        }
        member_id = member_id or self.borrower()
        self.dispatch(ApplyForLoan(loan_id=loan_id, member_id=member_id, **(values | fields)))
        return loan_id

    def approved_loan(self, member_id: UUID | None = None, **fields: Any) -> UUID:
        loan_id = self.application(member_id, **fields)
        today = fields.get("today", TODAY)
        self.dispatch(ApproveLoan(loan_id, self.principal(), None, today))
        return loan_id

    def loan(
        self, member_id: UUID | None = None, *, disbursed_on: date | None = None, **fields: Any
    ) -> UUID:
        """A loan of 30,000 over three months, paid out."""
        loan_id = self.approved_loan(member_id, **fields)
        today = fields.get("today", TODAY)
        reference = f"V{next(_numbers)}"
        command = DisburseLoan(loan_id, "cash", reference, disbursed_on or today, None, today)
        self.dispatch(command)
        return loan_id

    def repayment(self, loan_id: UUID, amount_cents: int, **fields: Any) -> UUID:
        repayment_id = uuid4()
        values = {
            "payment_method": PaymentMethod.CASH,
            "payment_reference": f"R{next(_numbers)}",
            "paid_on": TODAY,
            "today": TODAY,
        }
        self.dispatch(
            RecordRepayment(
                repayment_id=repayment_id,
                loan_id=loan_id,
                amount_cents=amount_cents,
                **(values | fields),
            )
        )
        return repayment_id

    def undo_repayment(self, loan_id: UUID, repayment_id: UUID, today: date = TODAY) -> None:
        self.dispatch(ReverseRepayment(loan_id, repayment_id, "typed twice", today))

    def assess(self, loan_id: UUID, today: date) -> Loan:
        self.dispatch(AssessLoan(loan_id, today))
        loan: Loan = self.load(Loan, loan_id)
        return loan

    def push(self, member_id: UUID, **fields: Any) -> UUID:
        push_id = uuid4()
        values = {
            "phone": None,
            "purpose": ContributionType.MONTHLY,
            "amount_cents": 2_000_00,
            "account_reference": push_id.hex[:12].upper(),
            "short_code": "174379",
            "now": NOW,
            "rules": ContributionRules(),
        }
        self.dispatch(RequestPush(push_id=push_id, member_id=member_id, **(values | fields)))
        return push_id

    def accepted_push(self, member_id: UUID, **fields: Any) -> UUID:
        push_id = self.push(member_id, **fields)
        self.dispatch(StartSending(push_id, NOW))
        self.dispatch(RecordAcknowledgement(push_id, "merchant-1", f"ws_CO_{push_id.hex}", NOW))
        return push_id

    def paid(self, push_id: UUID, **fields: Any) -> Any:
        push = self.load(Push, push_id)
        values = {
            "checkout_request_id": f"ws_CO_{push_id.hex}",
            "result_code": "0",
            "result_description": "The service request is processed successfully.",
            "receipt_number": push_id.hex[:10].upper(),
            "amount_cents": push.push_cents,
            "paid_at": NOW,
            "payer_phone": push.phone,
            "now": NOW,
        }
        return self.dispatch(RecordPushResult(push_id=push_id, **(values | fields)))

    def failed(self, push_id: UUID, code: str) -> Any:
        return self.paid(
            push_id,
            result_code=code,
            receipt_number=None,
            amount_cents=None,
            paid_at=None,
            payer_phone=None,
        )

    def told(self, receipt_number: str, account_number: str | None, **fields: Any) -> Any:
        """A paybill confirmation, or another channel, tells of money."""
        values = {
            "amount_cents": 2_000_00,
            "paid_at": NOW,
            "channel": "paybill",
            "short_code": "174379",
            "payer": Payer(),
            "now": NOW,
            "rules": AccountRules(),
        }
        return self.dispatch(
            RecordReceipt(
                receipt_number=receipt_number,
                account_number=account_number,
                **(values | fields),
            )
        )

    def queried(self, push_id: UUID, code: str) -> Any:
        return self.dispatch(RecordQueryAnswer(push_id, code, "", NOW))

    def follower(self) -> Follower:
        keys = PersonalKeys(self.store.pool, self.store.keyring)
        return Follower(self.store.pool, LogReader(self.store.pool, keys), READ_MODELS.values())
