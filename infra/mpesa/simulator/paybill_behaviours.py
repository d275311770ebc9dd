"""How the simulated M-Pesa may behave towards a payment to the paybill, as one table.

The money moves in every row; they differ in how it is told. `behaviours.py` says which row applies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from infra.mpesa.simulator.behaviours import Behaviour, BehaviourBook


@dataclass(frozen=True, kw_only=True)
class PaybillBehaviour(Behaviour):
    """One row: how often a payment is confirmed to us, and how late."""

    confirmations: int = 1
    is_late: bool = False


_ROWS = (
    PaybillBehaviour(number=1, name="confirmed", meaning="Paid; one confirmation."),
    PaybillBehaviour(
        number=6, name="no_confirmation", meaning="Paid; nobody is told.", confirmations=0
    ),
    PaybillBehaviour(
        number=7, name="confirmed_twice", meaning="Paid; told twice.", confirmations=2
    ),
    PaybillBehaviour(
        number=9, name="confirmed_late", meaning="Paid; told long after.", is_late=True
    ),
)

PAYBILL_BEHAVIOURS: Mapping[str, PaybillBehaviour] = MappingProxyType(
    {row.name: row for row in _ROWS}
)


def paybill_book() -> BehaviourBook[PaybillBehaviour]:
    """A new book of this table."""
    return BehaviourBook(PAYBILL_BEHAVIOURS)
