"""A small co-operative to look at, made through the real commands when the demo first starts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID, uuid4

from app.cli.administration import issue_key
from app.demo_loans import load_loans
from app.loan_products import OUR_PRODUCTS, read_loan_products
from app.wiring import Services
from domain.api_keys.api_key import Permission
from domain.contributions.commands import RecordContribution
from domain.contributions.rules import ContributionType, PaymentMethod
from domain.dates import business_day
from domain.members.commands import RegisterMember
from domain.principals.principal import PRINCIPAL_NAME, AddPrincipal, PrincipalKind, Role
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import Cause, UnitOfWork
from infra.numbers import next_member_number

_CAUSE = Cause("system:demo", "demo")
_CLERK_KEY_FILE = "demo-api-key"
_APPROVER_KEY_FILE = "demo-approver-key"
_APPROVER = "Demo approver"
_APPROVER_LIMIT_CENTS = 1_000_000_00
_APPROVER_MAY = (Permission.APPROVE, Permission.READ_LOANS, Permission.READ_REPAYMENTS)
_MONTHS = 12
_MEMBERS = (
    ("Achieng", "Otieno", "0708374149"),
    ("Wanjiru", "Kamau", "0711000002"),
    ("Kiprono", "Cheruiyot", "0711000003"),
    ("Halima", "Abdi", "0711000004"),
    ("Mutua", "Musyoka", "0711000005"),
    ("Nafula", "Wekesa", "0111000006"),
    ("Kamande", "Njoroge", "0711000007"),
    ("Chebet", "Koech", "0711000008"),
)


@dataclass(frozen=True)
class DemoKeys:
    """Two keys, because nobody approves a loan they entered: the clerk's, and an approver's."""

    clerk: str
    approver: str


def load_demo(services: Services) -> DemoKeys:
    """Load the co-operative unless it is there, and answer keys that work."""
    keys = DemoKeys(
        clerk=_key(services, _CLERK_KEY_FILE, "Demo", tuple(Permission)),
        approver=_key(services, _APPROVER_KEY_FILE, _APPROVER, _APPROVER_MAY),
    )
    if not _holds(services, "loan-product.defined"):
        for command in read_loan_products(OUR_PRODUCTS):
            dispatch(services.store, command, _CAUSE)
    if not _holds(services, "member.registered"):
        members = [_load_member(services, *each) for each in enumerate(_MEMBERS)]
        clerk, approver = (_principal(services, name) for name in ("Demo", _APPROVER))
        load_loans(services, _CAUSE, members, clerk=str(clerk), approver=str(approver))
    return keys


def _holds(services: Services, topic: str) -> bool:
    with services.pool.connection() as connection:
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM event_store.events WHERE topic = %s)", (topic,)
        ).fetchone()
    return bool(row and row[0])


def _principal(services: Services, name: str) -> UUID | None:
    found = UnitOfWork(services.store, _CAUSE).lookup(PRINCIPAL_NAME, name.casefold())
    return found[0] if found else None


def _key(
    services: Services, file_name: str, principal: str, permissions: tuple[Permission, ...]
) -> str:
    """The key kept in a file, or a new one."""
    key_file = services.settings.data_directory / file_name
    if key_file.exists():
        key = key_file.read_text().strip()
        if services.key_check.caller(key) is not None:
            return key
    if principal == _APPROVER and _principal(services, principal) is None:
        person = AddPrincipal(
            uuid4(), principal, PrincipalKind.PERSON, (Role.APPROVER,), _APPROVER_LIMIT_CENTS
        )
        dispatch(services.store, person, _CAUSE)
    _, key = issue_key(services, _CAUSE, name=principal, permissions=permissions)
    key_file.touch(mode=0o600)
    key_file.write_text(key + "\n")
    return key


def _load_member(services: Services, number: int, who: tuple[str, str, str]) -> UUID:
    first_name, last_name, phone = who
    today = business_day(clock.now())
    joined = today - timedelta(days=31 * _MONTHS)
    member_id = uuid4()
    prefix = services.settings.member_number_prefix
    dispatch(
        services.store,
        RegisterMember(
            member_id=member_id,
            member_number=next_member_number(services.pool, prefix=prefix, year=joined.year),
            first_name=first_name,
            last_name=last_name,
            phone=phone,
            email=f"{first_name}.{last_name}@example.org".lower(),
            national_id=f"{31_000_000 + number}",
            registered_on=joined,
            today=today,
        ),
        _CAUSE,
    )
    paid = [(ContributionType.REGISTRATION_FEE, 1_000_00, joined)]
    paid.append((ContributionType.SHARE_CAPITAL, 5_000_00, joined))
    paid.extend(
        (ContributionType.MONTHLY, (2_000 + 500 * (number % 3)) * 100, _month_end(joined, month))
        for month in range(_MONTHS)
    )
    for part, (kind, amount_cents, day) in enumerate(paid):
        dispatch(
            services.store,
            RecordContribution(
                contribution_id=uuid4(),
                member_id=member_id,
                contribution_type=kind,
                amount_cents=amount_cents,
                payment_method=PaymentMethod.CHECK_OFF,
                payment_reference=f"PAYROLL-{day:%Y%m}-{part}",
                contributed_on=min(day, today),
                today=today,
                rules=services.settings.contribution_rules,
            ),
            _CAUSE,
        )
    return member_id


def _month_end(start: date, months: int) -> date:
    """The last day of the month so many months after the start."""
    years, month = divmod(start.month - 1 + months + 1, 12)
    return date(start.year + years, month + 1, 1) - timedelta(days=1)
