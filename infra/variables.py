"""Environment variables, each declared once, where it is read: its name, its default, what it is.

`Variables` reads them and remembers what it was told: README's table of settings and `daystar
settings` are made of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from environs import Env
from marshmallow.validate import Range
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

MASK = "***"
_Choice = TypeVar("_Choice", bound=Enum)


@dataclass(frozen=True)
class Variable:
    """One variable: what it is called, what it is, its default in words, and its value in force.

    Words are Markdown. `value` is fit to be shown: a secret is masked. It is empty where there is
    none.
    """

    name: str
    about: str
    default: str
    value: str
    is_set: bool


class Variables:
    """The variables of this process. Each may be asked for once.

    Errors are those of `environs`; they name the variable and what it should be.
    """

    def __init__(self) -> None:
        self._env = Env()
        self.declared: list[Variable] = []

    def text(self, name: str, default: str, about: str, *, otherwise: str | None = None) -> str:
        """A text; an empty one is as good as none.

        `otherwise` tells the default in words where it is not the same everywhere.
        """
        value: str = self._env.str(name, default) or default
        self._declare(name, about, value, otherwise=otherwise or f"`{default}`")
        return value

    def optional(
        self, name: str, about: str, *, otherwise: str = "", is_secret: bool = False
    ) -> str | None:
        """A text that may be missing. An empty one is."""
        value: str | None = self._env.str(name, None) or None
        shown = MASK if value and is_secret else value or ""
        self._declare(name, about, shown, otherwise=otherwise)
        return value

    def database(self, name: str, about: str, *, otherwise: str) -> str | None:
        """Where a database is, as libpq is told it. It may hold a password."""
        value: str | None = self._env.str(name, None) or None
        shown = without_password(value) if value else ""
        self._declare(name, about, shown, otherwise=otherwise)
        return value

    def choice(
        self, name: str, default: _Choice, about: str, *, otherwise: str, kind: type[_Choice]
    ) -> _Choice:
        """One of a few words."""
        value: _Choice = self._env.enum(name, default, enum=kind, by_value=True)
        self._declare(name, about, value.value, otherwise=otherwise)
        return value

    def whole(self, name: str, default: int, about: str, *, within: Range) -> int:
        """A whole number."""
        value: int = self._env.int(name, default, validate=within)
        self._declare(name, about, str(value), otherwise=f"`{default}`")
        return value

    def seconds(self, name: str, default: float, about: str) -> float:
        """A time in seconds."""
        value: float = self._env.float(name, default)
        self._declare(name, about, f"{value:g}", otherwise=f"`{default:g}`")
        return value

    def pauses(self, name: str, default: tuple[float, ...], about: str) -> tuple[float, ...]:
        """Times in seconds, one after another."""
        value = tuple(self._env.list(name, list(default), subcast=float))
        self._declare(name, about, _commas(value), otherwise=f"`{_commas(default)}`")
        return value

    def _declare(self, name: str, about: str, shown: str, *, otherwise: str) -> None:
        assert name not in {variable.name for variable in self.declared}, "declared once"
        is_set = self._env.str(name, None) is not None
        self.declared.append(Variable(name, about, otherwise, shown, is_set))


def without_password(conninfo: str) -> str:
    """A database's address that may be shown."""
    try:
        told = conninfo_to_dict(conninfo)
    except ProgrammingError:
        return MASK
    return make_conninfo(
        "", **{name: MASK if "password" in name else value for name, value in told.items()}
    )


def _commas(seconds: tuple[float, ...]) -> str:
    return ",".join(f"{pause:g}" for pause in seconds)
