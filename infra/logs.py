"""Logs: one JSON object a line, an event name and fields, nothing personal in clear.

Masking is the last line of defence: whoever logs should not have a phone number at hand at all.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import orjson
import structlog

_PHONE = re.compile(r"(?<!\d)(?:\+?254|0)[17]\d{6}(\d{2})(?!\d)")
# Some of our own ids hold digits in a row that could be a phone number; masked, such an id would be
# lost to whoever follows it.
_ID = r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])"
_ID_OR_PHONE = re.compile(f"({_ID})|{_PHONE.pattern}")
_TOKEN = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
# What else must not be told, and the words without which it cannot be there: looking for those
# first makes a line several times cheaper.
_MASKS = (
    (("ws_co_",), re.compile(r"ws_CO_\w+"), "[checkout request]"),
    (
        ("api_key=", "bearer"),
        re.compile(r"(?i)(api_key=|bearer\s+)[^\s&\"']+"),
        r"\1[key]",
    ),
    (("@",), re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "[e-mail]"),
)


def masked(text: str) -> str:
    """The text without what must not be written down, wherever in it that stands."""
    if _PHONE.search(text):
        text = _ID_OR_PHONE.sub(lambda found: found[1] or f"[phone ..{found[2]}]", text)
    text = _TOKEN.sub("[token]", text)
    lowered = text.lower()
    for words, pattern, replacement in _MASKS:
        if any(word in lowered for word in words):
            text = pattern.sub(replacement, text)
    return text


def _rendered(_logger: Any, _method: str, fields: Any) -> str:
    """The line itself, masked as a whole: nothing nested escapes."""
    return masked(orjson.dumps(fields, default=str).decode())


def configure_logs(*, process: str) -> None:
    """Send everything, the libraries' own lines included, to standard error as JSON."""

    def name_process(_logger: Any, _method: str, fields: Any) -> Any:
        fields["process"] = process
        return fields

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        name_process,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, _rendered],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _rendered],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # Of brokers that are away it says each second much that our own lines say once.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
