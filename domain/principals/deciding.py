"""Who may decide what another asked for: a person with the role, within their band."""

from __future__ import annotations

from uuid import UUID

from domain.errors import BrokenRule
from domain.money import spoken
from domain.principals.principal import Principal, PrincipalKind, Role
from domain.store import AggregateStore


class NotAnApprover(BrokenRule):
    """This is decided by persons with the role of an approver."""

    code = "not_an_approver"


class AnotherMustDecide(BrokenRule):
    """Another person must decide: nobody decides what is their own, or what they proposed."""

    code = "another_must_decide"


class BeyondApprovalLimit(BrokenRule):
    """The amount is beyond what this principal may approve."""

    code = "beyond_approval_limit"

    def __init__(self, *, limit_cents: int) -> None:
        super().__init__(f"This principal may approve up to {spoken(limit_cents)}.")


def check_may_decide(
    principal_id: str,
    *,
    asked_by: str,
    member_id: str | None,
    amount_cents: int,
    store: AggregateStore,
    their_own: type[BrokenRule] = AnotherMustDecide,
) -> None:
    """Maker and checker are different principals, and nobody decides for themselves.

    Raises:
        NotAnApprover, BeyondApprovalLimit; `their_own` where they asked for it, or are the member.
    """
    principal = store.find(Principal, UUID(principal_id))
    if (
        principal is None
        or principal.kind != PrincipalKind.PERSON
        or not {Role.APPROVER, Role.ADMINISTRATOR} & set(principal.roles)
    ):
        raise NotAnApprover
    if principal_id == asked_by or (member_id and principal.member_id == member_id):
        raise their_own
    if amount_cents > principal.approval_limit_cents:
        raise BeyondApprovalLimit(limit_cents=principal.approval_limit_cents)
