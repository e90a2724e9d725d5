"""Logs as lines of text: time, level, what happened, then key=value. No record carries a key or a password."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class TextFormatter(logging.Formatter):
    """`2026-01-19T04:30:00Z INFO reported at=1768797000 markets=6`."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        extra = [
            f"{name}={value}" for name, value in vars(record).items() if name not in _STANDARD and value is not None
        ]
        # One line, whatever a node says.
        line = " ".join(" ".join([time, record.levelname, record.getMessage(), *extra]).split())
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def setup(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Sends the keeper's records to `stream` (stderr by default). Libraries speak from warnings on: the URLs that an
    HTTP client logs may hold credentials."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("truemark_keeper").setLevel(level)
    logging.getLogger("truemark").setLevel(level)
