"""Whole lists as files: CSV for spreadsheets and importers, NDJSON for programs.

The same rows as the pages', in the same order, all of one moment, which `Daystar-Position` names.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import orjson
from flask import Response

from app.auth import services
from app.blueprint import Blueprint
from app.problems import Problem
from projections.export import Export, ExportsBusy
from projections.listing import Listing

Function = TypeVar("Function", bound=Callable[..., Any])
CSV = "text/csv"
NDJSON = "application/x-ndjson"
FORMATS = {"csv": CSV, "ndjson": NDJSON}
BUSY_SECONDS = 5
_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ExportFile:
    """The body of an answer, made as it is sent. The server closes it, sent or not."""

    def __init__(self, export: Export, write: Callable[[list[str]], bytes], head: bytes) -> None:
        self._export = export
        self._chunks = self._made(write, head)

    def _made(self, write: Callable[[list[str]], bytes], head: bytes) -> Iterator[bytes]:
        if head:
            yield head
        yield from map(write, self._export.batches())
        self.close()  # the connection need not wait until the last byte is sent

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        self._export.close()


def as_files(blueprint: Blueprint) -> Callable[[Function], Function]:
    """Say of a view that it also answers with its whole list as a file."""

    def decorate(function: Function) -> Function:
        for content_type in FORMATS.values():
            function = blueprint.alt_response(
                200, schema={"type": "string"}, content_type=content_type, success=True
            )(function)
        return function

    return decorate


def export_answer(listing: Listing, wanted: str, filters: Mapping[str, Any]) -> Response:
    """The whole list as a file of the wanted format."""
    try:
        export = services().exports.begin(listing, filters)
    except ExportsBusy as error:
        raise Problem(
            503,
            "exports_busy",
            f"Other exports are under way; ask again in {BUSY_SECONDS} seconds.",
            headers={"Retry-After": str(BUSY_SECONDS)},
        ) from error
    if wanted == "csv":
        body = ExportFile(export, _csv_lines, _csv_line(export.columns))
    else:
        body = ExportFile(export, _json_lines, b"")
    return Response(
        body,
        content_type=f"{FORMATS[wanted]}; charset=utf-8",
        headers={
            "Daystar-Position": str(export.position),
            "Content-Disposition": f'attachment; filename="{listing.plural}.{wanted}"',
        },
    )


def _json_lines(rows: list[str]) -> bytes:
    return "\n".join([*rows, ""]).encode()


def _csv_lines(rows: list[str]) -> bytes:
    lines = io.StringIO(newline="")
    writer = csv.writer(lines)
    writer.writerows(map(_cell, orjson.loads(row).values()) for row in rows)
    return lines.getvalue().encode()


def _csv_line(cells: Sequence[str]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()


def _cell(value: Any) -> Any:
    """A cell as a spreadsheet may open it: text that it would reckon is told to be text."""
    if isinstance(value, str) and value.startswith(_BEGINS_A_FORMULA) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    """A decimal as we write amounts: `-1500.00`."""
    digits = text.removeprefix("-")
    whole, _, places = digits.partition(".")
    return digits.isascii() and whole.isdigit() and (places.isdigit() or digits == whole)
