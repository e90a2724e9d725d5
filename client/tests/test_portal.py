"""Sync twins: the same methods as the async classes, waiting on a loop in another thread."""

from __future__ import annotations

import asyncio
import inspect
import threading

import pytest
from truemark._portal import PORTAL, SyncTwin, sync
from truemark.explorer import AsyncExplorer, Explorer


class AsyncCounter:
    def __init__(self) -> None:
        self.count = 0
        self.thread: threading.Thread | None = None

    async def aclose(self) -> None:
        self.count = -1

    async def add(self, amount: int, *, times: int = 1) -> int:
        """Adds."""
        await asyncio.sleep(0)
        self.thread = threading.current_thread()
        self.count += amount * times
        return self.count

    async def fail(self) -> None:
        raise LookupError("nothing there")


class Counter(SyncTwin[AsyncCounter]):
    def __init__(self) -> None:
        self._twin = AsyncCounter()

    add = sync(AsyncCounter.add)
    fail = sync(AsyncCounter.fail)


def test_a_sync_method_gives_and_raises_what_the_async_one_does() -> None:
    with Counter() as counter:
        assert counter.add(2) == 2
        assert counter.add(3, times=2) == 8
        assert counter._twin.thread is not threading.current_thread()
        with pytest.raises(LookupError, match="nothing there"):
            counter.fail()
    assert counter._twin.count == -1
    assert Counter.add.__doc__ == "Adds."
    assert counter.add.__name__ == "add"


async def test_a_sync_method_works_while_the_callers_own_loop_runs() -> None:
    assert Counter().add(1) == 1


def test_a_sync_method_inside_the_portal_is_refused_instead_of_waiting_for_ever() -> None:
    async def inside() -> int:
        return Counter().add(1)

    with pytest.raises(RuntimeError, match="use the async class"):
        PORTAL.run(inside())


def test_calls_from_many_threads_share_one_loop() -> None:
    counter = Counter()
    threads = [threading.Thread(target=counter.add, args=(1,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.add(0) == 20


def test_the_explorers_twin_has_every_method() -> None:
    # `contract` gives an object that is async itself; `read` is its sync form.
    for name, method in inspect.getmembers(AsyncExplorer, inspect.iscoroutinefunction):
        if not name.startswith("_") and name not in ("aclose", "contract"):
            assert getattr(Explorer, name).__wrapped__ is method
