"""JSON Schemas (2020-12) of the public types: made from the table, kept beside it, never changed.

`schemas/` holds one file for each version there ever was.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import orjson

from infra.errors import InfrastructureError
from projections.public_events.public_type import ID, MOMENT, PublicType
from projections.public_events.table import TYPES

_FOLDER = "schemas"


class SchemaChanged(InfrastructureError):
    """A published schema would become another."""


def schema_of(kind: PublicType) -> dict[str, Any]:
    """What every item of this type is."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.name,
        "description": kind.about,
        **_exactly(
            {
                "id": {"type": "string", "pattern": "^[0-9]+-[0-9]+$"},
                "type": {"const": kind.name},
                "version": {"const": kind.version},
                "subject": ID,
                "position": {"type": "integer", "minimum": 0},
                "occurred_at": MOMENT,
                "data": _exactly(dict(kind.data)),
            }
        ),
    }


def _exactly(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def made() -> dict[str, bytes]:
    """Today's schemas as files, by name."""
    return {
        f"{kind.name}.v{kind.version}.json": orjson.dumps(
            schema_of(kind), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        )
        for kind in TYPES.values()
    }


def kept() -> dict[str, bytes]:
    """The schema of every version there ever was, by the file's name."""
    folder = resources.files(__package__).joinpath(_FOLDER)
    return {
        file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith(".json")
    }


def export(folder: Path) -> list[str]:
    """Write what is not there yet: all that is kept, and all that is new. Answers the new files.

    Raises:
        SchemaChanged: a file is there and says something else.
    """
    wanted = kept() | made()
    changed = [
        name
        for name, text in sorted(wanted.items())
        if (folder / name).exists() and (folder / name).read_bytes() != text
    ]
    if changed:
        raise SchemaChanged(
            f"{', '.join(changed)}: a published schema never changes. Raise the version of the"
            " type; the old file stays."
        )
    folder.mkdir(parents=True, exist_ok=True)
    new = [name for name in sorted(wanted) if not (folder / name).exists()]
    for name in new:
        (folder / name).write_bytes(wanted[name])
    return new
