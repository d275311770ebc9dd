"""What the simulator demands of a request's fields, as strict as Daraja and as lenient.

Numbers may come as text and unknown keys are ignored, as with the real one; the checks run in the
order of the fields, and the first that fails names its field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from infra.mpesa.addresses import ForbiddenCallbackUrl, check_public_url
from infra.mpesa.simulator.refusals import Refusal, invalid_field
from infra.mpesa.stk_calls import AMOUNT_SHILLINGS_MAX

Check = Callable[[str], bool]
Checks = Mapping[str, Check]


def first_objection(fields: Mapping[str, Any], checks: Checks) -> Refusal | None:
    """The first field that is not acceptable, named."""
    for name, acceptable in checks.items():
        if not acceptable(text(fields.get(name))):
            return invalid_field(name)
    return None


def text(value: object) -> str:
    """A text or a whole number as text; anything else is as good as missing."""
    if isinstance(value, bool):
        return ""
    if isinstance(value, int):
        return str(value) if abs(value) < 10**15 else ""
    return value if isinstance(value, str) else ""


def matches(pattern: str) -> Check:
    """Whether the whole field has this form."""
    compiled = re.compile(pattern, re.ASCII)
    return lambda value: compiled.fullmatch(value) is not None


def is_one_of(*values: str) -> Check:
    """Whether the field is one of these words."""
    return lambda value: value in values


def is_amount(value: str) -> bool:
    """Whole shillings that one transaction may move."""
    return matches(r"\d{1,6}")(value) and 1 <= int(value) <= AMOUNT_SHILLINGS_MAX


def is_moment(form: str) -> Check:
    """Whether the field is a time in this form."""

    def is_there(value: str) -> bool:
        try:
            moment = datetime.strptime(value, form)  # noqa: DTZ007 - only its form is checked
        except ValueError:
            return False
        return moment.strftime(form) == value

    return is_there


def is_callback_url(value: str) -> bool:
    """Whether Safaricom would post to this address."""
    try:
        check_public_url(value)
    except ForbiddenCallbackUrl:
        return False
    return True


is_short_code = matches(r"\d{5,7}")
is_phone = matches(r"254[17]\d{8}")
is_something = matches(r"(?s).+")
