"""A good request of every kind, to be spoiled in one place at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from domain.dates import business_day
from domain.members.commands import SuspendMember
from infra import clock
from tests.integration.http.desk_requests import (
    DESK_ACTS,
    DESK_QUESTIONS,
    desk_commands,
    proposals,
    refused_push_of,
    set_two_aside,
)
from tests.integration.http.house import (
    ALL_PERMISSIONS,
    CHANGES,
    CONTRIBUTIONS,
    EVENTS,
    LOAN_BOOKS,
    LOANS,
    MEMBERS,
    PUSH,
    RECORD,
    REGISTER,
    REPAYMENTS,
    SUMMARY,
    TRANSACTIONS,
    Client,
    House,
)
from tests.integration.http.payout_requests import PAYOUT_ACTS, REFUND_ACTS, MoneyOut
from tests.integration.http.reconciliation_requests import (
    RECONCILIATION,
    RECONCILIATION_ACTS,
    RECONCILIATION_LISTS,
    make_cases,
    reconciliation_commands,
)
from tests.integration.http.webhook_requests import DELIVERY_ACTS, WEBHOOK_ACTS, Told

MEMBER_ACTS = ("contact", "suspend", "reactivate", "exit")
LOAN_MONEY = ("disburse", "repay", "undo", "fee", "restructure", "write_off")
LOAN_ACTS = ("approve", "refuse", *LOAN_MONEY)
MADE = (
    *("register", "record", "reverse", "apply", "repay", "refund", "propose_resolution"),
    "subscribe",
)
COMMANDS = (
    *("register", "record", "reverse", "push", "retry", *DESK_ACTS),
    *(*MEMBER_ACTS, "apply", *LOAN_ACTS),
    *(*REFUND_ACTS, *PAYOUT_ACTS, *RECONCILIATION_ACTS),
    *WEBHOOK_ACTS,
)
ACCEPTED = ("push", "retry", "import_statement")
STATUS_OF = dict.fromkeys(COMMANDS, 200) | dict.fromkeys(MADE, 201) | dict.fromkeys(ACCEPTED, 202)
KEY_MAY_BE_LEFT_OUT = (
    *("register", *MEMBER_ACTS, "apply", "approve", "refuse", "resume"),
    *DESK_ACTS[:3],
    *WEBHOOK_ACTS,
)
MONEY_COMMANDS = tuple(name for name in COMMANDS if name not in KEY_MAY_BE_LEFT_OUT)
NAMING_A_MEMBER = ("record", "reverse", "push", "apply", "refund")
LISTS = (MEMBERS, CONTRIBUTIONS, LOAN_BOOKS, REPAYMENTS)


def _loan(house: House, name: str, member_id: UUID, today: date) -> UUID:
    """A loan with which this may be done."""
    pending, approved = name in ("approve", "refuse"), name == "disburse"
    co_operative = house.co_operative
    make = co_operative.application if pending else co_operative.loan
    make = co_operative.approved_loan if approved else make
    return make(
        member_id,
        loan_number=f"LOAN9{LOAN_ACTS.index(name):05d}",
        product_code="development",
        applied_on=today,
        today=today,
    )


@dataclass(frozen=True)
class Premises:
    """A house with one contribution and one push in it, and a member and a loan of every standing.

    `member_id` holds money with us and is asked for more; the idle member does not; the third is
    suspended. The loans are another's, each named for what may be done with it.
    """

    house: House
    client: Client
    member_id: UUID
    contribution_id: UUID
    transaction_id: UUID
    idle_member_id: UUID
    suspended_member_id: UUID
    borrower_id: UUID
    product_id: str
    loans: dict[str, UUID]
    repayment_id: UUID
    money_out: MoneyOut
    cases: dict[str, UUID]
    desk: dict[str, str]
    refused_push_id: UUID
    told: Told

    @classmethod
    def of(cls, house: House) -> Premises:
        today = business_day(clock.now())
        member_id = house.member(
            member_number="TAKEN01", national_id="TAKEN0001", phone="0712345678"
        )
        contribution_id = house.contribution(member_id, payment_reference="TAKEN-REFERENCE")
        transaction_id = house.co_operative.push(member_id)
        idle, suspended = (
            house.member(
                member_number=f"TAKEN0{number}",
                national_id=f"TAKEN000{number}",
                phone=f"071234567{number}",
                registered_on=today - timedelta(days=number),
            )
            for number in (2, 3)
        )
        house.co_operative.dispatch(SuspendMember(suspended, "asked by the board", today))
        borrower = house.member(
            member_number="TAKEN05", national_id="TAKEN0005", phone="0712345675"
        )
        house.contribution(borrower, amount_cents=20_000_00, payment_reference="TAKEN-AGAIN")
        product = house.co_operative.product("development")
        loans = {name: _loan(house, name, borrower, today) for name in LOAN_ACTS}
        repayment = house.co_operative.repayment(
            *(loans["undo"], 5_000_00),
            payment_reference="RECEIPT-16",
            paid_on=today,
            today=today,
        )
        money_out = MoneyOut.of(house)
        cases = make_cases(house)
        client = house.approver(*ALL_PERMISSIONS)
        desk = proposals(house, borrower)
        refused_push = refused_push_of(house, borrower)
        set_two_aside(house, transaction_id)
        told = Told.of(house, client)
        return cls(
            *(house, client, member_id, contribution_id, transaction_id, idle, suspended),
            *(borrower, product, loans, repayment, money_out),
            *(cases, desk, refused_push, told),
        )

    def command(self, name: str) -> tuple[str, dict[str, Any]]:
        """Where a good command is posted, and its body."""
        today = business_day(clock.now()).isoformat()
        member_id = str(self.member_id)
        return {
            "register": (
                REGISTER,
                {
                    "member_number": "NEW00001",
                    "first_name": "Wanjiru",
                    "last_name": "Kamau",
                    "phone": "0722000111",
                    "email": "wanjiru@example.org",
                    "id_number": "31234567",
                    "registration_date": today,
                },
            ),
            "record": (
                RECORD,
                {
                    "member_id": member_id,
                    "amount": "2000.00",
                    "contribution_type": "monthly",
                    "payment_method": "cash",
                    "payment_reference": "RECEIPT-17",
                    "contribution_date": today,
                },
            ),
            "reverse": (
                f"{RECORD}/{self.contribution_id}/reversal",
                {"member_id": member_id, "reason": "typed twice"},
            ),
            "push": (
                PUSH,
                {
                    "member_id": member_id,
                    "amount": "1500.00",
                    "payment_purpose": "monthly",
                    "phone": "0733000222",
                },
            ),
            "contact": (
                f"{REGISTER}/{member_id}/contact",
                {"phone": "0744000333", "email": "new@example.org"},
            ),
            "suspend": (f"{REGISTER}/{member_id}/suspension", {"reason": "asked by the board"}),
            "reactivate": (
                f"{REGISTER}/{self.suspended_member_id}/reactivation",
                {"reason": "the board agreed"},
            ),
            "exit": (
                f"{REGISTER}/{self.idle_member_id}/exit",
                {"reason": "moved abroad", "exit_date": today},
            ),
            **self._loan_commands(today),
            **self.money_out.commands(today),
            **desk_commands(self.desk, self.borrower_id),
            **self.told.commands(),
            "retry": (f"{TRANSACTIONS}/{self.refused_push_id}/retry", {}),
        }[name]

    def _loan_commands(self, today: str) -> dict[str, tuple[str, dict[str, Any]]]:
        at = {name: f"{LOANS}/{loan_id}" for name, loan_id in self.loans.items()}
        next_month = (date.fromisoformat(today) + timedelta(days=31)).isoformat()
        return {
            "apply": (
                LOANS,
                {
                    "member_id": str(self.borrower_id),
                    "product_id": self.product_id,
                    "amount": "30000.00",
                    "term_months": 3,
                    "purpose": "a water tank",
                    "application_date": today,
                },
            ),
            "approve": (
                f"{at['approve']}/approval",
                {"amount": "25000.00", "disburse_by": "counter"},
            ),
            "refuse": (f"{at['refuse']}/refusal", {"reason": "too much for now"}),
            "disburse": (
                f"{at['disburse']}/disbursement",
                {
                    "payment_method": "bank",
                    "payment_reference": "FT26/101",
                    "disbursement_date": today,
                    "first_due_date": next_month,
                },
            ),
            "repay": (
                f"{at['repay']}/repayments",
                {
                    "amount": "5000.00",
                    "payment_method": "cash",
                    "payment_reference": "RECEIPT-18",
                    "payment_date": today,
                    "settles": False,
                },
            ),
            "undo": (
                f"{at['undo']}/repayments/{self.repayment_id}/reversal",
                {"reason": "typed twice"},
            ),
            "fee": (
                f"{at['fee']}/fees",
                {"amount": "1000.00", "reason": "bounced cheque", "due_date": next_month},
            ),
            "restructure": (
                f"{at['restructure']}/restructuring",
                {
                    "reason": "lost her income",
                    "term_months": 12,
                    "interest_rate": "10",
                    "first_due_date": next_month,
                },
            ),
            "write_off": (f"{at['write_off']}/write-off", {"reason": "left the country"}),
            **reconciliation_commands(self.house, self.cases),
        }

    def spoiled(self, name: str, **fields: Any) -> tuple[str, dict[str, Any]]:
        """A good command with some of its fields replaced."""
        path, body = self.command(name)
        return path, body | fields

    def everything(self) -> list[tuple[str, str, dict[str, Any] | None]]:
        """Every protected door: method, path, a good body."""
        commands = (self.command(name) for name in (*COMMANDS, *DELIVERY_ACTS))
        return [
            *(("GET", path, None) for path in (*LISTS, SUMMARY, CHANGES, EVENTS)),
            *(("GET", path, None) for path in RECONCILIATION_LISTS),
            ("GET", f"{RECONCILIATION}/runs/{self.cases['run']}", None),
            ("GET", f"{RECONCILIATION}/cases/{self.cases['propose']}", None),
            *(("GET", path, None) for path in self.money_out.questions()),
            *(("GET", path, None) for path in DESK_QUESTIONS),
            ("GET", f"{MEMBERS}/{self.member_id}", None),
            ("GET", f"/daystar/v1/mpesa/transactions/{self.transaction_id}", None),
            ("GET", f"{LOAN_BOOKS}/{self.loans['undo']}", None),
            ("GET", f"{LOANS}/{self.loans['undo']}/settlement", None),
            *(("GET", path, None) for path in self.told.questions()),
            *(("POST", path, body) for path, body in commands),
            *self.told.changes(),
        ]
