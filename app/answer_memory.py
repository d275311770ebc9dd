"""What a process answered lately, while the read models it was read from stand still."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

ANSWERS_KEPT_MAX = 200
ANSWER_BYTES_MAX = 100_000  # a page of a hundred loans is some 70,000

_Question = tuple[Any, ...]


@dataclass
class _Remembered:
    """The answers of one read model, all at one position: the next position forgets them."""

    position: int = -1
    answers: OrderedDict[_Question, bytes] = field(default_factory=OrderedDict)


class AnswerMemory:
    """What was answered lately, at most so many answers for each read model."""

    def __init__(self) -> None:
        self._by_schema: dict[str, _Remembered] = {}
        self._lock = threading.Lock()

    def knows(self, schema: str, question: _Question) -> bool:
        """Whether it is worth asking for the position."""
        remembered = self._by_schema.get(schema)
        return remembered is not None and question in remembered.answers

    def recall(self, schema: str, question: _Question, position: int) -> bytes | None:
        """The answer at this position; what was answered at another is forgotten."""
        with self._lock:
            remembered = self._by_schema.setdefault(schema, _Remembered())
            if remembered.position != position:
                self._by_schema[schema] = _Remembered(position)
                return None
            body = remembered.answers.get(question)
            if body is not None:
                remembered.answers.move_to_end(question)
            return body

    def keep(self, schema: str, question: _Question, position: int, body: bytes) -> None:
        """Remember an answer, unless it is large or of an earlier position than others here."""
        if len(body) > ANSWER_BYTES_MAX:
            return
        with self._lock:
            remembered = self._by_schema.setdefault(schema, _Remembered(position))
            if position != remembered.position:
                remembered = self._by_schema[schema] = _Remembered(position)
            remembered.answers[question] = body
            while len(remembered.answers) > ANSWERS_KEPT_MAX:
                remembered.answers.popitem(last=False)
