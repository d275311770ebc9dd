"""A figure, its peer or limit, and the table they make."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

ROUNDS = 3
_BEGIN, _END = "<!-- bench begins -->", "<!-- bench ends -->"


@dataclass(frozen=True)
class Figure:
    """One line of the table. `ratio` is ours by beside; `met` is whether the target was reached.

    A figure that only stands beside another has no target.
    """

    name: str
    ours: float
    beside: float | None
    ratio: float | None
    target: str
    met: bool | None


def medians(*measures: Callable[[], float]) -> list[float]:
    """The median of three rounds for each measure, taken in turn so that all share the weather."""
    rounds = [[measure() for measure in measures] for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def write_results(figures: list[Figure], *, path: Path) -> None:
    """`var/bench.json`, for machines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")


def table(figures: list[Figure]) -> str:
    """The same, for people."""
    lines = ["| what | ours | beside | ratio | target | met |", "|---|---:|---:|---:|---|---|"]
    for figure in figures:
        beside = _number(figure.beside) if figure.beside is not None else ""
        ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else ""
        met = {True: "yes", False: "no", None: ""}[figure.met]
        lines.append(
            f"| {figure.name} | {_number(figure.ours)} | {beside} | {ratio} | {figure.target}"
            f" | {met} |"
        )
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def write_readme(figures: list[Figure], *, path: Path) -> None:
    """Put the table between README's two marks."""
    before, _, rest = path.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    path.write_text(f"{before}{_BEGIN}\n{table(figures)}\n{_END}{after}")
