"""Builds every object, once a process. Nothing else in the house constructs its collaborators."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg_pool import ConnectionPool

from app.answer_memory import AnswerMemory
from app.consuming_wiring import ConsumingServices
from app.reconciliation_wiring import ReconciliationServices
from app.webhook_wiring import WebhookServices
from consumers.loans.daily_round import DailyRound
from consumers.mpesa.callback_kinds import CALLBACK_KINDS
from consumers.mpesa.due_requests import DueRequests
from consumers.mpesa.intake import Intake
from consumers.mpesa.paybill import Paybill
from consumers.mpesa.payout_float import PayoutFloat
from consumers.mpesa.payout_sender import PayoutSender
from consumers.mpesa.payout_watch import PayoutWatch
from consumers.mpesa.push_sender import PushSender
from consumers.mpesa.push_watch import PushWatch
from domain.identities import short_code_id
from infra import clock
from infra.callbacks import CallbackStore
from infra.event_store.personal_keys import PersonalKeys
from infra.event_store.reader import LogReader
from infra.event_store.unit_of_work import EventStore
from infra.idempotency import IdempotencyKeys
from infra.kafka.broker import Broker
from infra.key_check import KeyCheck
from infra.keyring import Keyring, MasterKeyError, new_master_key
from infra.mpesa.client import DarajaClient
from infra.mpesa.credentials import Credentials, Initiator
from infra.mpesa.payout_addresses import PayoutAddresses
from infra.mpesa.short_codes import ShortCodes
from infra.mpesa.simulator.certificate import (
    INITIATOR_NAME,
    INITIATOR_PASSWORD,
    certificate_pem,
)
from infra.mpesa.tokens import DatabaseTokens
from infra.postgres.embedded import EmbeddedPostgres
from infra.postgres.migrate import APPLICATION_ROLE, migrate
from infra.postgres.pool import application_url, open_pool
from infra.rate_limit import RateLimiter
from infra.settings import Settings
from infra.usage import UsageLog
from infra.webhooks.delivery_log import DeliveryLog
from infra.webhooks.endpoint_secrets import EndpointSecrets
from projections.export import Exports
from projections.follower import Follower
from projections.installation import install_read_models
from projections.mpesa_due import PAYOUT, PUSH
from projections.public_events.feed import ChangeFeed
from projections.read_models import READ_MODELS
from projections.webhook_endpoints import valid_secrets

EXPORTS_MAX = 2  # in each web process; others are told to come again
EXPORT_TIMEOUT_MILLISECONDS = 60_000  # of one step: finding the first row, or fetching some more
FOLLOWER_TIMEOUT_MILLISECONDS = 60_000  # a batch may be large; appends keep their five seconds
HASTY_SECONDS_MAX = 0.4  # to find a connection, and for each question asked on it
HASTY_CONNECTIONS_MAX = 2
_MASTER_KEY_FILE = "master.key"
_LOCK_FILE = "house.lock"


@dataclass(frozen=True)
class DatabaseUrls:
    """Where the database is: as its owner, who migrates, and as the application."""

    owner: str
    application: str


def embedded_postgres(settings: Settings) -> EmbeddedPostgres | None:
    """The server we start ourselves, where no other was given."""
    if settings.database_url is not None:
        return None
    return EmbeddedPostgres(settings.data_directory / "postgres")


def database_urls(settings: Settings) -> DatabaseUrls:
    """The given database, or the embedded one."""
    embedded = embedded_postgres(settings)
    if embedded is not None:
        return DatabaseUrls(
            embedded.url("postgres", "daystar"), embedded.url(APPLICATION_ROLE, "daystar")
        )
    assert settings.database_url is not None
    return DatabaseUrls(settings.database_owner_url or settings.database_url, settings.database_url)


def local_broker(settings: Settings) -> Broker:
    """The Kafka that `daystar kafka` runs on this machine."""
    home = settings.data_directory / "kafka"
    return Broker(home, settings.kafka.local_port, memory=home)


@contextmanager
def house_lock(settings: Settings) -> Iterator[bool]:
    """Held by whoever runs the embedded server. Answers whether it is ours now."""
    settings.data_directory.mkdir(parents=True, exist_ok=True)
    with (settings.data_directory / _LOCK_FILE).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def bring_forward(urls: DatabaseUrls) -> list[str]:
    """Migrate, and install what read models are missing. Answers what was done."""
    done = [f"applied {name}" for name in migrate(urls.owner)]
    installed = install_read_models(urls.owner, READ_MODELS.values())
    return done + [f"installed read model {name}" for name in installed]


@contextmanager
def running_database(settings: Settings) -> Iterator[DatabaseUrls]:
    """The database, started for as long as it is needed where nobody else runs it."""
    embedded = embedded_postgres(settings)
    if embedded is None:
        yield database_urls(settings)
        return
    with house_lock(settings) as ours:
        urls = database_urls(settings)
        if ours:
            embedded.start()
            bring_forward(urls)
        try:
            yield urls
        finally:
            if ours:
                embedded.stop()


def open_keyring(settings: Settings, url: str) -> Keyring:
    """The keyring of this database; its master key is made only while the database is empty.

    Raises:
        MasterKeyError: the key is missing or another's.
    """
    with psycopg.connect(
        application_url(url, statement_timeout_milliseconds=5_000), autocommit=True
    ) as connection:
        master_keys = settings.master_key or _kept_master_key(settings, connection)
        return Keyring.open(connection, master_keys)


def _kept_master_key(settings: Settings, connection: psycopg.Connection[tuple[object, ...]]) -> str:
    path = settings.data_directory / _MASTER_KEY_FILE
    if path.exists():
        return path.read_text().strip()
    known = connection.execute("SELECT 1 FROM secrets.master_key LIMIT 1").fetchone()
    if known is not None:
        raise MasterKeyError(
            f"This database is encrypted, and there is neither DAYSTAR_MASTER_KEY nor {path.name}"
            " in DAYSTAR_DATA_DIR. Bring the original key back; a new one cannot read it."
        )
    return _write_once(path, new_master_key())


def _write_once(path: Path, text: str) -> str:
    """Write the file unless another process was first; answer what it holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    return text


@dataclass(frozen=True)
class Hasty:
    """For questions that must be answered within a second, or not at all."""

    pool: ConnectionPool
    store: EventStore
    short_codes: ShortCodes


class Services:
    """What a process works with, made as it is asked for."""

    def __init__(self, settings: Settings, *, pool_size: int = 10) -> None:
        self.settings = settings
        self._pool_size = pool_size
        self._following_pool: ConnectionPool | None = None

    @cached_property
    def pool(self) -> ConnectionPool:
        return open_pool(database_urls(self.settings).application, size_max=self._pool_size)

    @cached_property
    def keyring(self) -> Keyring:
        return open_keyring(self.settings, database_urls(self.settings).application)

    @cached_property
    def store(self) -> EventStore:
        return EventStore.open(self.pool, self.keyring)

    @cached_property
    def hasty(self) -> Hasty:
        pool = open_pool(
            database_urls(self.settings).application,
            size_max=HASTY_CONNECTIONS_MAX,
            statement_timeout_milliseconds=int(HASTY_SECONDS_MAX * 1000),
            wait_seconds_max=HASTY_SECONDS_MAX,
            name="daystar-hasty",
        )
        return Hasty(pool, EventStore.open(pool, self.keyring), self._short_codes(pool))

    @cached_property
    def key_check(self) -> KeyCheck:
        return KeyCheck(self.store)

    @cached_property
    def idempotency(self) -> IdempotencyKeys:
        return IdempotencyKeys(self.pool, self.keyring)

    @cached_property
    def rate_limiter(self) -> RateLimiter:
        return RateLimiter(self.pool, limit=self.settings.rate_limit)

    @cached_property
    def usage(self) -> UsageLog:
        return UsageLog(self.pool)

    @cached_property
    def change_feed(self) -> ChangeFeed:
        return ChangeFeed(self.pool, waiters_max=self.settings.web_threads // 2)

    @cached_property
    def endpoint_secrets(self) -> EndpointSecrets:
        return EndpointSecrets(self.pool, self.keyring, partial(valid_secrets, self.pool))

    @cached_property
    def delivery_log(self) -> DeliveryLog:
        return DeliveryLog(self.pool)

    @cached_property
    def answers(self) -> AnswerMemory:
        return AnswerMemory()

    @cached_property
    def exports(self) -> Exports:
        pool = open_pool(
            database_urls(self.settings).application,
            size_max=EXPORTS_MAX,
            statement_timeout_milliseconds=EXPORT_TIMEOUT_MILLISECONDS,
            name="daystar-export",
        )
        return Exports(pool, at_once_max=EXPORTS_MAX)

    @cached_property
    def callbacks(self) -> CallbackStore:
        return CallbackStore(self.pool, self.keyring)

    @cached_property
    def short_codes(self) -> ShortCodes:
        """The co-operative's paybills and tills, and a Daraja client for each."""
        return self._short_codes(self.pool)

    def _short_codes(self, pool: ConnectionPool) -> ShortCodes:
        configured = self.settings.mpesa
        if configured is not None and self.settings.mpesa_is_simulated:
            configured = replace(configured, initiator=self._simulated_initiator())
        return ShortCodes(
            configured,
            pool,
            self.keyring,
            make_client=self._daraja_client,
            pays_from=self.settings.payouts.pays_from,
        )

    def _simulated_initiator(self) -> Initiator:
        return Initiator(
            name=INITIATOR_NAME,
            password=INITIATOR_PASSWORD,
            certificate_pem=certificate_pem(self.settings.data_directory),
        )

    def _daraja_client(self, credentials: Credentials) -> DarajaClient:
        tokens = DatabaseTokens(credentials, self.pool, self.keyring)
        return DarajaClient(credentials, tokens, clock=clock.now)

    def following_pool(self) -> ConnectionPool:
        """Connections for whoever reads the log in large batches."""
        if self._following_pool is None:
            self._following_pool = open_pool(
                database_urls(self.settings).application,
                size_max=2,
                statement_timeout_milliseconds=FOLLOWER_TIMEOUT_MILLISECONDS,
                name="daystar-follow",
            )
        return self._following_pool

    def follower(self) -> Follower:
        pool = self.following_pool()
        reader = LogReader(pool, PersonalKeys(pool, self.keyring))
        return Follower(pool, reader, READ_MODELS.values())

    def intake(self) -> Intake:
        paybill = Paybill(self.settings.paybill.rules, self.short_codes)
        return Intake(self.store, self.callbacks, {**CALLBACK_KINDS, "c2b": paybill.kind()})

    def push_sender(self) -> PushSender:
        return PushSender(
            self.store,
            DueRequests(self.pool, PUSH),
            self.short_codes,
            callback_url=self.stk_callback_url,
        )

    def push_watch(self) -> PushWatch:
        due = DueRequests(self.pool, PUSH)
        return PushWatch(self.store, due, self.short_codes, self.settings.patience)

    def payout_sender(self) -> PayoutSender:
        fresh_seconds = self.settings.payouts.patience.float_seconds
        return PayoutSender(
            self.store,
            DueRequests(self.pool, PAYOUT),
            self.short_codes,
            utility=PayoutFloat(self.pool, fresh_seconds=fresh_seconds),
            addresses=self.payout_addresses,
        )

    def payout_watch(self) -> PayoutWatch:
        return PayoutWatch(
            self.store,
            DueRequests(self.pool, PAYOUT),
            self.short_codes,
            self.settings.payouts.patience,
            addresses=self.payout_addresses,
        )

    @cached_property
    def consuming(self) -> ConsumingServices:
        return ConsumingServices(self)

    @cached_property
    def webhooks(self) -> WebhookServices:
        return WebhookServices(self)

    @cached_property
    def reconciliation(self) -> ReconciliationServices:
        return ReconciliationServices(self)

    def daily_round(self) -> DailyRound:
        return DailyRound(self.store, self.pool)

    @cached_property
    def payout_addresses(self) -> PayoutAddresses:
        return PayoutAddresses(self.settings.public_url, self.keyring)

    def stk_callback_url(self, push_id: UUID) -> str:
        """Where Safaricom is to tell what became of a push."""
        return f"{self.settings.public_url}/hooks/stk/{self.keyring.callback_token('stk', push_id)}"

    def paybill_url(self, short_code: str, part: str) -> str:
        """Where Safaricom is to tell of payments to a short code, or to ask (`part`)."""
        token = self.keyring.callback_token("c2b", short_code_id(short_code))
        return f"{self.settings.public_url}/hooks/c2b/{token}/{part}"

    def close(self) -> None:
        usage: UsageLog | None = vars(self).get("usage")
        if usage is not None:
            usage.close()
        exports: Exports | None = vars(self).get("exports")
        export_pool = exports.pool if exports is not None else None
        hasty: Hasty | None = vars(self).get("hasty")
        hasty_pool = hasty.pool if hasty is not None else None
        for pool in (vars(self).get("pool"), self._following_pool, export_pool, hasty_pool):
            if pool is not None:
                pool.close()
