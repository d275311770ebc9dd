"""The simulator's own paths, for testers: what moved, how it behaves, what it tells again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields as fields_of
from typing import Any

from flask import Response, jsonify, request

from infra.mpesa.simulator.behaviours import BehaviourBook, TooManyOverrides
from infra.mpesa.simulator.fields import is_amount, is_phone
from infra.mpesa.simulator.mpesa import SimulatedMpesa
from infra.mpesa.simulator.pace import SECONDS_MAX
from infra.mpesa.simulator.paybill_desk import PaybillSwitches
from infra.mpesa.simulator.paybill_requests import ACCOUNT_NUMBER_LENGTH_MAX, CustomerPayment
from infra.mpesa.simulator.payers import NumberForm
from infra.mpesa.simulator.statement import BREAKS, ExportForm, export
from infra.mpesa.wire import UnreadableJson, read_object

_COUNT_MAX = 1_000
_DATE_FORMS = {"kenyan": "%d-%m-%Y %H:%M:%S", "iso": "%Y-%m-%d %H:%M:%S"}
_ENCODINGS = ("utf-8", "utf-8-sig", "cp1252")
_TARGETS = "give exactly one of phone, amount, default, next, mix"


class Objection(Exception):
    """What a tester asked for makes no sense."""

    def __init__(self, sentence: str, *, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


class CommandDoor:
    """A method for each path."""

    def __init__(self, mpesa: SimulatedMpesa) -> None:
        self._mpesa = mpesa

    def live(self) -> Response:
        return jsonify(status="ok")

    def ledger(self) -> Response:
        return jsonify(self._mpesa.moved())

    def accounts(self) -> Response:
        return jsonify(vars(self._mpesa.ledger.accounts()))

    def top_up(self) -> Response:
        wanted = _wanted()
        shillings = wanted.get("amount")
        if not isinstance(shillings, int) or isinstance(shillings, bool) or shillings == 0:
            raise Objection("amount is whole shillings: above zero to top up, below to withdraw")
        if self._mpesa.top_up(shillings) is None:
            raise Objection("the Utility account holds too little", status=409)
        return self.accounts()

    def listed(self) -> Response:
        return jsonify(
            tables={of: _table(book) for of, book in self._mpesa.books.items()},
            set={of: book.described() for of, book in self._mpesa.books.items()},
        )

    def set_behaviour(self) -> Response:
        wanted = _wanted()
        if "next_query" in wanted:
            wanted |= {"of": "query", "next": wanted.pop("next_query")}
        book = self._mpesa.books.get(str(wanted.pop("of", "push")))
        if book is None:
            raise Objection(f"of is one of {', '.join(self._mpesa.books)}")
        try:
            _set_behaviour(book, wanted)
        except TooManyOverrides:
            raise Objection("too many behaviours are set; reset them first") from None
        return self.listed()

    def reset(self) -> Response:
        self._mpesa.reset()
        return self.listed()

    def set_pace(self) -> Response:
        pace, wanted = self._mpesa.pace, _wanted()
        names = ("delay_seconds_min", "delay_seconds_max", "late_seconds")
        for name, seconds in wanted.items():
            is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
            if name not in names or not is_number or not 0 <= seconds <= SECONDS_MAX:
                raise Objection(f"give some of {', '.join(names)}, in seconds")
        for name, seconds in wanted.items():
            setattr(pace, name, float(seconds))
        return jsonify({name: getattr(pace, name) for name in names})

    def paybill(self) -> Response:
        return jsonify(self._mpesa.paybill.described())

    def set_paybill(self) -> Response:
        wanted, switches = _wanted(), self._mpesa.paybill.switches
        if not wanted.keys() <= {field.name for field in fields_of(PaybillSwitches)}:
            raise Objection("there is no such switch")
        match wanted.get("number_form"):
            case None | "plain" | "hashed" | "masked" as form:
                if "number_form" in wanted:
                    wanted["number_form"] = None if form is None else NumberForm(form)
            case _:
                raise Objection("number_form is plain, hashed, masked or null")
        for name, value in wanted.items():
            setattr(switches, name, value)
        return self.paybill()

    def pay(self) -> Response:
        wanted = _wanted()
        phone, amount = str(wanted.get("phone")), str(wanted.get("amount"))
        account = wanted.get("account_number", "")
        if not (is_phone(phone) and is_amount(amount) and isinstance(account, str)):
            raise Objection("give phone (2547...), amount (whole shillings) and account_number")
        if len(account) > ACCOUNT_NUMBER_LENGTH_MAX:
            raise Objection("the account_number is too long")
        kind = str(wanted.get("transaction_type", "Pay Bill"))
        paid = self._mpesa.paybill.pay(CustomerPayment(phone, int(amount), account, kind))
        return jsonify(receipt=paid.receipt, refusal_code=paid.refusal_code)

    def resend_push(self, checkout_request_id: str) -> Response:
        told = self._mpesa.pushes.told(checkout_request_id)
        if told is None:
            raise Objection("there is no such push", status=404)
        if told.result_code is None:
            raise Objection("the payer has not decided yet", status=409)
        return _delivered(self._mpesa.pushes.resend(told))

    def resend_confirmation(self, receipt: str) -> Response:
        row = self._mpesa.ledger.find(receipt)
        if row is None:
            raise Objection("there is no such receipt", status=404)
        return _delivered(self._mpesa.paybill.resend(row))

    def resend_result(self, originator_conversation_id: str) -> Response:
        return _delivered(self._mpesa.requests.resend(originator_conversation_id))

    def statement(self) -> Response:
        asked = request.args
        breaks = [name for name in asked.get("breaks", "").split(",") if name]
        if not set(breaks) <= BREAKS.keys():
            raise Objection(f"breaks are {', '.join(BREAKS)}")
        encoding, dates = asked.get("encoding", "utf-8"), asked.get("dates", "kenyan")
        if encoding not in _ENCODINGS or dates not in _DATE_FORMS:
            raise Objection(f"encoding: {', '.join(_ENCODINGS)}; dates: {', '.join(_DATE_FORMS)}")
        form = ExportForm(
            short_code=asked.get("short_code", self._mpesa.settings.short_code),
            is_older=asked.get("layout") == "older",
            has_preamble=asked.get("preamble") != "0",
            date_form=_DATE_FORMS[dates],
            malformed_row=asked.get("malformed_row", type=int),
        )
        try:
            file = export(self._mpesa.ledger.attempts(), form, breaks=breaks)
        except LookupError:
            raise Objection("there are too few rows to break", status=409) from None
        answer = Response(file.text.encode(encoding), content_type="text/csv")
        answer.headers["Simulator-Broken"] = json.dumps(dict(file.broken))
        return answer


def _wanted() -> dict[str, Any]:
    try:
        # Through read_object a fraction would come as a Decimal.
        read_object(request.get_data())
        wanted = json.loads(request.get_data())
    except UnreadableJson as error:
        raise Objection(str(error)) from None
    assert isinstance(wanted, dict)
    return wanted


def _table(book: BehaviourBook[Any]) -> list[dict[str, object]]:
    return [
        {"number": row.number, "name": row.name, "meaning": row.meaning}
        for row in book.table.values()
    ]


def _set_behaviour(book: BehaviourBook[Any], wanted: Mapping[str, Any]) -> None:
    """Set what was asked for. Raises Objection."""
    if "mix" in wanted:
        book.set_mix(_weights(book, wanted))
        return
    behaviour = _row(book, wanted.get("behaviour"))
    match {name: value for name, value in wanted.items() if name != "behaviour"}:
        case {"phone": str() as phone, **rest} if not rest and phone.isdigit():
            book.set_for_phone(phone, behaviour)
        case {"amount": int() as amount, **rest} if not rest:
            book.set_for_amount(amount, behaviour)
        case {"default": True, **rest} if not rest:
            book.set_default(behaviour)
        case {"next": int() as count, **rest} if not rest and 0 < count <= _COUNT_MAX:
            book.queue(count, behaviour)
        case _:
            raise Objection(_TARGETS)


def _weights(book: BehaviourBook[Any], wanted: Mapping[str, Any]) -> dict[str, int]:
    mix = wanted["mix"]
    if not isinstance(mix, dict) or len(wanted) != 1:
        raise Objection(_TARGETS)
    for name, weight in mix.items():
        _row(book, name)
        if not isinstance(weight, int) or isinstance(weight, bool) or weight < 0:
            raise Objection("a weight is a whole number")
    if mix and not any(mix.values()):
        raise Objection("some weight must be above zero")
    return mix


def _row(book: BehaviourBook[Any], name: object) -> Any:
    row = book.row(name) if isinstance(name, str) else None
    if row is None:
        raise Objection(f"behaviour is one of {', '.join(book.table)}, or code_ and a result code")
    return row


def _delivered(status: int | None) -> Response:
    return jsonify(delivered=status is not None, status=status)
