"""One payout: sent once, asked about in doubt, settled by proof or by two persons."""

from datetime import timedelta

import pytest

from domain.identities import short_code_id
from domain.mpesa.errors import (
    NothingProposed,
    NotWholeShillings,
    PayoutNotUnderReview,
    PayoutOutsideLimits,
    PayoutReceiptKnown,
    ProposerMayNotConfirm,
)
from domain.mpesa.outcome import Outcome
from domain.mpesa.payout import Payout
from domain.mpesa.payout_lane import PayoutLane, RecordBalance, ResumeLane
from domain.mpesa.payout_review import ConfirmSettlement, RejectSettlement
from domain.mpesa.payout_sending import PAYOUT_ATTEMPTS_MAX, DoubtPayoutAfterRestore
from domain.mpesa.payout_states import HeldBecause
from domain.principals.deciding import BeyondApprovalLimit
from domain.principals.principal import Role
from tests.support import payout_states as told
from tests.support.co_operative import NOW
from tests.support.payout_states import payout_in, state_of

ANYTHING_TOLD = {
    "paid": told.result_paid,
    "failed": lambda c, p: told.result(c, p, "2040"),
    "credential refused": lambda c, p: told.result(c, p, "2001"),
    "busy": lambda c, p: told.result(c, p, "26"),
    "timed out": lambda c, p: told.result(c, p, "", is_timeout=True),
    "status completed": lambda c, p: told.status(c, p, "Completed"),
    "status failed": lambda c, p: told.status(c, p, "Failed"),
    "status pending": lambda c, p: told.status(c, p, "Pending"),
    "acknowledged": told.taken,
    "not sent": told.not_sent,
    "doubted": told.doubted,
}
FAILURES = {"failed", "status failed", "credential refused"}


def lane_of(co_operative, payout):
    short_code = co_operative.load(Payout, payout).short_code
    return co_operative.load(PayoutLane, short_code_id(short_code))


# Sending.


def test_one_of_two_senders_sends_it(co_operative):
    payout = told.refunded(co_operative)
    assert isinstance(told.sending_started(co_operative, payout), Payout)
    assert told.sending_started(co_operative, payout) is None


@pytest.mark.parametrize("where", set(told.WAYS) - {"requested", "requested again", "held"})
def test_nothing_is_sent_again_that_may_have_left(co_operative, where):
    payout = payout_in(co_operative, where)
    assert told.sending_started(co_operative, payout) is None


def test_what_was_proven_not_sent_is_sent_again_under_the_same_id_a_few_times(co_operative):
    payout = told.refunded(co_operative)
    for attempt in range(1, PAYOUT_ATTEMPTS_MAX + 1):
        sent = told.sending_started(co_operative, payout)
        assert (sent.id, sent.attempts) == (payout, attempt)
        told.not_sent(co_operative, payout)
    assert state_of(co_operative, payout) == "review"


def test_it_is_sent_no_more_once_safaricom_may_have_forgotten_its_id(co_operative):
    payout = payout_in(co_operative, "requested again")
    late = NOW + timedelta(minutes=15, seconds=1)
    assert told.sending_started(co_operative, payout, now=late) is None
    assert state_of(co_operative, payout) == "review"
    payout = payout_in(co_operative, "sending")
    told.not_sent(co_operative, payout, after=16 * 60.0)
    assert state_of(co_operative, payout) == "review"


def test_told_as_taken_before_after_we_thought_it_was_not_sent_it_is_accepted(co_operative):
    payout = payout_in(co_operative, "requested again")
    told.sending_started(co_operative, payout)
    told.taken(co_operative, payout)
    assert state_of(co_operative, payout) == "accepted"


def test_a_late_word_that_it_was_not_sent_undoes_no_later_attempt(co_operative):
    payout = payout_in(co_operative, "accepted")
    told.not_sent(co_operative, payout)
    assert state_of(co_operative, payout) == "accepted"


def test_a_request_that_is_refused_fails_and_a_refused_credential_stops_the_lane(co_operative):
    payout = payout_in(co_operative, "sending")
    told.refused(co_operative, payout)
    assert state_of(co_operative, payout) == "failed"
    assert not lane_of(co_operative, payout).is_stopped
    payout = payout_in(co_operative, "sending")
    told.refused(co_operative, payout, is_configuration=True)
    assert state_of(co_operative, payout) == "failed"
    assert lane_of(co_operative, payout).is_stopped


def test_a_refusal_told_after_a_result_changes_nothing(co_operative):
    payout = payout_in(co_operative, "sending")
    told.result_paid(co_operative, payout)
    told.refused(co_operative, payout)
    assert state_of(co_operative, payout) == "succeeded"


@pytest.mark.parametrize(
    ("free_cents", "because"),
    [
        (None, HeldBecause.FLOAT_UNKNOWN),
        (1_000_00, HeldBecause.FLOAT_TOO_LOW),
        (1_004_99, HeldBecause.FLOAT_TOO_LOW),
    ],
)
def test_it_waits_until_the_float_covers_it_and_its_charge(co_operative, free_cents, because):
    payout = told.refunded(co_operative)
    for _ in range(2):
        assert told.sending_started(co_operative, payout, free_cents=free_cents) is because
    held = co_operative.load(Payout, payout)
    assert (held.state, held.held_because) == ("held", because)
    assert held.version == 2, "a reason is said once"
    assert told.sending_started(co_operative, payout, free_cents=1_005_00).state == "sending"


def test_nothing_leaves_by_a_stopped_lane_until_somebody_resumes_it(co_operative):
    refused = payout_in(co_operative, "accepted")
    told.result(co_operative, refused, "2001")
    short_code = co_operative.load(Payout, refused).short_code
    waiting = told.refunded(co_operative, short_code=short_code)
    assert told.sending_started(co_operative, waiting) is HeldBecause.LANE_STOPPED
    co_operative.dispatch(ResumeLane(short_code, "somebody", NOW))
    assert told.sending_started(co_operative, waiting).state == "sending"


def test_a_refused_question_stops_the_lane_and_tells_nothing_of_the_payout(co_operative):
    payout = payout_in(co_operative, "in_doubt")
    told.status(co_operative, payout, None, result_code="2001")
    lane = lane_of(co_operative, payout)
    assert lane.is_stopped
    assert co_operative.load(Payout, payout).unclear_answers == 0
    co_operative.dispatch(ResumeLane(lane.short_code, "somebody", NOW))
    refused = RecordBalance(lane.id, "18", "wrong", None, {}, NOW)
    assert co_operative.dispatch(refused) is Outcome.NOTHING_LEARNT
    assert lane_of(co_operative, payout).is_stopped


def test_an_amount_that_mpesa_cannot_pay_is_refused_before_anything(co_operative):
    member_id = co_operative.member()
    co_operative.contribution(member_id, amount_cents=300_000_00)
    for amount_cents, error in (
        (1_000_50, NotWholeShillings),
        (9_00, PayoutOutsideLimits),
        (250_001_00, PayoutOutsideLimits),
    ):
        with pytest.raises(error):
            told.refund_proposed(co_operative, member_id, amount_cents=amount_cents)


# What is told.


@pytest.mark.parametrize("where", set(told.WAYS) - {"succeeded", "failed"})
@pytest.mark.parametrize(
    ("tell", "becomes"),
    [
        ("paid", "succeeded"),
        ("credential refused", "failed"),
        ("status completed", "succeeded"),
        ("status failed", "failed"),
    ],
)
def test_a_definite_word_settles_it_whenever_it_comes(co_operative, where, tell, becomes):
    payout = payout_in(co_operative, where)
    assert ANYTHING_TOLD[tell](co_operative, payout) is Outcome.APPLIED
    assert state_of(co_operative, payout) == becomes


@pytest.mark.parametrize("tell", ["busy", "timed out"])
@pytest.mark.parametrize("where", ["requested", "held", "requested again", "sending", "accepted"])
def test_what_is_ambiguous_leaves_it_in_doubt(co_operative, where, tell):
    payout = payout_in(co_operative, where)
    ANYTHING_TOLD[tell](co_operative, payout)
    assert state_of(co_operative, payout) == "in_doubt"


@pytest.mark.parametrize("tell", set(ANYTHING_TOLD) - FAILURES)
def test_what_succeeded_stays_so_unless_a_failure_is_told(co_operative, tell):
    payout = payout_in(co_operative, "succeeded")
    ANYTHING_TOLD[tell](co_operative, payout)
    assert state_of(co_operative, payout) == "succeeded"


@pytest.mark.parametrize("tell", set(ANYTHING_TOLD) - {"paid", "status completed"})
def test_what_failed_stays_so_unless_a_success_is_told(co_operative, tell):
    payout = payout_in(co_operative, "failed")
    ANYTHING_TOLD[tell](co_operative, payout)
    assert state_of(co_operative, payout) == "failed"


@pytest.mark.parametrize(
    ("where", "tell"),
    [("succeeded", "failed"), ("succeeded", "status failed"), ("failed", "paid")],
)
def test_a_contradiction_undoes_nothing_and_asks_for_a_person(co_operative, where, tell):
    payout = payout_in(co_operative, where)
    assert ANYTHING_TOLD[tell](co_operative, payout) is Outcome.CONTRADICTS_PAYOUT
    assert state_of(co_operative, payout) == "review"
    for again in ("paid", "failed", "status completed", "status failed"):
        assert ANYTHING_TOLD[again](co_operative, payout) is Outcome.PAYOUT_UNDER_REVIEW
    assert state_of(co_operative, payout) == "review"


@pytest.mark.parametrize("where", set(told.WAYS) - {"succeeded", "failed", "review"})
def test_a_failure_that_is_told_frees_nothing_before_the_answer_to_our_question(
    co_operative, where
):
    payout = payout_in(co_operative, where)
    for outcome in (Outcome.APPLIED, Outcome.ALREADY_KNOWN):
        assert ANYTHING_TOLD["failed"](co_operative, payout) is outcome
        assert state_of(co_operative, payout) == "in_doubt"
        assert told.sending_started(co_operative, payout) is None
    told.status(co_operative, payout, "Failed")
    assert state_of(co_operative, payout) == "failed"


@pytest.mark.parametrize("tell", ["paid", "status completed"])
def test_a_failure_that_is_followed_by_a_success_was_none(co_operative, tell):
    payout = payout_in(co_operative, "accepted")
    ANYTHING_TOLD["failed"](co_operative, payout)
    assert ANYTHING_TOLD[tell](co_operative, payout) is Outcome.APPLIED
    assert state_of(co_operative, payout) == "succeeded"


def test_a_failure_is_believed_after_three_answers_that_tell_nothing(co_operative):
    payout = payout_in(co_operative, "accepted")
    ANYTHING_TOLD["failed"](co_operative, payout)
    for said in ("Pending", None):
        told.status(co_operative, payout, said)
        assert state_of(co_operative, payout) == "in_doubt"
    told.status(co_operative, payout, None)
    assert state_of(co_operative, payout) == "failed"


def test_a_failure_told_of_what_persons_look_into_is_left_to_them(co_operative):
    payout = payout_in(co_operative, "review")
    outcome = ANYTHING_TOLD["failed"](co_operative, payout)
    assert outcome is Outcome.PAYOUT_UNDER_REVIEW
    assert outcome.needs_a_person
    assert state_of(co_operative, payout) == "review"


def test_another_receipt_for_the_same_payout_is_a_contradiction(co_operative):
    payout = payout_in(co_operative, "succeeded")
    outcome = told.result_paid(co_operative, payout, receipt_number="OTHER12345")
    assert outcome is Outcome.CONTRADICTS_PAYOUT


def test_a_success_of_another_amount_or_with_another_payouts_receipt_is_for_a_person(co_operative):
    first = payout_in(co_operative, "succeeded")
    other, third = (payout_in(co_operative, "accepted") for _ in range(2))
    number = told.receipt_number_of(first)
    outcome = told.result_paid(co_operative, other, receipt_number=number)
    assert outcome is Outcome.RECEIPT_OF_ANOTHER_PAYOUT
    outcome = told.result_paid(co_operative, third, amount_cents=999_00)
    assert outcome is Outcome.PAYOUT_OF_OTHER_AMOUNT
    assert {state_of(co_operative, each) for each in (other, third)} == {"review"}


def test_a_result_of_another_conversation_is_set_aside(co_operative):
    payout = payout_in(co_operative, "accepted")
    outcome = told.result_paid(co_operative, payout, originator=str(told.refunded(co_operative)))
    assert outcome is Outcome.OTHER_CONVERSATION
    assert outcome.needs_a_person
    assert state_of(co_operative, payout) == "accepted"


def test_three_answers_that_tell_nothing_ask_for_a_person_and_proof_still_settles_it(co_operative):
    payout = payout_in(co_operative, "in_doubt")
    for said in ("Pending", None):
        told.status(co_operative, payout, said)
        assert state_of(co_operative, payout) == "in_doubt"
    told.status(co_operative, payout, "Completed", receipt_number=None)
    assert state_of(co_operative, payout) == "review"
    told.result_paid(co_operative, payout)
    assert state_of(co_operative, payout) == "succeeded"


def test_after_a_restore_nothing_that_may_have_left_is_sent(co_operative):
    for where, in_question in (("requested", True), ("sending", True), ("succeeded", False)):
        payout = payout_in(co_operative, where)
        assert co_operative.dispatch(DoubtPayoutAfterRestore(payout, NOW)) is in_question
        assert told.sending_started(co_operative, payout) is None


# Charges.


def test_the_charge_is_that_of_the_tariff_until_another_is_told(co_operative):
    payout = payout_in(co_operative, "succeeded")
    assert co_operative.load(Payout, payout).charge_cents == 5_00
    told.status(co_operative, payout, "Completed", charge_cents=22_40)
    assert co_operative.load(Payout, payout).charge_cents == 22_40
    assert told.status(co_operative, payout, "Completed", charge_cents=22_40) is (
        Outcome.ALREADY_KNOWN
    )


# Persons.


def test_nobody_confirms_what_they_proposed_and_another_does(co_operative):
    payout = payout_in(co_operative, "review")
    with pytest.raises(NothingProposed):
        co_operative.dispatch(ConfirmSettlement(payout, co_operative.principal(), NOW))
    maker = told.proposed(co_operative, payout, is_paid=True)
    with pytest.raises(ProposerMayNotConfirm):
        co_operative.dispatch(ConfirmSettlement(payout, maker, NOW))
    small = co_operative.principal(roles=(Role.APPROVER,), approval_limit_cents=999_99)
    with pytest.raises(BeyondApprovalLimit):
        co_operative.dispatch(ConfirmSettlement(payout, small, NOW))
    co_operative.dispatch(ConfirmSettlement(payout, co_operative.principal(), NOW))
    settled = co_operative.load(Payout, payout)
    assert (settled.state, settled.receipt_number) == (
        "succeeded",
        told.receipt_number_of(payout),
    )


def test_a_rejected_proposal_cannot_be_confirmed(co_operative):
    payout = payout_in(co_operative, "review")
    told.proposed(co_operative, payout, is_paid=False)
    checker = co_operative.principal()
    co_operative.dispatch(RejectSettlement(payout, "line 41 is another's", checker, NOW))
    with pytest.raises(NothingProposed):
        co_operative.dispatch(ConfirmSettlement(payout, checker, NOW))
    told.settled_by_persons(co_operative, payout, is_paid=False)
    assert state_of(co_operative, payout) == "failed"


def test_persons_are_asked_only_under_review_and_for_a_receipt_of_its_own(co_operative):
    with pytest.raises(PayoutNotUnderReview):
        told.proposed(co_operative, payout_in(co_operative, "in_doubt"), is_paid=True)
    first, other = payout_in(co_operative, "succeeded"), payout_in(co_operative, "review")
    number = told.receipt_number_of(first)
    with pytest.raises(PayoutReceiptKnown):
        told.proposed(co_operative, other, is_paid=True, number=number)


def test_proof_that_comes_while_a_proposal_waits_settles_it(co_operative):
    payout = payout_in(co_operative, "review")
    told.proposed(co_operative, payout, is_paid=False)
    told.result_paid(co_operative, payout)
    with pytest.raises(PayoutNotUnderReview):
        co_operative.dispatch(ConfirmSettlement(payout, co_operative.principal(), NOW))
    assert state_of(co_operative, payout) == "succeeded"
