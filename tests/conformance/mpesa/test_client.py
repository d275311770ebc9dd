"""The real client against the simulator, over real HTTP; and against servers that misbehave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from domain.mpesa.result_codes import Verdict, stk_verdict
from infra.mpesa.callbacks import read_stk_callback
from infra.mpesa.credentials import BUY_GOODS, Credentials
from infra.mpesa.outcomes import (
    Accepted,
    Ambiguous,
    NotAnswered,
    NotSent,
    QueryAnswer,
    Refused,
    StillProcessing,
    Unknown,
)
from infra.mpesa.stk_calls import prompt_text, push_password
from infra.mpesa.transport import (
    Answer,
    BearerToken,
    NeverLeft,
    NoAnswer,
    Timeouts,
    post_json,
)

PHONE = "254708374149"


def push(client, listener=None, *, phone: str = PHONE, amount: int = 150):
    return client.push(
        phone=phone,
        amount_shillings=amount,
        account_reference="M001",
        description="Deposit",
        callback_url=listener.url if listener else "http://127.0.0.1:9/hooks/stk/0",
    )


def test_a_push_is_accepted_paid_and_told(client, simulator, listener):
    accepted = push(client, listener)
    assert isinstance(accepted, Accepted)
    assert accepted.checkout_request_id.endswith(PHONE[-9:])
    callback = read_stk_callback(listener.next())
    assert callback.checkout_request_id == accepted.checkout_request_id
    assert callback.merchant_request_id == accepted.merchant_request_id
    [row] = simulator.ledger()
    assert callback.payment is not None
    assert callback.payment.receipt_number == row["receipt"]
    assert callback.payment.amount_cents == 15_000
    assert callback.payment.payer_phone == row["phone"] == PHONE
    assert callback.payment.paid_at.isoformat() == row["paid_at"]
    assert row["account_reference"] == "M001"
    answer = client.query(checkout_request_id=accepted.checkout_request_id)
    assert isinstance(answer, QueryAnswer)
    assert stk_verdict(answer.result_code) is Verdict.SUCCESS


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [("cancelled", "1032"), ("wrong_pin", "2001"), ("no_balance", "1"), ("unreachable", "1037")],
)
def test_a_failure_is_told_and_moves_no_money(client, simulator, listener, behaviour, code):
    simulator.set(behaviour)
    accepted = push(client, listener)
    callback = read_stk_callback(listener.next())
    assert callback.result_code == code
    assert callback.payment is None
    assert simulator.ledger() == []
    answer = client.query(checkout_request_id=accepted.checkout_request_id)
    assert isinstance(answer, QueryAnswer)
    assert answer.result_code == code


def test_money_can_move_without_anyone_being_told(client, simulator, listener):
    simulator.set("no_callback")
    accepted = push(client, listener)
    answer = settled(client, accepted)
    assert answer.result_code == "0"
    assert len(simulator.ledger()) == 1
    assert listener.bodies.empty()
    assert simulator.resend(accepted.checkout_request_id).json() == {
        "delivered": True,
        "status": 200,
    }
    assert read_stk_callback(listener.next()).payment is not None


def test_one_payment_may_be_told_twice(client, simulator, listener):
    simulator.set("callback_twice")
    push(client, listener)
    assert listener.next() == listener.next()
    assert len(simulator.ledger()) == 1


def test_the_callback_may_overtake_the_acknowledgement(client, simulator, listener):
    simulator.set("callback_before_acknowledgement")
    accepted = push(client, listener)
    told = read_stk_callback(listener.bodies.get_nowait())
    assert told.checkout_request_id == accepted.checkout_request_id


def test_success_may_follow_unreachable(client, simulator, listener):
    simulator.set("late_success")
    accepted = push(client, listener)
    codes = [read_stk_callback(listener.next()).result_code for _ in range(2)]
    assert codes == ["1037", "0"]
    assert client.query(checkout_request_id=accepted.checkout_request_id).result_code == "0"
    assert len(simulator.ledger()) == 1


def test_ambiguous_when_the_acknowledgement_is_lost(client, simulator, listener):
    simulator.set("acknowledgement_lost")
    assert isinstance(push(client, listener), Ambiguous)
    assert read_stk_callback(listener.next()).payment is not None
    assert len(simulator.ledger()) == 1


def test_ambiguous_when_the_answer_never_comes(client_for, simulator, listener):
    simulator.set("acknowledgement_withheld")
    impatient = client_for(simulator.url, read_seconds=0.2)
    assert isinstance(push(impatient, listener), Ambiguous)
    assert read_stk_callback(listener.next()).payment is not None


def test_ambiguous_even_when_nothing_happened(client, simulator, listener):
    simulator.set("request_lost")
    assert isinstance(push(client, listener), Ambiguous)
    assert simulator.ledger() == []


@pytest.mark.parametrize(
    "behaviour", ["html_503", "html_200", "internal_error", "empty_error", "soap_fault"]
)
def test_ambiguous_when_the_answer_makes_no_sense(client, simulator, behaviour):
    simulator.set(behaviour)
    assert isinstance(push(client), Ambiguous)


@pytest.mark.parametrize(("behaviour", "pause"), [("subscriber_locked", 60), ("spike_arrest", 1)])
def test_not_sent_when_the_gateway_turns_it_away(client, simulator, behaviour, pause):
    simulator.set(behaviour)
    outcome = push(client)
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after_seconds >= pause
    assert simulator.ledger() == []


def test_a_spike_passes_after_some_calls(client, simulator, listener):
    phone = "254700009916"  # the number itself asks for it
    outcomes = [push(client, listener, phone=phone) for _ in range(4)]
    assert [type(outcome) for outcome in outcomes] == [NotSent, NotSent, NotSent, Accepted]


def test_a_first_result_frees_the_payer(client, simulator, listener):
    simulator.set("late_success")
    assert isinstance(push(client, listener), Accepted)
    listener.next()
    assert isinstance(push(client, listener), Accepted)


def test_a_dead_token_is_renewed_once_and_the_call_repeated(client, simulator, listener):
    assert isinstance(push(client, listener), Accepted)
    listener.next()
    simulator.set("token_killed")
    assert isinstance(push(client, listener), Accepted)
    listener.next()
    assert len(simulator.ledger()) == 2


def test_not_sent_when_a_new_token_is_refused_too(client, simulator):
    simulator.set("token_killed", next=2)
    assert isinstance(push(client), NotSent)
    assert simulator.ledger() == []


def test_refused_when_the_key_is_wrong(client_for, simulator):
    outcome = push(client_for(simulator.url, consumer_secret="another"))
    assert isinstance(outcome, Refused)
    assert "another" not in repr(outcome)


@pytest.mark.parametrize(
    "changes",
    [
        {"pass_key": "another"},
        {"short_code": "600000", "party_b": "600000"},
    ],
)
def test_refused_when_the_short_code_or_pass_key_is_wrong(client_for, simulator, changes):
    assert isinstance(push(client_for(simulator.url, **changes)), Refused)


def test_a_till_paid_as_its_store_ends_in_2028(client_for, simulator, listener):
    mixed = client_for(simulator.url, transaction_type=BUY_GOODS)
    assert isinstance(push(mixed, listener), Accepted)
    assert read_stk_callback(listener.next()).result_code == "2028"


def test_a_till_is_paid(client_for, simulator, listener):
    till = client_for(simulator.url, transaction_type=BUY_GOODS, party_b="555001")
    assert isinstance(push(till, listener), Accepted)
    assert read_stk_callback(listener.next()).result_code == "0"


def test_refused_without_a_call_when_the_callback_url_is_forbidden(client_for):
    client = client_for("http://127.0.0.1:9")
    outcome = client.push(
        phone=PHONE,
        amount_shillings=1,
        account_reference="M001",
        description="x",
        callback_url="https://daystar.example/query/53c237",
    )
    assert isinstance(outcome, Refused)
    assert "53c237" not in outcome.reason


def test_a_query_waits_through_4999(client, simulator, listener):
    simulator.set("still_processing")
    accepted = push(client, listener)
    polled = [client.query(checkout_request_id=accepted.checkout_request_id) for _ in range(3)]
    assert {answer.result_code for answer in polled} == {"4999"}
    assert settled(client, accepted).result_code == "0"
    assert listener.bodies.empty()


def test_a_query_waits_through_being_processed(client, simulator, listener):
    simulator.set("processing_500")
    accepted = push(client, listener)
    polled = [client.query(checkout_request_id=accepted.checkout_request_id) for _ in range(3)]
    assert polled == [StillProcessing()] * 3
    assert settled(client, accepted).result_code == "0"


def test_a_query_for_a_stranger_is_unknown(client):
    assert client.query(checkout_request_id="ws_CO_1") == Unknown()


@pytest.mark.parametrize("behaviour", ["html_503", "html_200", "spike_arrest"])
def test_a_query_turned_away_learns_nothing(client, simulator, behaviour):
    simulator.set(behaviour, next_query=1)
    assert isinstance(client.query(checkout_request_id="ws_CO_1"), NotAnswered)


def test_a_query_renews_a_dead_token(client, simulator):
    simulator.set("token_killed", next_query=1)
    assert client.query(checkout_request_id="ws_CO_1") == Unknown()


def settled(client, accepted: Accepted) -> QueryAnswer:
    """The truth, once the pretended payer has decided: a few polls on a thread's way at most."""
    for _ in range(200):
        answer = client.query(checkout_request_id=accepted.checkout_request_id)
        if isinstance(answer, QueryAnswer):
            return answer
    raise AssertionError("the payer never decided")


# What follows needs no Daraja: servers that fail at each stage of a call.

QUICK = Timeouts(connect_seconds=0.5, read_seconds=0.3)


def post(url: str) -> Answer | NeverLeft | NoAnswer:
    with requests.Session() as session:
        return post_json(
            session, url, fields={"Amount": 1}, auth=BearerToken("token"), timeouts=QUICK
        )


@contextmanager
def accepting(answer: bytes, *, read_first: bool = True, hold: bool = False) -> Iterator[str]:
    """A server for one call that writes these bytes and closes, or holds the line."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while read_first and b'"Amount": 1}' not in connection.recv(65_536):
                    pass
                connection.sendall(answer)
                if hold:
                    done.wait(5)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        done.set()
        thread.join()


def test_never_left_when_nobody_listens(free_port):
    assert isinstance(post(f"http://127.0.0.1:{free_port}/"), NeverLeft)


def test_never_left_when_the_name_is_unknown(monkeypatch):
    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert isinstance(post("http://daraja.invalid/"), NeverLeft)


@pytest.mark.parametrize("url", ["http://", "nonsense", "http://[::1", "http://" + "a" * 80])
def test_never_left_when_the_url_makes_no_sense(url):
    assert isinstance(post(url), NeverLeft)


def test_never_left_when_tls_fails():
    with accepting(b"this is not TLS at all\r\n", read_first=False) as address:
        assert isinstance(post(f"https://{address}/"), NeverLeft)


def test_never_left_when_tls_never_finishes():
    with accepting(b"", read_first=False, hold=True) as address:
        assert isinstance(post(f"https://{address}/"), NeverLeft)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"not HTTP\r\n\r\n",
    ],
)
def test_no_answer_when_the_connection_breaks_after_sending(answer):
    with accepting(answer) as address:
        assert isinstance(post(f"http://{address}/"), NoAnswer)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"])
def test_no_answer_when_the_rest_never_comes(answer):
    with accepting(answer, hold=True) as address:
        assert isinstance(post(f"http://{address}/"), NoAnswer)


def test_a_redirect_is_not_followed(free_port):
    answer = f"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:{free_port}/\r\n\r\n".encode()
    with accepting(answer) as address:
        assert post(f"http://{address}/") == Answer(307, b"")


def test_a_reason_holds_neither_address_nor_token(free_port):
    outcome = post(f"http://127.0.0.1:{free_port}/{PHONE}")
    assert PHONE not in repr(outcome)
    assert "token" not in repr(outcome)


def test_the_password_is_the_one_in_safaricoms_example():
    made = push_password(
        short_code="174379",
        pass_key="bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919",
        timestamp="20210628092408",
    )
    assert made == (
        "MTc0Mzc5YmZiMjc5ZjlhYTliZGJjZjE1OGU5N2RkNzFhNDY3Y2QyZTBjODkzMDU5YjEwZjc4ZTZiNzJhZGExZWQy"
        "YzkxOTIwMjEwNjI4MDkyNDA4"
    )


def test_the_prompt_carries_plain_letters_only():
    assert prompt_text("Déposit: #12, for Jané") == "D posit 12 fo"
    assert prompt_text("***") == "Payment"


def test_secrets_show_in_no_repr():
    credentials = Credentials(
        name="paybill",
        base_url="https://daraja.example",
        consumer_key="hidden-1",
        consumer_secret="hidden-2",
        short_code="174379",
        pass_key="hidden-3",
        transaction_type=BUY_GOODS,
        party_b="555001",
    )
    assert "hidden" not in repr(credentials)
    assert PHONE[-9:] not in repr(Accepted("1-2-3", f"ws_CO_1{PHONE[-9:]}"))
