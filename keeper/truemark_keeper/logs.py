"""Logs, a line each: text (time, level, what happened, key=value) or JSON. No record carries a key or a password."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from truemark.secrets import scrubbed

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
        return scrubbed(f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line)


class JsonFormatter(logging.Formatter):
    """`{"time": "2026-01-19T04:30:00.123Z", "level": "INFO", "message": "reported", "markets": 6}`."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, object] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in fields:
                fields[name] = value if isinstance(value, (int, float, bool, type(None))) else str(value)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps({name: scrubbed(v) if isinstance(v, str) else v for name, v in fields.items()})


def setup(level: int = logging.INFO, stream: TextIO | None = None, *, form: str = "text") -> None:
    """Sends the keeper's records to `stream` (stderr by default) as `form`, text or json. Libraries speak from warnings
    on: the URLs that an HTTP client logs may hold credentials."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("truemark_keeper").setLevel(level)
    logging.getLogger("truemark").setLevel(level)
