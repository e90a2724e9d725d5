"""What happens to a request at the gate: judged by the admission in force, timed by the clock, passed on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truemark_devnet.gate import admission as admissions
from truemark_devnet.gate.admission import ADMISSION_CLOSED, Admission
from truemark_devnet.gate.clock import Clock
from truemark_devnet.gate.messages import (
    INVALID_REQUEST,
    NODE_DOWN,
    PARSE_ERROR,
    Call,
    NotJson,
    dump,
    failure,
    is_write,
    method_of,
    parse,
)
from truemark_devnet.gate.relay import NoMessaging, Relay
from truemark_devnet.gate.upstream import NodeDown, NodeRefused, Upstream

log = logging.getLogger(__name__)

_JSON = {"content-type": "application/json"}
#: Written so in every request that writes, unless somebody goes out of his way to write it otherwise.
_WRITE_MARKS = (b"starknet_add", b"devnet_")


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str]


class Gate:
    """
    Args:
        upstream: the node.
        tick: see Clock.
        idle: with `tick`, seconds after which a chain that nobody writes to gets an empty block, for those who read.
            Seldom: with its full archive, devnet keeps a copy of the whole state for every block.
        l1: the Ethereum node; with it and `messaging`, the file that has the messaging contract's address, messages are
            carried when somebody asks for it.
        relay: seconds between two deliveries that nobody has to ask for.
        memory: where the admission is kept over restarts; None forgets it.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        tick: float | None = None,
        idle: float = 60.0,
        l1: Upstream | None = None,
        messaging: Path | None = None,
        relay: float | None = None,
        memory: Path | None = None,
    ) -> None:
        self.upstream = upstream
        self.clock = Clock(upstream, tick)
        self._idle = idle if tick is not None else None
        self._relay = Relay(upstream, l1, self.clock, messaging) if l1 is not None and messaging is not None else None
        self._relay_every = relay
        self._memory = memory
        self._admission = admissions.load(memory)
        #: Requests under way, by the admission (counted) that they were judged by.
        self._era = 0
        self._under_way: Counter[int] = Counter()
        self._progress = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def admission(self) -> Admission:
        return self._admission

    def start(self) -> None:
        """Starts what runs beside the requests."""
        if self._idle is not None:
            self._tasks.append(asyncio.create_task(self._every(self._idle, self.clock.freshen), name="gate.idle"))
        if self._relay is not None and self._relay_every is not None:
            self._tasks.append(
                asyncio.create_task(self._every(self._relay_every, self._relay.deliver), name="gate.relay")
            )

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.upstream.aclose()
        if self._relay is not None:
            await self._relay.aclose()

    async def admit(self, admission: Admission, *, patience: float = 120.0) -> bool:
        """Puts an admission in force, for every request that comes from now on.

        Returns:
            True when no request is under way that an earlier admission let in: after closing, no more transaction
            will land but those of the allowed accounts. False if one still was after `patience` seconds.
        """
        admissions.save(self._memory, admission)
        self._admission = admission
        self._era += 1
        mine = self._era
        try:
            async with asyncio.timeout(patience), self._progress:
                await self._progress.wait_for(lambda: not any(n for era, n in self._under_way.items() if era < mine))
        except TimeoutError:
            return False
        return True

    async def flush(self) -> dict[str, Any]:
        """Carries what waits between the chains; see Relay.flush.

        Raises:
            NoMessaging: there is nothing to carry it through.
            NodeDown, NodeRefused: it did not work.
        """
        if self._relay is None:
            raise NoMessaging("this gate is no postman: it was not told an Ethereum node")
        return await self._relay.flush()

    async def handle(self, body: bytes, *, authorised: bool, headers: Mapping[str, str] | None = None) -> Reply:
        """Answers a JSON-RPC request, single or batch."""
        era = self._era
        self._under_way[era] += 1
        try:
            if self._may_pass_unread(body):
                return await self._pass(body, headers)
            return await self._handle_read(body, authorised=authorised)
        except NodeDown as error:
            return _reply(failure(_first(body), NODE_DOWN, str(error)), status=502)
        except NodeRefused as error:
            return _reply(failure(_first(body), NODE_DOWN, f"the gate could not set the chain's time: {error}"))
        finally:
            await self._leave(era)

    async def _leave(self, era: int) -> None:
        self._under_way[era] -= 1
        if era != self._era:
            async with self._progress:
                self._progress.notify_all()

    async def _pass(self, body: bytes, headers: Mapping[str, str] | None) -> Reply:
        response = await self.upstream.post(body, headers)
        return Reply(response.status, response.body, _kept(response.headers))

    def _may_pass_unread(self, body: bytes) -> bool:
        """While it is open no request needs to be read but one that writes on a chain whose time is looked after."""
        return self._admission.is_open and not (
            self.clock.watches_writes and any(mark in body for mark in _WRITE_MARKS)
        )

    async def _handle_read(self, body: bytes, *, authorised: bool) -> Reply:
        """Passes on what it has understood, written anew: the node cannot read it differently."""
        try:
            parsed = parse(body)
        except NotJson as error:
            if self._admission.is_open:
                # The node's parser may take what this one does not, and it alone decides then.
                return await self._pass(body, None)
            return _reply(failure(None, PARSE_ERROR, f"not JSON: {error}"))
        calls = parsed if isinstance(parsed, list) else [parsed]
        if not calls:
            return _reply(failure(None, INVALID_REQUEST, "an empty batch"))
        replies: list[Any] = [None] * len(calls)
        writes: list[int] = []
        reads: list[int] = []
        for at, call in enumerate(calls):
            if not isinstance(call, dict):
                replies[at] = failure(call, INVALID_REQUEST, "a call is an object")
                continue
            why_not = self._admission.refusal(call, authorised=authorised)
            if why_not is not None:
                replies[at] = failure(call, ADMISSION_CLOSED, why_not)
            elif "id" not in call:
                # A notification: the node does nothing with it, and nobody waits for an answer.
                continue
            else:
                (writes if is_write(method_of(call)) else reads).append(at)
        for indices, send in ((reads, self.upstream.batch), (writes, self.clock.forward)):
            if indices:
                chosen: list[Call] = [calls[at] for at in indices]
                for at, answer in zip(indices, await send(chosen), strict=False):
                    replies[at] = answer
        answered = [reply for reply in replies if reply is not None]
        if isinstance(parsed, list):
            return Reply(200, dump(answered), _JSON)
        return _reply(answered[0] if answered else failure(parsed, INVALID_REQUEST, "a notification has no effect"))

    async def _every(self, seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        """Repeats while it is open; a chain that is being repaired is left alone."""
        said = ""
        while True:
            await asyncio.sleep(seconds)
            if not self._admission.is_open:
                continue
            # Counted as a request is: a delivery puts transactions on the chain too.
            era = self._era
            self._under_way[era] += 1
            try:
                await do()
                said = ""
            except (NodeDown, NodeRefused, NoMessaging) as error:
                # While a node is away each attempt fails alike: once is enough.
                if str(error) != said:
                    said = str(error)
                    log.warning("%s", error)
            finally:
                await self._leave(era)


def _reply(value: Any, status: int = 200) -> Reply:
    return Reply(status, dump(value), _JSON)


def _first(body: bytes) -> Any:
    """The call whose id an error that concerns all of it is answered with."""
    with contextlib.suppress(NotJson):
        parsed = parse(body)
        return parsed if isinstance(parsed, dict) else None
    return None


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in headers.items() if name == "content-type" or name.startswith("access-control-")
    }
