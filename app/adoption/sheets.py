"""Reading a file that somebody else wrote: strictly, and saying all that is wrong with it.

A sheet names its columns. What is said of a wrong value is where it stands and how it should be,
never the value itself: these are files full of persons.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.errors import InvalidInput

FILE_BYTES_MAX = 64_000_000
ROWS_MAX = 200_000
FIELD_LENGTH_MAX = 400


@dataclass(frozen=True)
class Column:
    """One column: how its text is read, and what a person should write there."""

    name: str
    read: Callable[[str, str], Any]
    says: str
    optional: bool = False


@dataclass(frozen=True)
class Fault:
    """What is wrong with a line, and where."""

    line: int
    column: str
    sentence: str


@dataclass(frozen=True)
class Row:
    """One line as read. Values are None where an optional column is empty."""

    line: int
    values: Mapping[str, Any]
    faults: tuple[Fault, ...] = ()


def read_rows(path: Path, columns: tuple[Column, ...]) -> Iterator[Row]:
    """The lines of a CSV file: UTF-8, commas, a header with the column names in any order.

    Raises:
        InvalidInput: the file as a whole cannot be read.
    """
    if path.stat().st_size > FILE_BYTES_MAX:
        raise InvalidInput("file", f"The file is larger than {FILE_BYTES_MAX:,} bytes.")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            names = _header(next(reader, []), columns)
            for number, fields in enumerate(reader, 1):
                if number > ROWS_MAX:
                    raise InvalidInput("file", f"The file holds more than {ROWS_MAX:,} rows.")
                if any(field.strip() for field in fields):
                    yield _row(reader.line_num, names, fields, columns)
        except UnicodeDecodeError as error:
            raise InvalidInput("file", "The file is not UTF-8; save it as CSV UTF-8.") from error
        except csv.Error as error:
            sentence = f"Line {reader.line_num} is not CSV: a quote is not closed, or misplaced."
            raise InvalidInput("file", sentence) from error


def _header(fields: list[str], columns: tuple[Column, ...]) -> list[str]:
    names = [field.strip() for field in fields]
    known = {column.name for column in columns}
    if len(set(names)) != len(names):
        raise InvalidInput("file", "The header names a column twice.")
    unknown = [number for number, name in enumerate(names, 1) if name not in known]
    if unknown:
        where = ", ".join(map(str, unknown[:10]))
        raise InvalidInput(
            "file",
            f"The header's columns number {where} are unknown; the file may have:"
            f" {', '.join(column.name for column in columns)}.",
        )
    missing = [
        column.name for column in columns if not column.optional and column.name not in names
    ]
    if missing:
        raise InvalidInput("file", f"The header lacks {', '.join(missing)}.")
    return names


def _row(line: int, names: list[str], fields: list[str], columns: tuple[Column, ...]) -> Row:
    if len(fields) != len(names):
        sentence = f"The line has {len(fields)} fields and the header {len(names)}."
        return Row(line, {}, (Fault(line, "-", sentence),))
    texts = dict(zip(names, fields, strict=True))
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for column in columns:
        try:
            values[column.name] = _value(column, texts.get(column.name, "").strip())
        except InvalidInput as error:
            faults.append(Fault(line, column.name, error.sentence))
    return Row(line, values, tuple(faults))


def _value(column: Column, text: str) -> Any:
    if not text:
        if not column.optional:
            raise InvalidInput(column.name, "It is empty.")
        return None
    if len(text) > FIELD_LENGTH_MAX or not text.isprintable():
        raise InvalidInput(
            column.name, f"Give at most {FIELD_LENGTH_MAX} printable characters on one line."
        )
    return column.read(text, column.name)
