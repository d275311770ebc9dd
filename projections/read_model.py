"""What a read model is: its tables, and what each event does to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import LiteralString

from infra.event_store.reader import RecordedEvent
from projections.rows import Rows

Fold = Callable[[RecordedEvent, Mapping[str, Rows]], None]


@dataclass(frozen=True)
class ReadModel:
    """One schema, filled from the log alone; it can be dropped and rebuilt at any time.

    `tables` is the SQL that makes the tables inside the schema (`{schema}` stands for its name),
    `indexes` what is added once a rebuild has filled them, `keys` the key column of each table,
    `folds` what each topic does to the rows.
    """

    name: str
    tables: LiteralString
    indexes: LiteralString
    keys: Mapping[str, str]
    folds: Mapping[str, Fold]

    @property
    def topics(self) -> frozenset[str]:
        """The topics it cares for."""
        return frozenset(self.folds)

    def rows(self, schema: str) -> dict[str, Rows]:
        """Empty row sets for its tables in a schema."""
        return {
            table: Rows(schema=schema, table=table, key=key) for table, key in self.keys.items()
        }
