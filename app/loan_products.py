"""The file that says what the co-operative lends: read, and made events of."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

from domain.errors import InvalidInput
from domain.loans.commands import DefineLoanProduct

OUR_PRODUCTS = Path(__file__).parent / "demo_data" / "loan_products.toml"
PRODUCTS_MAX = 100
_BYTES_MAX = 1_000_000
_KEYS = {"code": str, "name": str, "valid_from": date, "terms": dict}


def read_loan_products(path: Path) -> list[DefineLoanProduct]:
    """The products of a TOML file, each an entry `[[product]]`.

    Raises:
        InvalidInput: says which entry is wrong, and how it should be.
    """
    if path.stat().st_size > _BYTES_MAX:
        raise InvalidInput("file", f"{path.name} is larger than a million bytes.")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput("file", f"{path.name} is not TOML: {error}.") from error
    entries = content.pop("product", None)
    if content or not isinstance(entries, list) or not 0 < len(entries) <= PRODUCTS_MAX:
        raise InvalidInput("product", f"Give 1 to {PRODUCTS_MAX} entries [[product]], no other.")
    return [_product(number, entry) for number, entry in enumerate(entries, 1)]


def _product(number: int, entry: Any) -> DefineLoanProduct:
    if not isinstance(entry, dict) or set(entry) != set(_KEYS):
        raise InvalidInput("product", f"Product {number}: give {', '.join(_KEYS)}, no other.")
    for name, kind in _KEYS.items():
        if type(entry[name]) is not kind:
            raise InvalidInput(name, f"Product {number}: {name} is no {kind.__name__}.")
    return DefineLoanProduct(entry["code"], entry["name"], entry["valid_from"], entry["terms"])
