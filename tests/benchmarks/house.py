"""A house to measure: a database with members and pushes, and the processes that matter."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import requests

from app.wiring import Services
from domain.contributions.account import MemberAccount
from domain.contributions.rules import ContributionRules, ContributionType, PaymentMethod
from domain.dates import business_day
from domain.identities import account_id
from domain.members.commands import RegisterMember
from domain.members.handlers import register_member
from domain.mpesa.commands import RequestPush
from domain.mpesa.handlers import request_push
from domain.mpesa.sending import (
    RecordAcknowledgement,
    StartSending,
    record_acknowledgement,
    start_sending,
)
from infra import clock
from infra.event_store.unit_of_work import Cause, UnitOfWork

CAUSE = Cause("bench", "bench")
ANSWERING_SECONDS_MAX = 30.0


@contextmanager
def processes(
    port: int, commands: list[list[str]], *, data_directory: Path
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run some commands of `daystar`, `web` among them, beside the bench."""
    environment = {
        **os.environ,
        "DAYSTAR_PORT": str(port),
        "DAYSTAR_DATA_DIR": str(data_directory),
    }
    with (data_directory / "bench.log").open("ab") as log:
        running = [
            subprocess.Popen([sys.executable, "-m", "app", *command], env=environment, stderr=log)
            for command in commands
        ]
        try:
            _await_answer(port)
            yield running
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(timeout=40)


def _await_answer(port: int) -> None:
    deadline = time.monotonic() + ANSWERING_SECONDS_MAX
    while True:
        try:
            if requests.get(f"http://127.0.0.1:{port}/livez", timeout=1).ok:
                return
        except requests.RequestException:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def make_members(services: Services, count: int) -> list[UUID]:
    """Members with an account each, through the real handlers, many to a commit."""
    today = business_day(clock.now())
    made: list[UUID] = []
    while len(made) < count:
        unit = UnitOfWork(services.store, CAUSE)
        while unit.size < 400 and len(made) < count:
            number = len(made)
            member_id = uuid4()
            register_member(
                RegisterMember(
                    member_id=member_id,
                    member_number=f"B{number:08d}",
                    first_name="Bench",
                    last_name=f"Member {number}",
                    phone=f"07{number:08d}",
                    email=None,
                    national_id=f"{10_000_000 + number}",
                    registered_on=today,
                    today=today,
                ),
                unit,
            )
            made.append(member_id)
        unit.commit()
    return made


def make_contributions(services: Services, members: list[UUID], each: int) -> None:
    """So many contributions for each member, a day apart."""
    today = business_day(clock.now())
    for member_id in members:
        unit = UnitOfWork(services.store, CAUSE)
        account = unit.get(MemberAccount, account_id(member_id))
        for number in range(each):
            account.receive(
                contribution_id=uuid4(),
                contribution_type=ContributionType.MONTHLY,
                amount_cents=2_000_00 + number,
                payment_method=PaymentMethod.CHECK_OFF,
                payment_reference=f"PAYROLL-{number}",
                contributed_on=today - timedelta(days=number),
            )
        unit.save(account)
        unit.commit()


def make_accepted_pushes(services: Services, members: list[UUID]) -> list[UUID]:
    """A push for each member that Safaricom has accepted and not answered yet."""
    now = clock.now()
    rules = ContributionRules()
    made: list[UUID] = []
    remaining = list(members)
    while remaining:
        batch, remaining = remaining[:100], remaining[100:]
        unit = UnitOfWork(services.store, CAUSE)
        unit.prefetch(batch)
        for member_id in batch:
            push_id = uuid4()
            request_push(
                RequestPush(
                    push_id=push_id,
                    member_id=member_id,
                    phone=None,
                    purpose=ContributionType.MONTHLY,
                    amount_cents=2_000_00,
                    account_reference=push_id.hex[:12].upper(),
                    short_code="174379",
                    now=now,
                    rules=rules,
                ),
                unit,
            )
            start_sending(StartSending(push_id, now), unit)
            record_acknowledgement(
                RecordAcknowledgement(push_id, "bench", f"ws_CO_{push_id.hex}", now), unit
            )
            made.append(push_id)
        unit.commit()
    return made
