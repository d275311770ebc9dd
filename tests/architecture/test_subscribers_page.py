"""README's page for subscribers shows the very programs that are run against us."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "tests" / "conformance" / "clients"


@pytest.mark.parametrize(
    ("language", "program"),
    [("python", "webhooks_receiver.py"), ("js", "webhooks_node/client.js")],
)
def test_the_programs_of_the_page_are_those_that_make_clients_runs(language, program):
    block = f"```{language}\n{(CLIENTS / program).read_text()}```\n"
    assert block in (ROOT / "README.md").read_text()
