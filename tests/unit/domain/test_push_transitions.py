"""Every state a push can be in, and everything it can be told there."""

import pytest

from domain.mpesa.errors import PaymentRequestAlreadyWaiting
from domain.mpesa.stk_push import Push, PushState
from tests.support import push_states as told
from tests.support.push_states import (
    WAYS,
    account,
    push_in,
    receipt,
    receipt_number_of,
    state_of,
)

TOLD = {
    "paid": told.paid,
    "failed": told.failed("1"),
    "cancelled": told.failed("1032"),
    "perhaps failed": told.failed("1037"),
    "unheard-of code": told.failed("31415"),
    "query: paid": told.queried("0"),
    "query: failed": told.queried("1"),
    "query: cancelled": told.queried("1032"),
    "query: perhaps failed": told.queried("1037"),
    "query: still pending": told.queried("4999"),
    "acknowledged": told.acknowledged,
    "not sent": told.not_sent,
    "refused": told.refused,
    "doubted": told.doubted,
    "log restored": told.log_restored,
    "given up": told.given_up,
    "sending": told.sending_started,
}

# Where a state does not stand here, being told so leaves the push where it is.
OPEN = ("requested", "sent", "requested again", "accepted", "in_doubt")
BECOMES = {
    "paid": dict.fromkeys(WAYS, "succeeded"),
    "failed": dict.fromkeys((*OPEN, "expired"), "failed"),
    "cancelled": dict.fromkeys((*OPEN, "expired"), "cancelled"),
    "perhaps failed": dict.fromkeys(("sent", "requested again", "in_doubt"), "accepted"),
    "unheard-of code": dict.fromkeys(("sent", "requested again", "in_doubt"), "accepted"),
    "query: paid": dict.fromkeys((*OPEN, "expired", "failed, perhaps"), "paid_receipt_awaited"),
    "query: failed": dict.fromkeys((*OPEN, "expired"), "failed"),
    "query: cancelled": dict.fromkeys((*OPEN, "expired"), "cancelled"),
    "query: perhaps failed": dict.fromkeys(OPEN, "failed"),
    "query: still pending": {},
    "acknowledged": dict.fromkeys(("sent", "requested again", "in_doubt"), "accepted"),
    "not sent": {"sent": "requested"},
    "refused": dict.fromkeys(("requested", "requested again", "sent"), "rejected"),
    "doubted": {"sent": "in_doubt"},
    "log restored": dict.fromkeys(("requested", "requested again", "sent"), "in_doubt"),
    "given up": {"accepted": "expired"},
    "sending": {"requested": "sent", "requested again": "sent"},
}
PAID_BEFORE = ("succeeded", "paid_receipt_awaited")
DEFINITELY_UNPAID = ("rejected", "failed", "cancelled")
NOTED_EACH_TIME = ("perhaps failed", "unheard-of code")
WAITS_ON_THE_PHONE = ("requested", "sent", "accepted")


def plain(where):
    return {"requested again": "requested", "failed, perhaps": "failed"}.get(where, where)


def test_the_ways_lead_to_every_state():
    assert {plain(where) for where in WAYS} == set(PushState)


@pytest.mark.parametrize("where", WAYS)
@pytest.mark.parametrize("what", TOLD)
def test_a_push_becomes_what_the_table_says(co_operative, where, what):
    push = push_in(co_operative, co_operative.member(), where)
    TOLD[what](co_operative, push)
    assert state_of(co_operative, push) == BECOMES[what].get(where, plain(where))


@pytest.mark.parametrize("where", WAYS)
@pytest.mark.parametrize("what", [what for what in TOLD if what not in NOTED_EACH_TIME])
def test_what_is_told_again_changes_nothing(co_operative, where, what):
    push = push_in(co_operative, co_operative.member(), where)
    TOLD[what](co_operative, push)
    head = co_operative.store.log.max_notification_id()
    TOLD[what](co_operative, push)
    assert co_operative.store.log.max_notification_id() == head


@pytest.mark.parametrize("where", WAYS)
@pytest.mark.parametrize("what", TOLD)
def test_money_is_where_what_was_told_puts_it(co_operative, where, what):
    member = co_operative.member()
    push = push_in(co_operative, member, where)
    TOLD[what](co_operative, push)
    says_paid = what in ("paid", "query: paid")
    in_the_account = where in PAID_BEFORE or (says_paid and where not in DEFINITELY_UNPAID)
    in_suspense = what == "paid" and where in DEFINITELY_UNPAID
    assert account(co_operative, member).contributed_cents == 2_000_00 * in_the_account
    if where == "succeeded" or what == "paid":
        known = receipt(co_operative, receipt_number_of(push))
        assert known.suspended_cents == 2_000_00 * in_suspense
        assert known.unplaced_cents == 0
        assert known.push_id == str(push)


@pytest.mark.parametrize("where", WAYS)
def test_the_phone_is_free_as_soon_as_nothing_waits_on_it(co_operative, where):
    member = co_operative.member()
    push_in(co_operative, member, where)
    if plain(where) in WAITS_ON_THE_PHONE:
        with pytest.raises(PaymentRequestAlreadyWaiting):
            co_operative.push(member)
    else:
        co_operative.push(member)


@pytest.mark.parametrize(
    "where", [where for where in WAYS if plain(where) not in WAITS_ON_THE_PHONE]
)
@pytest.mark.parametrize("what", TOLD)
def test_a_push_frees_only_its_own_claim_on_the_phone(co_operative, where, what):
    member = co_operative.member()
    earlier = push_in(co_operative, member, where)
    co_operative.push(member)
    TOLD[what](co_operative, earlier)
    with pytest.raises(PaymentRequestAlreadyWaiting):
        co_operative.push(member)


@pytest.mark.parametrize("where", WAYS)
def test_only_one_sender_may_send(co_operative, where):
    push = push_in(co_operative, co_operative.member(), where)
    first = told.sending_started(co_operative, push)
    second = told.sending_started(co_operative, push)
    assert (first is not None) == (plain(where) == "requested")
    assert second is None


def test_sending_is_tried_five_times_and_then_given_up(co_operative):
    member = co_operative.member()
    push = co_operative.push(member)
    for attempt in range(1, 6):
        sent = told.sending_started(co_operative, push)
        assert sent is not None
        assert sent.attempts == attempt
        told.not_sent(co_operative, push)
    assert state_of(co_operative, push) == "rejected"
    assert told.sending_started(co_operative, push) is None
    co_operative.push(member)


def test_a_callback_that_doubts_itself_tells_whom_to_ask(co_operative):
    """The acknowledgement was lost; the callback's own id lets us query."""
    push = push_in(co_operative, co_operative.member(), "in_doubt")
    co_operative.failed(push, "1037")
    assert co_operative.load(Push, push).checkout_request_id == f"ws_CO_{push.hex}"


def test_what_a_callback_proves_was_sent_is_not_sent_again(co_operative):
    """It was taken for not sent, and a failure that may not be one says that it was."""
    push = push_in(co_operative, co_operative.member(), "requested again")
    co_operative.failed(push, "1037")
    assert told.sending_started(co_operative, push) is None
    assert co_operative.queried(push, "0") == "applied"
