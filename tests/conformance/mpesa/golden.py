"""Everything that Safaricom is known to have said, and what must be made of each of it.

`tests/golden/daraja` holds the payloads as recorded in public (issues and test suites of
integrations) or as Safaricom's own documentation prints them, with private numbers and names
replaced; `expectations.json` says what a correct reader concludes.
"""

from __future__ import annotations

import json
from pathlib import Path

GOLDEN = Path(__file__).parents[2] / "golden" / "daraja"
EXPECTED = json.loads((GOLDEN / "expectations.json").read_text())


def names_of(*kinds: str) -> list[str]:
    return sorted(name for name, row in EXPECTED.items() if row["kind"] in kinds)


def body_of(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()
