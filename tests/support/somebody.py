"""Somebody whose traces can be told from everybody else's, and where to look for them."""

from __future__ import annotations

import re
import subprocess

from infra.postgres.embedded_installation import wheel_installation

PERSON = {
    "first_name": "Zawadixq",
    "last_name": "Kiplimoxq",
    "phone": "0722 913 057",
    "email": "zawadixq@kiplimo.example",
    "id_number": "39174628",
}
OTHER_PHONE = "+254 733 915 246"
SUSPENSION = "said qwendolo lies"
PURPOSE = "school fees for little vrenzika"
TRACES = (
    *("zawadixq", "kiplimo", "39174628", "qwendolo", "vrenzika", "ws_co_"),
    *("722913057", "722 913 057", "733915246", "733 915 246"),
)
_BYTEA = re.compile(r"\\\\x((?:[0-9a-f]{2})+)")


def dump(owner_url):
    """The whole database as SQL text, and what every bytea in it says."""
    program = wheel_installation() / "bin" / "pg_dump"
    text = subprocess.run(
        [program, "--dbname", owner_url], capture_output=True, text=True, check=True
    ).stdout
    assert "COPY event_store.events" in text
    said = "".join(bytes.fromhex(found).decode("latin-1") for found in _BYTEA.findall(text))
    return text + said


def traces(text):
    return [trace for trace in TRACES if trace in text.lower()]
