"""Apache Kafka's jars for a broker of our own, fetched by Maven once and remembered after.

A developer's machine and the tests need them; a production has brokers that others keep.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from infra.kafka.errors import NoKafka

JAVA_VERSION_MIN = 17
RESOLVE_SECONDS_MAX = 900.0
POM = Path(__file__).with_name("pom.xml")
_HOW_TO_GET_IT = (
    f"A Kafka of our own needs Java {JAVA_VERSION_MIN} or later and Maven (`java` and `mvn` on the"
    " PATH; Debian: apt-get install openjdk-17-jre-headless maven)"
)


def java() -> str:
    """The Java program.

    Raises:
        NoKafka: there is none.
    """
    found = shutil.which("java")
    if found is None:
        raise NoKafka(f"{_HOW_TO_GET_IT}; there is no `java`.")
    return found


def classpath(memory: Path) -> str:
    """The jars, as Java is told them. `memory` is a folder that remembers them.

    Raises:
        NoKafka: Maven is missing, or could not fetch them.
    """
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    remembered = memory / f"classpath-{digest}"
    if remembered.exists():
        jars = remembered.read_text()
        if all(Path(jar).exists() for jar in jars.split(os.pathsep)):
            return jars
    memory.mkdir(parents=True, exist_ok=True)
    maven = shutil.which("mvn")
    if maven is None:
        raise NoKafka(f"{_HOW_TO_GET_IT}; there is no `mvn`.")
    made = memory / f"classpath-{digest}.{os.getpid()}"
    failed = ""
    for offline in (["--offline"], []):  # what was fetched before needs no network
        failed = _resolve(maven, offline, made)
        if not failed:
            made.rename(remembered)
            return remembered.read_text()
    raise NoKafka(f"{_HOW_TO_GET_IT}; Maven could not fetch it: {failed}")


def _resolve(maven: str, options: list[str], file: Path) -> str:
    """Let Maven write the class path. Answers what went wrong, or nothing."""
    goal = [
        "dependency:build-classpath",
        f"-Dmdep.outputFile={file}",
        "-Dmdep.includeScope=runtime",
    ]
    try:
        outcome = subprocess.run(  # noqa: S603 - a program of the PATH, no shell
            [maven, "--quiet", "--batch-mode", *options, f"--file={POM}", *goal],
            capture_output=True,
            text=True,
            timeout=RESOLVE_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {RESOLVE_SECONDS_MAX:.0f} seconds"
    if outcome.returncode == 0 and file.exists():
        return ""
    errors = [line for line in outcome.stdout.splitlines() if line.startswith("[ERROR]")]
    return (errors or ["it said nothing"])[0][:500]
