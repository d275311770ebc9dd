"""However late and in whatever order money is told of, a loan ends where it would have ended."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.loans import standing
from domain.loans.loan import Loan, LoanStatus
from domain.loans.standing import SURPLUS
from domain.loans.terms import Component, DayCount, InterestMethod, LoanTerms, SettlementInterest

START = date(2025, 1, 31)
MEMBER = "6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10"
LOAN = UUID("6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a11")

terms_of_all_kinds = st.builds(
    LoanTerms,
    amount_cents_min=st.just(1),
    amount_cents_max=st.just(10**10),
    term_months_min=st.just(1),
    term_months_max=st.just(60),
    interest_method=st.sampled_from(
        [
            InterestMethod.EQUAL_INSTALMENTS,
            InterestMethod.EQUAL_PRINCIPAL,
            InterestMethod.FLAT,
        ]
    ).map(str),
    rate_percent=st.sampled_from(["0", "1", "5", "12", "36.5"]),
    rate_period=st.sampled_from(["month", "year"]),
    day_count=st.sampled_from(list(DayCount)).map(str),
    instalment_multiple_cents=st.sampled_from([1, 100, 5_000]),
    penalty_percent=st.sampled_from(["0", "2", "5"]),
    penalty_cents=st.sampled_from([0, 1_000_00]),
    penalty_grace_days=st.integers(0, 15),
    penalty_compounds=st.booleans(),
    allocation=st.permutations(list(Component)).map(lambda parts: tuple(map(str, parts))),
    settlement_interest=st.sampled_from(list(SettlementInterest)).map(str),
)


def disbursed(terms: LoanTerms, principal_cents: int, months: int) -> Loan:
    loan: Loan = Loan.begin(
        Loan.Applied,
        stream_id=LOAN,
        loan_number="L000001",
        member_id=MEMBER,
        member_number="DST202600001",
        product_code="development",
        terms=terms.as_plain(),
        amount_cents=principal_cents,
        term_months=months,
        purpose="a roof",
        applied_on=START.isoformat(),
        applied_by=MEMBER,
    )
    loan.approve(approved_by="another", amount_cents=principal_cents, on=START)
    loan.disburse(
        payment_method="cash",
        payment_reference="V1",
        on=START,
        first_due_on=date(2025, 2, 28),
    )
    return loan


def repay(loan: Loan, key: str, cents: int, day: date, today: date) -> None:
    if loan.is_open:
        loan.receive(
            repayment_id=key,
            amount_cents=cents,
            payment_method="cash",
            payment_reference=key,
            paid_on=day,
            today=today,
        )


def check_sums(loan: Loan) -> None:
    """Parts sum to wholes, and nothing is below zero."""
    applied = dict.fromkeys(map(str, Component), 0)
    for key, parts in loan.parts.items():
        assert sum(parts.values()) == loan.repayments[key]["amount_cents"]
        assert min(parts.values()) >= 0
        for component in applied:
            applied[component] += parts[component]
    for component, cents in applied.items():
        assert cents == sum(line["paid"][component] for line in loan.lines)
    for line in loan.lines:
        for component in Component:
            assert 0 <= line["paid"][component] <= standing.due_cents(line, component)
    if loan.carried_cents == 0:
        assert sum(line["principal"] for line in loan.lines) == loan.amount_cents
    surplus = sum(parts[SURPLUS] for parts in loan.parts.values())
    assert not surplus or loan.balance_cents == 0
    assert (loan.status == LoanStatus.COMPLETED) == (loan.balance_cents == 0)


payments = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 40_000_00)), min_size=1, max_size=8
)


@given(
    terms_of_all_kinds,
    st.integers(1_000_00, 100_000_00),
    st.integers(1, 12),
    payments,
    st.randoms(use_true_random=False),
)
def test_any_order_of_back_dated_repayments_ends_the_same(terms, principal, months, paid, random):
    last = START + timedelta(days=420)
    known = [(f"{n}", cents, START + timedelta(days=day)) for n, (day, cents) in enumerate(paid)]
    in_order = disbursed(terms, principal, months)
    counted = []
    for key, cents, day in sorted(known, key=lambda each: each[2]):
        if in_order.is_open:
            counted.append((key, cents, day))
        repay(in_order, key, cents, day, day)
        check_sums(in_order)
    in_order.assess(last)

    shuffled = disbursed(terms, principal, months)
    random.shuffle(counted)
    for key, cents, day in counted:
        if not shuffled.is_open:
            return  # it was completed before the last was told: that one is refused, not counted
        told = max(day, START + timedelta(days=random.randint(0, 400)))
        shuffled.assess(told - timedelta(days=1))
        repay(shuffled, key, cents, day, told)
        check_sums(shuffled)
    shuffled.assess(last)
    assert shuffled.lines == in_order.lines
    assert (shuffled.status, shuffled.overdue) == (in_order.status, in_order.overdue)
    assert shuffled.balance_cents == in_order.balance_cents
    days = [day for _, _, day in counted]
    if len(set(days)) == len(days):
        assert shuffled.parts == in_order.parts


@given(
    terms_of_all_kinds,
    st.integers(1_000_00, 100_000_00),
    st.integers(1, 12),
    payments,
    st.data(),
)
def test_a_reversed_repayment_leaves_the_loan_as_if_it_had_never_been(
    terms, principal, months, paid, data
):
    last = START + timedelta(days=420)
    with_it = disbursed(terms, principal, months)
    without = disbursed(terms, principal, months)
    counted = []
    for n, (day, cents) in enumerate(sorted(paid)):
        if with_it.is_open:
            counted.append((f"{n}", cents, START + timedelta(days=day)))
            repay(with_it, *counted[-1], START + timedelta(days=day))
    undone = data.draw(st.sampled_from(counted))
    with_it.reverse(repayment_id=undone[0], reason="typed twice", today=last)
    check_sums(with_it)
    for each in counted:
        if each != undone:
            repay(without, *each, each[2])
    without.assess(last)
    with_it.assess(last)
    assert with_it.lines == without.lines
    assert with_it.status == without.status


@given(terms_of_all_kinds, st.integers(1_000_00, 100_000_00), st.integers(1, 12), payments)
def test_events_say_all_replay_equals_live(terms, principal, months, paid):
    loan = disbursed(terms, principal, months)
    for n, (day, cents) in enumerate(paid):
        repay(loan, f"{n}", cents, START + timedelta(days=day), START + timedelta(days=400))
    replayed = None
    balance = 0
    for each in loan.pending_events:
        replayed = each.mutate(replayed)
        after = getattr(each, "after", None)
        if after is not None:
            balance += after["balance_change_cents"]
            assert after["balance_cents"] == balance
            assert after["due_since"] == standing.due_since(replayed.lines)
    assert {k: v for k, v in vars(replayed).items() if not k.startswith("_")} == {
        k: v for k, v in vars(loan).items() if not k.startswith("_")
    }
    assert balance == loan.balance_cents
