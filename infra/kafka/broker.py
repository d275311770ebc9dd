"""A real Apache Kafka of our own: one node (KRaft), for a developer's machine and the tests.

Its home is one folder: `data/` (what Kafka calls its log directory), `server.properties` (written
anew at each start) and `broker.log`. It listens on the loopback address only, where whoever asks
is answered: no place for a production's events.
"""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from infra.kafka.errors import BrokerNotStarted
from infra.kafka.installation import classpath, java

HEAP_MEGABYTES = 512
START_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 30.0
_POLL_SECONDS = 0.1
_LOG_TAIL_BYTES = 3_000
# A small machine's Java: quick to start, and content with one core.
_JAVA_OPTIONS = (
    f"-Xmx{HEAP_MEGABYTES}m",
    "-Xms128m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
    "-Dlog4j2.level=WARN",
)
_PROPERTIES = """\
# Written by daystar at each start.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""


@dataclass(frozen=True)
class Broker:
    """One broker with its data in `home`. It knows the same topics when it is started again.

    `memory` is the folder where it is remembered which jars it needs.
    """

    home: Path
    port: int
    memory: Path

    @property
    def address(self) -> str:
        """What clients are told as bootstrap server."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What the broker says."""
        return self.home / "broker.log"

    def command(self) -> list[str]:
        """Make its folders and its configuration ready. Answers what runs it.

        Raises:
            NoKafka: Java, Maven or the jars cannot be had.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        properties = self.home / "server.properties"
        properties.write_text(
            _PROPERTIES.format(
                port=self.port, controller_port=_free_port(), data=self.home / "data"
            )
        )
        program = [java(), *_JAVA_OPTIONS, "-cp", classpath(self.memory)]
        if not (self.home / "data" / "meta.properties").exists():
            self._format(program, properties)
        return [*program, "kafka.Kafka", str(properties)]

    def start(self) -> subprocess.Popen[bytes]:
        """Start it and wait until it answers.

        Raises:
            NoKafka: Java, Maven or the jars cannot be had.
            BrokerNotStarted: it ended, or does not answer.
        """
        command = self.command()
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - no shell
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise BrokerNotStarted(f"Kafka did not start: {self.log_tail()}")
            time.sleep(_POLL_SECONDS)
        return process

    def answers(self) -> bool:
        """Whether it serves clients at this moment."""
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                return False
        # Kafka's client takes a while to load, and most who import this module ask nothing.
        from kafka import KafkaAdminClient  # noqa: PLC0415
        from kafka.errors import KafkaError  # noqa: PLC0415

        with suppress(KafkaError):
            admin = KafkaAdminClient(bootstrap_servers=self.address, bootstrap_timeout_ms=2_000)
            try:
                return bool(admin.describe_cluster()["brokers"])
            finally:
                admin.close()
        return False

    def log_tail(self) -> str:
        """Its last words."""
        with suppress(FileNotFoundError):
            return self.log.read_text(errors="replace")[-_LOG_TAIL_BYTES:]
        return ""

    def _format(self, program: list[str], properties: Path) -> None:
        cluster = base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
        outcome = subprocess.run(  # noqa: S603 - no shell
            [*program, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)],
            capture_output=True,
            text=True,
            check=False,
        )
        if outcome.returncode != 0:
            raise BrokerNotStarted(f"Kafka could not prepare its folder: {outcome.stderr[-500:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a broker to end, and see to it."""
    process.terminate()
    try:
        process.wait(timeout=STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def become(broker: Broker) -> None:
    """Turn this process into the broker. Returns only by an exception."""
    command = broker.command()
    with broker.log.open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    os.execv(command[0], command)  # noqa: S606 - no shell


def _free_port() -> int:
    """For the controller, whom nobody but the broker asks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
