"""What is raised when something of Safaricom's makes no sense. No reason ever quotes the words."""

from __future__ import annotations

from infra.errors import InfrastructureError


class UnreadableCallback(InfrastructureError):
    """The body is not what is told at this address."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnreadableStatement(InfrastructureError):
    """The file is no statement that we know, or one of its rows makes no sense."""

    def __init__(self, reason: str, *, row: int | None = None) -> None:
        super().__init__(reason if row is None else f"row {row}: {reason}")
        self.reason = reason
        self.row = row  # as a spreadsheet counts: from 1, blank rows and heading included
