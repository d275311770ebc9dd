"""A small co-operative to look at, made through the real commands when the demo first starts."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import uuid4

from app.cli.administration import issue_key
from app.wiring import Services
from domain.api_keys.api_key import Permission
from domain.contributions.commands import RecordContribution
from domain.contributions.rules import ContributionType, PaymentMethod
from domain.dates import business_day
from domain.members.commands import RegisterMember
from infra import clock
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import Cause
from infra.numbers import next_member_number

_CAUSE = Cause("system:demo", "demo")
_KEY_FILE = "demo-api-key"
_MONTHS = 6
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


def load_demo(services: Services) -> str:
    """Load the co-operative unless it is there, and answer a working API key."""
    key_file = services.settings.data_directory / _KEY_FILE
    with services.pool.connection() as connection:
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM event_store.events WHERE topic = 'member.registered')"
        ).fetchone()
    if not (row and row[0]):
        for number, (first_name, last_name, phone) in enumerate(_MEMBERS):
            _load_member(services, number, first_name, last_name, phone)
    if key_file.exists():
        key = key_file.read_text().strip()
        if services.key_check.caller(key) is not None:
            return key
    _, key = issue_key(services, _CAUSE, name="Demo", permissions=tuple(Permission))
    key_file.touch(mode=0o600)
    key_file.write_text(key + "\n")
    return key


def _load_member(
    services: Services, number: int, first_name: str, last_name: str, phone: str
) -> None:
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


def _month_end(start: date, months: int) -> date:
    """The last day of the month so many months after the start."""
    years, month = divmod(start.month - 1 + months + 1, 12)
    return date(start.year + years, month + 1, 1) - timedelta(days=1)
