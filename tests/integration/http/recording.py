"""Asks every operation of the document for all it can answer, and writes down what it said.

What changes from one run to the next (ids, days, moments, the budget's seconds) is made the same.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import orjson
import psycopg
from flask import Flask
from werkzeug.test import TestResponse

from app.accounting.exports import CSV, FORMATS
from app.auth import KEY_SPARED, PERMISSIONS, requires
from app.cli.administration import issue_key
from app.documentation.headers import HEADERS, ON_EVERY_ANSWER
from app.factory import BODY_BYTES_MAX
from domain.dates import MOMENT_WANTED, business_day
from domain.identities import short_code_id
from domain.loans.schedule import months_after
from infra import clock
from tests.integration.http.house import ALL_PERMISSIONS, Client, House
from tests.integration.http.requests_of_every_kind import Premises
from tests.support.co_operative import CAUSE

HTTPS = {"base_url": "https://daystar.example", "environ_overrides": {"REMOTE_ADDR": "127.0.0.1"}}
WITHOUT_LENGTH = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
FAR = {"REMOTE_ADDR": "203.0.113.9"}
OF_ALL_HTTP = {"Content-Type", "Content-Length"}
TODAY = date(2026, 11, 23)
_FIXED = {
    "next_cursor": "q3n0Zb8mJ2xVwYtK5rLc1A",
    "account_reference": "K7Q2M9X4T1ZB",
    "receipt_number": "SKN81ABCDE",
    "short_code": "174379",
    "request_id": "b6f0c1d2e3f4",
    "seconds_behind": 0.0,
    "from": "2026-01-01",
    "to": "2026-12-31",
}
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d(?!T)")
_MONTHS = range(1, 37)
_WITHOUT_DATABASE = {"livez", "openapi", "docs"}
_AWAY = psycopg.OperationalError()
_PAID = {
    "TransactionType": "Pay Bill",
    "TransID": "SKN81ABCDE",
    "TransTime": "20261123101500",
    "TransAmount": "2000.00",
    "BusinessShortCode": "174379",
    "BillRefNumber": "DST202600001",
    "MSISDN": "2547 ***** 126",
}
_NOT_JSON = b'{"member_id": '


class Recording:
    """`operations` and `problems`, as `app.documentation.recorded` reads them."""

    def __init__(self, document: dict[str, Any], premises: Premises) -> None:
        self.operations: dict[str, Any] = {}
        self.problems: dict[str, Any] = {}
        self._house: House = premises.house
        self._premises = premises
        self._app: Flask = premises.house.app
        self._ids: dict[str, str] = {}
        self._keys = _Keys(premises.house)
        self._house.contribution(
            premises.member_id,
            payment_reference="TAKEN-EARLIER",
            contributed_on=business_day(clock.now()) - timedelta(days=1),
        )
        good = dict(self._good_requests())
        order = {name: number for number, name in enumerate(good)}
        described = {
            operation["operationId"]: (method, operation)
            for item in document["paths"].values()
            for method, operation in item.items()
            if "operationId" in operation
        }
        assert set(described) <= set(good), "a good request of each: see requests_of_every_kind"
        for name in sorted(described, key=order.__getitem__):
            self._operation(name, described[name][1], *good[name])

    def _good_requests(self) -> Iterator[tuple[str, tuple[str, str, Any]]]:
        """By the operation's id. Those that only read come first."""
        token = self._house.services.keyring.callback_token
        push, short_code = self._premises.transaction_id, short_code_id("174379")
        opened = [
            ("GET", "/livez", None),
            ("GET", "/readyz", None),
            ("GET", "/metrics", None),
            ("GET", "/openapi.json", None),
            ("GET", "/docs", None),
            ("POST", f"/hooks/stk/{token('stk', push)}", {"Body": {"stkCallback": {}}}),
            ("POST", f"/hooks/c2b/{token('c2b', short_code)}/confirmation", _PAID),
            ("POST", f"/hooks/c2b/{token('c2b', short_code)}/validation", _PAID),
            *(
                ("POST", f"/hooks/{kind}/{token(kind, push)}{end}", {"Result": {}})
                for kind in ("b2c", "status", "balance", "reversal")
                for end in ("", "/timeout")
            ),
        ]
        adapter = self._app.url_map.bind("localhost")
        for method, path, body in [*opened, *self._premises.everything()]:
            endpoint, _ = adapter.match(path, method=method)
            yield self._app.view_functions[endpoint].__name__, (method, path, body)

    # One operation.

    def _operation(
        self, name: str, told: dict[str, Any], method: str, path: str, body: Any
    ) -> None:
        view = next(v for v in self._app.view_functions.values() if v.__name__ == name)
        permissions = getattr(view, PERMISSIONS, ())
        self.operations[name] = {"keyed": bool(permissions), "answers": {}}
        if body is not None:
            self.operations[name]["request"] = self._settled(body)
        self._house.follow()
        self._ask(name, "PUT", path)
        self._ask(name, method, path, body, base_url="http://localhost", environ_overrides=FAR)
        if permissions:
            self._closed_doors(name, method, path, body, spared=getattr(view, KEY_SPARED))
        self._our_mistakes(name, view, method, path, body)
        self._nonsense(name, told, method, path, body, keyed=bool(permissions))
        sizes = [name for name in ("per_page", "limit") if self._has_parameter(told, name)]
        suffix = f"?{sizes[0]}=1" if sizes else ""
        if self._has_parameter(told, "period"):
            suffix = "?date_from=2000-01-01&date_to=2099-12-31"
        again = {"Idempotency-Key": "the-same-key"}
        answer = self._ask(name, method, path + suffix, body, headers=again)
        assert 200 <= answer.status_code < 300, f"{name}: {answer.text}"
        if self._has_parameter(told, "after"):
            self._ask(name, method, f"{path}?after=1000000000")
        if self._has_parameter(told, "cursor"):
            self._restored(name, f"{path}?cursor={answer.json['pagination']['next_cursor']}")
        if self._has_parameter(told, "format"):
            for wanted in FORMATS:
                self._ask(name, method, f"{path}?format={wanted}")
        if "ETag" in answer.headers:
            held = {"If-None-Match": answer.headers["ETag"]}
            assert self._ask(name, method, path + suffix, headers=held).status_code == 304
        if method == "POST" and permissions:
            self._twice(name, path, body, again)

    def _restored(self, name: str, path: str) -> None:
        """The cursor's page; and what is said of it where a restore has lost all that was read."""
        owner = self._house.owner
        self._ask(name, "GET", path)
        owner.execute("INSERT INTO event_store.epochs VALUES (2, 9000000000000000, -1)")
        self._ask(name, "GET", path)
        owner.execute("DELETE FROM event_store.epochs WHERE epoch = 2")

    def _closed_doors(self, name: str, method: str, path: str, body: Any, *, spared: bool) -> None:
        options = {"environ_overrides": FAR} if spared else {}
        for client in self._keys.that_open_nothing(self._permissions(name)):
            self._ask(name, method, path, body, client=client, **options)
        limited = self._keys.spent()
        self._ask(name, method, path, body, client=limited, **options)
        if spared:
            self._ask(name, method, path, body, client=self._premises.client, **options)

    def _permissions(self, name: str) -> tuple[str, ...]:
        views = self._app.view_functions.values()
        return getattr(next(view for view in views if view.__name__ == name), PERMISSIONS)

    def _our_mistakes(self, name: str, view: Any, method: str, path: str, body: Any) -> None:
        """The database goes away, or we meet what we did not expect, past the door."""
        endpoint = next(e for e, known in self._app.view_functions.items() if known is view)
        # A good callback is else taken before it comes to the view.
        options = {"environ_overrides": WITHOUT_LENGTH} if path.startswith("/hooks/") else {}
        usual_codes = set()
        mistakes = (RuntimeError(), *([] if name in _WITHOUT_DATABASE else [_AWAY]))
        for error in mistakes:

            def failing(_error: Exception = error, **_: Any) -> Any:
                raise _error

            permissions = getattr(view, PERMISSIONS, ())
            if permissions:
                failing = requires(*permissions)(failing)
            self._app.view_functions[endpoint] = failing
            try:
                answer = self._ask(name, method, path, body, **options)
            finally:
                self._app.view_functions[endpoint] = view
            usual_codes.add(answer.status_code)
        assert len(usual_codes) == len(mistakes)

    def _nonsense(
        self, name: str, told: dict[str, Any], method: str, path: str, body: Any, *, keyed: bool
    ) -> None:
        for known, unknown in self._unknown(path):
            self._ask(name, method, path.replace(known, unknown), body)
        queried = [p["name"] for p in told.get("parameters", []) if p.get("in") == "query"]
        if queried:
            wrong = "&".join(f"{n}=nonsense" for n in queried if n != "cursor")
            self._ask(name, method, f"{path}?{wrong}")
        if body is None:
            return
        large = b" " * (BODY_BYTES_MAX + 1)
        self._ask(name, method, path, data=large, content_type="application/json")
        if not keyed:
            return
        self._ask(name, method, path, data=_NOT_JSON, content_type="application/json")
        self._ask(name, method, path, data=b"member_id=1", content_type="text/plain")
        self._ask(name, method, path, dict.fromkeys(body, 0) | {"misspelt": "1"})
        for field in (field for field in body if field.endswith("_id")):
            self._ask(name, method, path, body | {field: str(uuid4())})
        # A command whose key may be left out would be done: it is asked with a key that is none.
        self._ask(name, method, path, body, headers={"Idempotency-Key": "two words"})

    def _unknown(self, path: str) -> Iterator[tuple[str, str]]:
        for known in _ID.findall(path):
            yield known, str(uuid4())
        if path.startswith("/hooks/"):
            yield path.split("/")[3], "unknown"

    def _twice(self, name: str, path: str, body: dict[str, Any], again: dict[str, str]) -> None:
        self._ask(name, "POST", path, body, headers=again)
        for field in (f for f, value in body.items() if f in ("amount", "reason", "email")):
            other = {"amount": "1234.00", "reason": "else", "email": "else@example.org"}[field]
            self._ask(name, "POST", path, body | {field: other}, headers=again)
        self._ask(name, "POST", path, body)
        keys = self._house.services.idempotency
        key_id = self._house.services.key_check.caller(self._premises.client.key).key_id
        text = orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()
        keys.claim(scope=f"{key_id}\nPOST\n{path}", key="under-way", body=text)
        self._ask(name, "POST", path, body, headers={"Idempotency-Key": "under-way"})

    @staticmethod
    def _has_parameter(told: dict[str, Any], name: str) -> bool:
        return name in {parameter.get("name") for parameter in told.get("parameters", [])}

    # Asking, and writing down.

    def _ask(
        self,
        name: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        client: Client | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> TestResponse:
        fresh = {"Idempotency-Key": uuid4().hex} if method == "POST" else {}
        if body is not None:
            options |= {"data": json.dumps(body).encode(), "content_type": "application/json"}
        client = client or self._client(name)
        answer = client.send(method, path, headers=fresh | (headers or {}), **(HTTPS | options))
        self._write_down(name, answer)
        answer.close()
        return answer

    def _client(self, name: str) -> Client:
        keyed = self.operations[name]["keyed"]
        return self._premises.client if keyed else Client(self._app, None)

    def _write_down(self, name: str, answer: TestResponse) -> None:
        sent = set(answer.headers.keys()) - OF_ALL_HTTP
        guards = set(ON_EVERY_ANSWER) - {"Strict-Transport-Security"}
        assert guards <= sent, f"{name} {answer.status}: {guards - sent}"
        assert sent <= set(HEADERS), f"{name} {answer.status}: describe {sent - set(HEADERS)}"
        known = self.operations[name]["answers"].setdefault(str(answer.status_code), {})
        known["headers"] = sorted({*known.get("headers", []), *(sent - set(ON_EVERY_ANSWER))})
        if answer.status_code >= 400:
            assert answer.content_type == "application/problem+json"
            problem = self._named(name, self._settled(json.loads(answer.data)))
            known["problems"] = sorted({*known.get("problems", []), problem})
        elif answer.mimetype in FORMATS.values():
            known.setdefault("files", {})[answer.mimetype] = self._settled_file(answer)
        elif "body" not in known and answer.status_code != 304:
            is_json = answer.content_type == "application/json"
            said = json.loads(answer.data) if is_json else answer.text
            known["body"] = self._settled(_shortened(said))

    def _named(self, operation: str, problem: dict[str, Any]) -> str:
        """Its code; and, where an operation names fields of its own, the operation too."""
        code = problem["code"]
        name = f"{code}.{operation}" if "errors" in problem else code
        self.problems.setdefault(name, problem)
        return name

    def _settled(self, said: Any, name: str = "") -> Any:
        if isinstance(said, dict):
            return {key: self._settled(inner, key) for key, inner in said.items()}
        if isinstance(said, list):
            return [self._settled(inner) for inner in said]
        if name in _FIXED and said is not None:
            return _FIXED[name]
        return self._settled_text(said) if isinstance(said, str) else said

    def _settled_file(self, answer: TestResponse) -> str:
        """How a file begins: the heads of its columns, and its first row."""
        lines = answer.text.splitlines()[:2]
        if answer.mimetype == CSV:
            settled = [[self._settled(cell) for cell in row] for row in csv.reader(lines)]
            text = io.StringIO()
            csv.writer(text).writerows(settled)
            return text.getvalue()
        return json.dumps(self._settled(json.loads(lines[0]))) + "\n"

    def _settled_text(self, text: str) -> str:
        def settled_id(found: re.Match[str]) -> str:
            place = f"6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a{len(self._ids) + 16:02x}"
            return self._ids.setdefault(found[0], place)

        def settled_day(found: re.Match[str]) -> str:
            if found[0] in MOMENT_WANTED:
                return found[0]  # a sentence's own example, the same on every day
            try:
                day = date.fromisoformat(found[0])
            except ValueError:
                return found[0]
            today = business_day(clock.now())
            # Months are not equally long: what falls due in about one is told as due in one.
            months = next((n for n in _MONTHS if abs((day - months_after(today, n)).days) <= 3), 0)
            return str(months_after(TODAY, months) if months else TODAY + (day - today))

        text = _MOMENT.sub("2026-11-23T09:00:00+00:00", _ID.sub(settled_id, text))
        text = _DAY.sub(settled_day, text)
        return re.sub(r"wait \d+ seconds", "wait 42 seconds", text)


class _Keys:
    """Keys that open nothing, each for another reason."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._stranger = Client(house.app, None)
        self._wrong = Client(house.app, "B" * 32)
        addresses = ("198.51.100.0/24",)
        _, elsewhere = issue_key(
            house.services, CAUSE, name="Far", permissions=ALL_PERMISSIONS, addresses=addresses
        )
        self._elsewhere = Client(house.app, elsewhere)
        self._without: dict[tuple[str, ...], Client] = {}
        self._spent_id, spent = house.issue(*ALL_PERMISSIONS, name="Eager")
        self._spent = Client(house.app, spent)

    def that_open_nothing(self, permissions: tuple[str, ...]) -> tuple[Client, ...]:
        if permissions not in self._without:
            others = (other for other in ALL_PERMISSIONS if other not in permissions)
            self._without[permissions] = self._house.client(*others)
        return self._stranger, self._wrong, self._elsewhere, self._without[permissions]

    def spent(self) -> Client:
        """A key that has made its requests of this minute, as another process knows."""
        limiter = self._house.services.rate_limiter
        self._house.owner.execute(
            "INSERT INTO api.rate_windows (key_id, began, taken)"
            " SELECT %s, to_timestamp(floor(extract(epoch FROM now()) / 60) * 60 + shift), %s"
            " FROM unnest(ARRAY[0, 60]) AS shift"
            " ON CONFLICT (key_id, began) DO UPDATE SET taken = excluded.taken",
            (self._spent_id, limiter._limit),
        )
        return self._spent


def _shortened(said: Any) -> Any:
    """What is long is shown by its beginning; of many read models, one."""
    if isinstance(said, str):
        told = [
            line
            for line in said.splitlines()
            if "follower_running" in line and ("#" in line or '"members"' in line)
        ]
        return "\n".join([*told, ""]) if told else said.splitlines()[0]
    if "openapi" in said:
        return {"openapi": said["openapi"], "info": {"title": said["info"]["title"]}}
    if "read_models" in said:
        return said | {"read_models": {"members": said["read_models"]["members"]}}
    return said


def as_text(recording: Recording) -> str:
    """The file as it is kept."""
    kept = {"operations": recording.operations, "problems": recording.problems}
    return json.dumps(kept, indent=1, sort_keys=True) + "\n"
