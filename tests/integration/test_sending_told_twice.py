"""What came of a sending may be recorded twice, when the first word's own answer was lost."""

from __future__ import annotations

from domain.mpesa.sending import RecordNotSent, StartSending
from domain.mpesa.stk_push import Push
from tests.support.co_operative import NOW


def test_a_not_sent_that_is_told_again_does_not_undo_the_next_sending(co_operative):
    push_id = co_operative.push(co_operative.member())
    first = co_operative.dispatch(StartSending(push_id, NOW))
    told = RecordNotSent(push_id, "Daraja asks us to slow down", 10.0, NOW, first.attempts)
    co_operative.dispatch(told)
    co_operative.dispatch(StartSending(push_id, NOW))

    co_operative.dispatch(told)

    assert co_operative.load(Push, push_id).state == "sent"
    assert co_operative.dispatch(StartSending(push_id, NOW)) is None


def test_the_last_attempt_is_not_rejected_by_a_word_about_an_earlier_one(co_operative):
    push_id = co_operative.push(co_operative.member())
    for attempt in range(1, 5):
        co_operative.dispatch(StartSending(push_id, NOW))
        told = RecordNotSent(push_id, "Daraja asks us to slow down", 10.0, NOW, attempt)
        co_operative.dispatch(told)
    co_operative.dispatch(StartSending(push_id, NOW))

    co_operative.dispatch(told)

    assert co_operative.load(Push, push_id).state == "sent"
