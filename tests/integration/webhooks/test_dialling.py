"""Nobody makes us talk to ourselves or to our neighbours, whatever their name leads to."""

from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from infra.webhooks.courier import EXCERPT_BYTES_MAX, Answer, Courier, Failure
from infra.webhooks.dialling import CONNECT_SECONDS_MAX, Found
from tests.support.certificates import self_signed
from tests.support.receiver import Receiver, answer, first_then, hang_up, receiving

LOOPBACK = (ip_network("127.0.0.1/32"),)

INNER = [
    *("127.0.0.1", "127.8.9.10", "0.0.0.1", "10.0.0.1", "172.16.5.4", "172.31.255.255"),
    *("192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.1", "192.0.2.1", "192.88.99.1"),
    *("198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.7", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1"),
    *("2002:7f00:1::", "2002:a00:1::1", "2002:808:808::1"),  # 6to4, of any address
    *("64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::7f00:1"),  # NAT64
    *("2001::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1", "fec0::1"),
]

_watching: list[list[Any]] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event == "socket.connect":
        _watching[-1].append(arguments[1])


sys.addaudithook(_watch)


@pytest.fixture
def dialled() -> Iterator[list[Any]]:
    """Every address that this process connects to, seen by the interpreter itself."""
    _watching.append([])
    yield _watching[-1]
    _watching.pop()


def found(*addresses: str, port: int) -> list[Found]:
    return [
        (socket.AF_INET6, (address, port, 0, 0))
        if ":" in address
        else (socket.AF_INET, (address, port))
        for address in addresses
    ]


def sent(courier: Courier, url: str) -> Answer | Failure:
    return courier.post(url, headers={"Content-Type": "application/json"}, body=b"{}")


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("address", INNER)
def test_a_name_that_leads_inside_is_never_connected_to(
    address: str, scheme: str, dialled: list[Any]
):
    courier = Courier(resolve=lambda _, port: found(address, port=port))
    assert sent(courier, f"{scheme}://books.example/hook") is Failure.ADDRESS_REFUSED
    assert dialled == []


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "0"),
        *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    ],
)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_this_machine_is_refused_however_it_is_written(
    host: str, scheme: str, receiver: Receiver, dialled: list[Any]
):
    failed = sent(Courier(), f"{scheme}://{host}:{receiver.port}/hook")
    assert failed in (Failure.ADDRESS_REFUSED, Failure.NO_SUCH_HOST)
    assert dialled == []
    assert receiver.connections == 0


def test_a_name_that_leads_outside_and_inside_is_only_dialled_outside(dialled: list[Any]):
    courier = Courier(
        [ip_network("::1/128")],  # stands for the world outside
        resolve=lambda _, port: found("127.0.0.1", "10.0.0.1", "::1", port=port),
    )
    sent(courier, "https://books.example:9/hook")
    assert dialled == [("::1", 9, 0, 0)]


def test_a_name_that_changes_between_check_and_dial_gains_nothing(dialled: list[Any]):
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[Found]:
        asked.append(host)
        return found("::1" if len(asked) % 2 else "127.0.0.1", port=port)

    with receiving() as inside, receiving(host="::1") as outside:
        courier = Courier([ip_network("::1/128")], resolve=rebinding)
        outside.answering = answer(200, connection="close")
        answered = [sent(courier, f"http://books.example:{outside.port}/a") for _ in range(4)]
        assert [type(each) for each in answered[::2]] == [Answer, Answer]
        assert answered[1::2] == [Failure.ADDRESS_REFUSED, Failure.ADDRESS_REFUSED]
        assert len(asked) == 4, "each name is looked up once: what was checked is what is dialled"
        assert {address[0] for address in dialled} == {"::1"}
        assert inside.connections == 0


def test_without_tls_only_the_listed_networks_are_told(dialled: list[Any]):
    courier = Courier(LOOPBACK, resolve=lambda _, port: found("8.8.8.8", port=port))
    assert sent(courier, "http://books.example/hook") is Failure.ADDRESS_REFUSED
    assert dialled == []


def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver, dialled: list[Any]):
    receiver.answering = answer(302, location=receiver.url("/elsewhere"))
    answered = sent(Courier(LOOPBACK), receiver.url("/hook"))
    assert isinstance(answered, Answer)
    assert answered.status == 302
    assert [told.path for told in receiver.told] == ["/hook"]
    assert len(dialled) == 1


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_whoever_is_slow_costs_no_more_than_the_time_there_is(how: str, receiver: Receiver):
    receiver.answering = getattr(receiver, how)
    began = time.monotonic()
    assert sent(Courier(LOOPBACK, seconds_max=0.4), receiver.url()) is Failure.TIMED_OUT
    assert time.monotonic() - began < CONNECT_SECONDS_MAX, "and no more than that"


def test_an_answer_is_read_no_further_than_needed(receiver: Receiver):
    receiver.answering = answer(200, b"\x00" + b"a" * 1_000_000)
    answered = sent(Courier(LOOPBACK), receiver.url())
    assert isinstance(answered, Answer)
    assert answered.excerpt == "\ufffd" + "a" * (EXCERPT_BYTES_MAX - 1)


def test_a_compressed_answer_is_not_opened(receiver: Receiver):
    receiver.answering = answer(200, b"\x1f\x8bno", content_encoding="gzip")
    answered = sent(Courier(LOOPBACK), receiver.url())
    assert isinstance(answered, Answer)
    assert answered.status == 200


def test_a_connection_is_used_again_and_mended_when_it_is_gone(receiver: Receiver):
    courier = Courier(LOOPBACK)
    for _ in range(3):
        assert isinstance(sent(courier, receiver.url()), Answer)
    assert receiver.connections == 1
    receiver.answering = first_then(hang_up, answer(204))
    assert sent(courier, receiver.url()) == Answer(204, "", None)


def test_what_is_not_there_is_told_apart(receiver: Receiver):
    courier = Courier(LOOPBACK)
    receiver.answering = hang_up
    assert sent(courier, receiver.url()) is Failure.BROKEN_OFF
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        assert sent(courier, url) is Failure.NO_CONNECTION


def test_a_stranger_must_prove_who_they_are():
    key_and_chain = self_signed("books.example")
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(key_and_chain)
    trusted = ssl.create_default_context(cafile=str(key_and_chain))
    to_loopback = {"resolve": lambda _, port: found("127.0.0.1", port=port)}
    with receiving(tls=ours) as receiver:
        known = Courier(LOOPBACK, trusted=trusted, **to_loopback)
        answered = sent(known, receiver.url(host="books.example"))
        assert isinstance(answered, Answer)
        assert sent(known, receiver.url(host="other.example")) is Failure.TLS_FAILED
        unknown = Courier(LOOPBACK, **to_loopback)
        assert sent(unknown, receiver.url(host="books.example")) is Failure.TLS_FAILED
        receiver.answering = receiver.drip
        hasty = Courier(LOOPBACK, trusted=trusted, seconds_max=0.4, **to_loopback)
        assert sent(hasty, receiver.url(host="books.example")) is Failure.TIMED_OUT
