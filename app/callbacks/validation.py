"""What is answered to a validation: within a second, and never no by a fault of ours."""

from __future__ import annotations

from uuid import UUID

import orjson
import structlog

from app.auth import services
from consumers.mpesa.paybill import own_short_code
from domain.mpesa.validation import Refusal, why_refused
from infra.event_store.unit_of_work import Cause, UnitOfWork
from infra.mpesa.c2b_notices import read_c2b_notice

_ACCEPT = b'{"ResultCode":"0","ResultDesc":"Accepted"}'
_ASKER = Cause("system:validation", "validation")  # nothing is recorded in this name
_log = structlog.get_logger()


def validation_answer(subject_id: UUID, body: bytes) -> bytes:
    """Accept, or refuse by the setting and with the code that says why."""
    if not services().settings.paybill.refuses:
        return _ACCEPT
    try:
        refusal = _why_refused(subject_id, body)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours, and the payer's money is good
        _log.warning("validation_unanswered", error=type(error).__name__)
        return _ACCEPT
    if refusal is None:
        return _ACCEPT
    _log.info("payment_refused", code=str(refusal))
    return orjson.dumps({"ResultCode": str(refusal), "ResultDesc": "Rejected"})


def _why_refused(subject_id: UUID, body: bytes) -> Refusal | None:
    notice = read_c2b_notice(body)
    house = services()
    known = own_short_code(
        notice.short_code, subject_id=subject_id, short_codes=house.hasty.short_codes
    )
    if known is None:
        return Refusal.SHORT_CODE
    return why_refused(
        account_number=notice.account_number,
        amount_cents=notice.amount_cents,
        rules=house.settings.paybill.rules,
        store=UnitOfWork(house.hasty.store, _ASKER),
    )
