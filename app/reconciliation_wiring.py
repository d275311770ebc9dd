"""Builds what reconciliation works with, out of a process's services; `app.wiring` asks for it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from consumers.mpesa.books import Books
from consumers.mpesa.differences import payment_to_post
from consumers.mpesa.pulling import Pulling
from consumers.mpesa.reconciliation_round import ReconciliationRound
from consumers.mpesa.statement_import import StatementImport
from consumers.mpesa.statement_matching import StatementMatching
from domain.mpesa.commands import RecordReceipt
from infra.event_store.personal_keys import PersonalKeys
from infra.event_store.reader import LogReader
from infra.mpesa.pull_times import PullTimes
from infra.mpesa.statement_store import StatementStore

if TYPE_CHECKING:
    from app.wiring import Services


class ReconciliationServices:
    """Statements, pulls and cases; each made as it is asked for."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rules = services.settings.paybill.rules
        self._settings = services.settings.reconciliation

    @cached_property
    def statements(self) -> StatementStore:
        return StatementStore(self._services.pool, self._services.keyring)

    def importing(self) -> StatementImport:
        services = self._services
        since = self._settings.since
        return StatementImport(services.pool, self.statements, services.short_codes, since=since)

    def matching(self) -> StatementMatching:
        return StatementMatching(self._services.store, self.statements, self._books(), self._rules)

    def pulling(self) -> Pulling:
        services = self._services
        return Pulling(
            services.store,
            services.short_codes,
            self._books(),
            self._rules,
            since=self._settings.since,
        )

    def round(self) -> ReconciliationRound:
        services = self._services
        return ReconciliationRound(
            short_codes=services.short_codes,
            times=PullTimes(services.pool),
            pulling=self.pulling(),
            statements=self.statements,
            matching=self.matching(),
            pull_seconds=self._settings.pull_seconds,
        )

    def payment_to_post(self, case_id: UUID) -> RecordReceipt | None:
        """The payment that a case is about, as its statement tells it."""
        store = self._services.store
        return payment_to_post(case_id, store=store, statements=self.statements, rules=self._rules)

    def _books(self) -> Books:
        pool = self._services.following_pool()
        return Books(pool, LogReader(pool, PersonalKeys(pool, self._services.keyring)))
