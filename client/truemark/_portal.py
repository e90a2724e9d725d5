"""Async classes for callers without an event loop: one loop in a background thread, and methods that wait for it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

P = ParamSpec("P")
R = TypeVar("R")


class Closable(Protocol):
    async def aclose(self) -> None: ...


A = TypeVar("A", bound=Closable)


class Portal:
    """An event loop in a daemon thread, started at the first call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Waits for a coroutine on the portal's loop. An interrupt cancels it.

        Raises:
            RuntimeError: called from a coroutine of the portal itself, which would wait for ever.
        """
        loop = self._running()
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a sync method was called inside the event loop that it waits for; use the async class")
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            # A forked child has the object but not the thread.
            if self._loop is None or self._pid != os.getpid():
                self._loop = asyncio.new_event_loop()
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._loop.run_forever, name="truemark", daemon=True)
                self._thread.start()
            return self._loop


#: One for the process: all sync objects share its thread.
PORTAL = Portal()


class SyncTwin(Generic[A]):
    """Base of a sync class: holds the async object that does the work. Use as `with` or call `close`."""

    _twin: A

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        PORTAL.run(self._twin.aclose())


class sync(Generic[P, R]):  # noqa: N801 - reads as a keyword where it is used
    """A method of an async class as a method of its sync twin, with the same parameters and result:

    class Explorer(SyncTwin[AsyncExplorer]):
        block = sync(AsyncExplorer.block)
    """

    def __init__(self, method: Callable[Concatenate[Any, P], Awaitable[R]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__
        self.__wrapped__ = method

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...

    @overload
    def __get__(self, instance: SyncTwin[Any], owner: type[Any]) -> Callable[P, R]: ...

    def __get__(self, instance: SyncTwin[Any] | None, owner: type[Any]) -> Self | Callable[P, R]:
        if instance is None:
            return self

        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            async def work() -> R:
                return await self._method(instance._twin, *args, **kwargs)

            return PORTAL.run(work())

        call.__doc__ = self.__doc__
        call.__name__ = getattr(self._method, "__name__", "call")
        return call
