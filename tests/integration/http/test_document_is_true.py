"""The OpenAPI document against the running application: what it forbids is refused, what it allows
is taken but for the co-operative's own rules, every answer is one it describes, and no refusal
leaves a trace in any table.

`make fuzz` asks ten thousand times and says how; the suite asks a few hundred times.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import time
from collections import Counter
from datetime import timedelta
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    ignored_auth,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from domain.dates import business_day
from infra import clock
from tests.integration.http.house import WEBHOOKS
from tests.integration.http.recording import OF_ALL_HTTP
from tests.integration.http.test_examples import resolved
from tests.integration.http.webhook_requests import SUBSCRIPTION

# A pool that connects meanwhile, in a thread of its own, asks `random` for the connection's age:
# hypothesis takes that for a strategy that is not reproducible.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Do not use the .random. module:hypothesis.errors.HypothesisDeprecationWarning"
)
CASES = int(os.environ.get("FUZZ_CASES", "300"))
NOT_COUNTED = ("/livez", "/readyz", "/metrics", "/openapi.json", "/docs")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    missing_required_header,
    unsupported_method,
    allow_header_conformance,
    ignored_auth,
]
_REFUSED_AS_NONSENSE = ["400", "401", "403", "404", "405", "413", "415", "422"]
# What no schema can say, and the house refuses in these words.
_RULES = (
    *("Give ", "The amount must", "Send either page or cursor", "This is not a cursor"),
    *("date_to is before", "A settlement is quoted"),
    *("effective_to is before", "Send either date_to or effective_to"),
    *("Send either as_of", "That lies in the future"),
    *("Name what proves the payment", "M-Pesa gives its own reference"),
    *("It is the day on which M-Pesa pays", "Only `assign` has this", "Only `refund` has this"),
)
_numbers = itertools.count(1)
_MANY = 5_000  # cases in which each operation must have been taken at least once


class Asking:
    """Asks case by case, holds each answer to the document, and counts."""

    def __init__(self, premises, schema):
        self.house = premises.house
        self.client = premises.client
        self.house.services.change_feed.close()  # nobody waits for changes
        self.schema = schema
        self.document = schema.raw_schema
        self.keyed = {"Authorization": f"Bearer {premises.client.key}"}
        self.statuses = Counter()
        self.operations = Counter()
        self.known = {
            "member_id": [str(premises.member_id), str(premises.idle_member_id)],
            "suspended": [str(premises.suspended_member_id)],
            "contribution_id": [str(premises.contribution_id)],
            "transaction_id": [str(premises.transaction_id)],
            "loan_id": [str(loan_id) for loan_id in premises.loans.values()],
            "repayment_id": [str(premises.repayment_id)],
            "product_id": [premises.product_id],
            "run_id": [str(premises.cases["run"])],
            "case_id": [str(premises.cases[name]) for name in ("propose", "confirm")],
            "payout_id": [str(payout) for payout in premises.money_out.payouts.values()],
            "refund_id": [str(refund) for refund in premises.money_out.refunds.values()],
            "short_code": [premises.money_out.stopped_lane],
            "receipt_id": [path.split("/")[5] for path in premises.desk.values()],
            "proposal_id": [path.split("/")[7] for path in list(premises.desk.values())[1:]],
            "content": [premises.command("import_statement")[1]["content"]],
            "webhook_id": [premises.told.webhooks["to_delete"]],
            "told_webhook": [premises.told.webhooks["told"]],
            "delivery_id": [premises.told.delivery_id],
            "token": [
                premises.house.services.keyring.callback_token("stk", premises.transaction_id)
            ],
        }
        self.borrower, self.product = str(premises.borrower_id), premises.product_id
        self.owners = {str(premises.contribution_id): str(premises.member_id)}
        self._versions = self.house.versions()

    def ask(self, case, headers):
        response = case.call(headers=headers)
        before, self._versions = self._versions, self.house.versions()
        label = f"{case.operation.method.upper()} {case.operation.path}"
        if response.status_code >= 400 or case.method in {"GET", "HEAD", "OPTIONS"}:
            assert self._versions == before, f"{label} was refused and left a trace"
        elif case.operation.path.startswith("/daystar"):
            self._learn(case, response)
        case.validate_response(response, checks=CHECKS, headers=headers)
        self._only_described_headers(case, response)
        if case.operation.path not in NOT_COUNTED:
            self.statuses[response.status_code] += 1
            self.operations[label, response.status_code // 100] += 1
        return response

    def report(self, say, seconds):
        """How often was asked, and how it was answered; health and documents do not count."""
        told = dict(sorted(self.statuses.items()))
        say(f"\n{self.statuses.total()} cases in {seconds:.0f} s; by status: {told}")
        for (label, hundreds), count in sorted(self.operations.items()):
            say(f"{count:6} {hundreds}xx {label}")

    def allowed_but_refused(self, response):
        """What the document allows is refused only by rules that no schema can say."""
        if response.status_code not in {400, 422}:
            assert response.status_code not in {413, 415}
            return
        problem = response.json()
        if problem["code"] in {"invalid_body", "rest_invalid_param"}:
            sentences = [text for told in problem["errors"].values() for text in told]
            assert all(text.startswith(_RULES) for text in sentences), problem["errors"]

    def _only_described_headers(self, case, response):
        described = case.operation.definition.raw["responses"].get(str(response.status_code))
        if described is None:
            return  # another method's answer
        known = {name.lower() for name in resolved(self.document, described)["headers"]}
        sent = {name.lower() for name in response.headers} - {n.lower() for n in OF_ALL_HTTP}
        assert sent <= known, sent - known

    def _learn(self, case, response):
        """Of what was made, the next request may speak."""
        answer = json.loads(response.content)
        found = answer.get("id")  # a lane has none
        if case.operation.path.startswith("/daystar/v1/members"):
            for pool in (self.known["member_id"], self.known["suspended"]):
                if found in pool:
                    pool.remove(found)
            pool = {"active": "member_id", "suspended": "suspended"}.get(answer["status"])
            self.known.get(pool, []).append(found)
        elif case.operation.path.startswith("/daystar/v1/contributions"):
            self.owners[found] = answer["member_id"]
            if answer["status"] == "completed":
                self.known["contribution_id"].append(found)
        elif case.method == "DELETE":
            self.known["webhook_id"].remove(found)
            self.known["webhook_id"].append(self.webhook())
        elif "payment_purpose" in answer:
            self.known["transaction_id"].append(found)
        elif "loan_number" in answer:
            self.known["loan_id"].append(found)
            self.known["repayment_id"] += [answer[k] for k in ("repayment_id",) if k in answer]
        if "payment_purpose" in answer or next(_numbers) % 10 == 0:
            self.house.follow()
            self._versions = self.house.versions()

    def webhook(self):
        """Another one that may be deleted."""
        made = self.client.post(WEBHOOKS, SUBSCRIPTION)
        self._versions = self.house.versions()
        return made.json["id"]

    def loan_for(self, path):
        """Somebody's only loan, entered by another person, with which this may be done."""
        co_operative = self.house.co_operative
        act = path.rpartition("/")[2]
        make = {
            "approval": co_operative.application,
            "refusal": co_operative.application,
            "disbursement": co_operative.approved_loan,
        }.get(act, co_operative.loan)
        today = business_day(clock.now())
        fields = {"product_code": self.product, "applied_on": today, "today": today}
        loan_id = make(**fields)
        found = {"loan_id": str(loan_id)}
        if act == "reversal":
            paid = co_operative.repayment(loan_id, 1_000_00, paid_on=today, today=today)
            found["repayment_id"] = str(paid)
        self._versions = self.house.versions()
        return found

    def plausible(self, name, path):
        """Good values for a field or parameter of this name, where a schema cannot find one."""
        number = next(_numbers)
        if path.endswith("/reactivation") and name == "member_id":
            name = "suspended"
        if path.endswith(("/suspense", "/payouts")) and name in ("reason", "purpose"):
            return []  # one of a few words, which the schema knows
        if name == "webhook_id" and not path.endswith("{webhook_id}"):
            name = "told_webhook"
        if path.endswith("/approval") and name == "amount":
            return ["10000", "25000.50"]
        if path.endswith("/v1/loans") and name in ("member_id", "amount"):
            return [self.borrower] if name == "member_id" else ["10000", "25000.50"]
        values = {
            "phone": [f"07{number:08d}", f"+2541{number:08d}"],
            "id_number": [f"{40_000_000 + number}"],
            "member_number": [f"F{number:07d}"],
            "email": [f"member{number}@example.org", None],
            "first_name": ["Akinyi", "Wanjiru", "Nafula"],
            "last_name": ["Ouma", "Kamau", "Wekesa"],
            "amount": ["1000", "2000.00", "1234.5"],
            "payment_method": ["cash", "bank"],
            "payment_reference": [f"FUZZ-{number}"],
            "reason": ["asked by the board", "typed twice"],
            "date_from": ["2020-01-01"],
            "term_months": [3, 12],
            "interest_rate": ["12", "9.5"],
            "purpose": ["a water tank"],
            "url": [SUBSCRIPTION["url"]],
            "events": [SUBSCRIPTION["events"]],
            "masked_fields": [[], SUBSCRIPTION["masked_fields"]],
            "secret": [SUBSCRIPTION["secret"], None],
            "begins_after": [0, None],
            "since_position": [0],
            "since": ["2026-11-23T06:00:00+00:00"],
        }
        if self.known.get(name):
            return self.known[name][-6:]
        if name.endswith("_date"):
            today = business_day(clock.now())
            days = (today, today + timedelta(days=20)) if "/loans/" in path else ()
            return [day.isoformat() for day in days] or ["2024-02-29", "2026-01-05"]
        return values.get(name, [])


@pytest.fixture(scope="module")
def asking(premises, request):
    def from_this_machine(environ, start_response):
        return premises.house.app(environ | {"REMOTE_ADDR": "127.0.0.1"}, start_response)

    schema = schemathesis.openapi.from_wsgi("/openapi.json", from_this_machine)
    schema.config.checks.negative_data_rejection.expected_statuses = _REFUSED_AS_NONSENSE
    begun = time.perf_counter()
    yield (asked := Asking(premises, schema))
    seconds = time.perf_counter() - begun
    if "FUZZ_CASES" in os.environ:
        plugins = request.config.pluginmanager
        with plugins.get_plugin("capturemanager").global_and_fixture_disabled():
            asked.report(plugins.get_plugin("terminalreporter").write_line, seconds)


def weight(operation):
    """How much there is to be wrong: parameters, and the fields of a body."""
    raw = operation.definition.raw
    content = raw.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = resolved(operation.schema.raw_schema, content.get("schema", {}))
    fields = len(schema.get("properties", {}))
    return 2 + 2 * fields + len(raw.get("parameters", [])) + operation.path.count("{")


def operations(asking, share):
    """Every operation, and how often it is asked when all are asked a share of all cases."""
    found = [each.ok() for each in asking.schema.get_all_operations()]
    counted = [each for each in found if each.path not in NOT_COUNTED]
    total = sum(map(weight, counted))
    for operation in found:
        often = CASES * share * weight(operation) / total if operation in counted else 2
        yield (
            operation,
            settings(
                max_examples=max(2, round(often)),
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


def sensible(asking, case, chance):
    """The case, most of its fields as the co-operative's rules want them."""
    for container in (case.path_parameters, case.query, case.body):
        if not isinstance(container, dict):
            continue
        for name in container:
            good = asking.plausible(name, case.operation.path)
            if good and chance.random() < 0.85:
                container[name] = chance.choice(good)
    if "/v1/loans/{" in case.operation.path and chance.random() < 0.4:
        case.path_parameters |= asking.loan_for(case.operation.path)
    contribution = (case.path_parameters or {}).get("contribution_id")
    if isinstance(case.body, dict) and contribution in asking.owners:
        case.body["member_id"] = asking.owners[contribution]
    if "Idempotency-Key" in (case.headers or {}) and chance.random() < 0.9:
        case.headers["Idempotency-Key"] = uuid4().hex
    return case


def test_what_the_document_allows_is_taken_but_for_the_rules(asking):
    for operation, often in operations(asking, 0.5):
        cases = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)

        @given(case=cases, seed=st.integers(0, 2**32))
        @often
        def every_answer_is_described(case, seed):
            case = sensible(asking, case, random.Random(seed))
            asking.allowed_but_refused(asking.ask(case, asking.keyed))

        every_answer_is_described()
    asked = {label for label, _ in asking.operations}
    never = {label for label in asked if not asking.operations[label, 2]}
    assert CASES < _MANY or not never, "nothing of these was ever taken"


def test_what_the_document_forbids_is_refused(asking):
    for operation, often in operations(asking, 0.45):
        if not operation.definition.raw["security"] or operation.path in NOT_COUNTED:
            continue  # it asks for nothing that could be wrong

        @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        @often
        def every_answer_is_described(case):
            asking.ask(case, asking.keyed)

        every_answer_is_described()


def test_without_a_key_every_door_is_closed(asking):
    for operation, often in operations(asking, 0.1):

        @given(case=operation.as_strategy())
        @often
        def every_answer_is_described(case):
            response = asking.ask(case, {})
            if case.operation.path.startswith("/daystar"):
                assert response.status_code in {401, 404, 405}

        every_answer_is_described()


def test_no_operation_answers_to_a_method_that_is_not_described(asking):
    for operation in (each.ok() for each in asking.schema.get_all_operations()):
        described = {m.upper() for m in asking.document["paths"][operation.path]}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - described:
            case = operation.Case(
                method=method,
                path_parameters={
                    name: str(asking.known[name][0])
                    for name in asking.known
                    if f"{{{name}}}" in operation.path
                },
            )
            response = case.call(headers=asking.keyed)
            assert response.status_code == 405, (method, operation.path)
            allowed = set(response.headers["allow"][0].split(", "))
            assert allowed - {"HEAD", "OPTIONS"} == described - {"PARAMETERS", "SERVERS"}
