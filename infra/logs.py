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

# Phone numbers, callback tokens and API keys, wherever in a text they stand.
_MASKS = (
    (re.compile(r"(?<!\d)(?:\+?254|0)[17]\d{6}(\d{2})(?!\d)"), r"[phone ..\1]"),
    (re.compile(r"ws_CO_\w+"), "[checkout request]"),
    (re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])"), "[token]"),
    (re.compile(r"(?i)(api_key=|bearer\s+)[^\s&\"']+"), r"\1[key]"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "[e-mail]"),
)


def masked(text: str) -> str:
    """The text without what must not be written down."""
    for pattern, replacement in _MASKS:
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
