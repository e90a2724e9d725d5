"""Shows a long build: a bar on a terminal, a plain line every half minute in a log."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

#: Seconds between two lines where there is no terminal: enough to see that it lives.
PLAIN_EVERY = 30.0


class Reporter(Protocol):
    """What a build tells while it runs."""

    def say(self, line: str) -> None: ...

    def start(self, name: str, hint: str) -> None: ...

    def advance(self, done: int, total: int, what: str) -> None: ...

    def finish(self) -> None: ...


class Silent:
    """Says nothing."""

    def say(self, line: str) -> None:
        pass

    def start(self, name: str, hint: str) -> None:
        pass

    def advance(self, done: int, total: int, what: str) -> None:
        pass

    def finish(self) -> None:
        pass


class ConsoleReporter:
    """A Rich bar on a terminal, plain lines elsewhere; use as a context manager."""

    def __init__(self, console: Console, every: float = PLAIN_EVERY) -> None:
        self._console = console
        self._every = every
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("[dim]{task.fields[what]}"),
                console=console,
                transient=True,
            )
        self._task: TaskID | None = None
        self._name = ""
        self._started = 0.0
        self._last_line = 0.0

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def start(self, name: str, hint: str) -> None:
        self._name = name
        self._started = self._last_line = time.monotonic()
        if self._bar is None:
            self.say(f"{name}: {hint}")
        else:
            self._task = self._bar.add_task(name, total=None, what=hint)

    def advance(self, done: int, total: int, what: str) -> None:
        """Called for every step, and now and then without one, so that a plain log shows life."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total or None, what=what)
            return
        now = time.monotonic()
        if now - self._last_line >= self._every:
            self._last_line = now
            said = [f"{done}/{total} crates"] if total else []
            self.say(f"{self._name}: {', '.join([*said, _minutes(now - self._started), *([what] if what else [])])}")

    def finish(self) -> None:
        took = _minutes(time.monotonic() - self._started)
        if self._bar is not None and self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
        self.say(f"{self._name}: ready ({took})")


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60} s"
