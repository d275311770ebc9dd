"""Who enters and decides loans in the invented co-operative, and what it lends."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from uuid import UUID

from app.loan_products import OUR_PRODUCTS, read_loan_products
from domain.loans.commands import DefineLoanProduct
from domain.principals.principal import AddPrincipal, PrincipalKind, Role

_OFFICER = ("Demo loan officer", Role.OPERATOR, 0)
_APPROVERS = (
    ("Demo credit officer", Role.APPROVER, 50_000_00),
    ("Demo manager", Role.APPROVER, 200_000_00),
    ("Demo credit committee", Role.APPROVER, 1_000_000_00),
    ("Demo central management committee", Role.APPROVER, 100_000_000_00),
)


@dataclass(frozen=True)
class Lenders:
    """The officer who enters applications, those who decide them, and the products."""

    officer_id: str
    bands: tuple[tuple[int, str], ...]
    """Of each approver the largest sum, in cents, and the id; smallest band first."""
    commands: tuple[AddPrincipal | DefineLoanProduct, ...]

    def approver_of(self, amount_cents: int) -> str:
        """Whose band holds the sum."""
        return next(approver for limit_cents, approver in self.bands if amount_cents <= limit_cents)


def lenders(seed: int) -> Lenders:
    """They are the same for the same seed."""
    rng = Random(f"{seed}/lenders")  # noqa: S311 (a demo, not a secret)
    principals = [
        AddPrincipal(
            UUID(int=rng.getrandbits(128), version=4), name, PrincipalKind.PERSON, (role,), limit
        )
        for name, role, limit in (_OFFICER, *_APPROVERS)
    ]
    return Lenders(
        officer_id=str(principals[0].principal_id),
        bands=tuple((one.approval_limit_cents, str(one.principal_id)) for one in principals[1:]),
        commands=(*principals, *read_loan_products(OUR_PRODUCTS)),
    )
