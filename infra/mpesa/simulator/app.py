"""The door of the simulated M-Pesa: Daraja's paths, and a few of its own to command it.

Its own are without any authentication (it runs on a developer's machine and moves no real money):

    GET    /livez
    GET    /simulator/ledger       the money that moved, told or untold
    GET    /simulator/accounts     what the Working, Utility and Charges accounts hold
    POST   /simulator/top-up       {"amount": 1000} from a bank into Utility; below zero, back
    GET    /simulator/behaviours   every table, and what is set
    POST   /simulator/behaviours   {"behaviour": "cancelled", "of": "push", and one of "phone":
                                    "254...", "amount": 150, "default": true, "next": 1 (that many)}
                                   or {"of": "push", "mix": {"success": 9, "no_callback": 1}}
    DELETE /simulator/behaviours   back to the tables alone; the initiator is unlocked
    POST   /simulator/pace         {"delay_seconds_min": 0, "delay_seconds_max": 5,
                                    "late_seconds": 9}
    GET    /simulator/paybill      what is registered, switched, and refused by our validation
    POST   /simulator/paybill      {"number_form": "plain", "twin_percent": 50, "validates": true,
                                    "registers_once": true}
    POST   /simulator/payments     {"phone", "amount", "account_number"}: a customer pays, now
    GET    /simulator/statement    the organisation's statement (CSV); ?layout=older, ?dates=iso,
                                   ?encoding=cp1252, ?preamble=0, ?short_code=600000,
                                   ?breaks=only_there,amount, ?malformed_row=7; what was broken
                                   stands in the header Simulator-Broken
    POST   /simulator/callbacks/<CheckoutRequestID>/resend      tell again, or at last: a push,
    POST   /simulator/confirmations/<receipt>/resend            a payment to the paybill,
    POST   /simulator/results/<OriginatorConversationID>/resend a payout, reversal or question

`of` is push, query, payout, status, balance, reversal, paybill or pull; the tables say what can be
asked for, and which numbers and amounts ask for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

from flask import Flask, Response

from infra.mpesa.paths import (
    BALANCE_PATH,
    OLD_PAYOUT_PATH,
    PAYOUT_PATH,
    PULL_PATH,
    PUSH_PATH,
    QUERY_PATH,
    REGISTER_PULL_PATH,
    REGISTER_URLS_PATH,
    REVERSAL_PATH,
    SIMULATE_PAYBILL_PATH,
    STATUS_PATH,
)
from infra.mpesa.simulator.admission import Admission, TurnedAway
from infra.mpesa.simulator.command_door import CommandDoor, Objection
from infra.mpesa.simulator.daraja_door import DarajaDoor
from infra.mpesa.simulator.mpesa import SimulatedMpesa
from infra.mpesa.simulator.refusals import REFUSALS, respond
from infra.mpesa.simulator.settings import SimulatorSettings
from infra.mpesa.tokens import TOKEN_PATH
from infra.mpesa.wire import BODY_BYTES_MAX

EXTENSION = "simulated_mpesa"
_VERSION = "<any(v1, v2):version>"


def create_app(
    settings: SimulatorSettings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Flask:
    """A Flask app around one simulated M-Pesa, found at `app.extensions[EXTENSION]`."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
    mpesa = SimulatedMpesa(settings, clock=clock)
    app.extensions[EXTENSION] = mpesa
    admission = Admission(mpesa)
    _open_daraja(app, admission, DarajaDoor(mpesa, admission))
    _open_commands(app, CommandDoor(mpesa))
    app.register_error_handler(404, lambda _: respond(REFUSALS["wrong_path"]))
    app.register_error_handler(405, lambda _: respond(REFUSALS["wrong_method"]))
    app.register_error_handler(413, lambda _: respond(REFUSALS["unreadable"]))
    app.register_error_handler(TurnedAway, admission.turn_away)
    app.register_error_handler(Objection, _objection)
    return app


def _open_daraja(app: Flask, admission: Admission, door: DarajaDoor) -> None:
    app.add_url_rule(TOKEN_PATH, view_func=admission.token, methods=["GET"])
    calls: dict[str, Callable[..., Response]] = {
        PUSH_PATH: door.push,
        QUERY_PATH: door.query,
        REGISTER_URLS_PATH.format(version=_VERSION): door.register_urls,
        SIMULATE_PAYBILL_PATH.format(version=_VERSION): door.simulate,
        PAYOUT_PATH: door.pay_out,
        OLD_PAYOUT_PATH: door.pay_out_as_of_old,
        STATUS_PATH: door.status,
        BALANCE_PATH: door.balance,
        REVERSAL_PATH: door.reverse,
        REGISTER_PULL_PATH: door.register_pull,
        PULL_PATH: door.pull,
    }
    for path, view in calls.items():
        app.add_url_rule(path, view_func=view, methods=["POST"])


def _open_commands(app: Flask, door: CommandDoor) -> None:
    own = "/simulator"
    asked: dict[str, Callable[..., Response]] = {
        "/livez": door.live,
        f"{own}/ledger": door.ledger,
        f"{own}/accounts": door.accounts,
        f"{own}/behaviours": door.listed,
        f"{own}/paybill": door.paybill,
        f"{own}/statement": door.statement,
    }
    told: dict[str, Callable[..., Response]] = {
        f"{own}/top-up": door.top_up,
        f"{own}/behaviours": door.set_behaviour,
        f"{own}/pace": door.set_pace,
        f"{own}/paybill": door.set_paybill,
        f"{own}/payments": door.pay,
        f"{own}/callbacks/<checkout_request_id>/resend": door.resend_push,
        f"{own}/confirmations/<receipt>/resend": door.resend_confirmation,
        f"{own}/results/<originator_conversation_id>/resend": door.resend_result,
    }
    for path, view in asked.items():
        app.add_url_rule(path, view_func=view, methods=["GET"])
    for path, view in told.items():
        app.add_url_rule(path, view_func=view, methods=["POST"])
    app.add_url_rule(f"{own}/behaviours", view_func=door.reset, methods=["DELETE"])


def _objection(objection: Objection) -> Response:
    body = json.dumps({"error": str(objection)})
    return Response(body, objection.status, content_type="application/json")
