"""What `truemark devnet status` says of the venue: its mode, and how old its marks are."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from truemark.contract import Contract, ContractError
from truemark.deployment import Deployment
from truemark.rpc import AsyncRpc, NodeUnavailable, RpcError

from truemark_devnet.nodes import Status


@dataclass(frozen=True, slots=True)
class VenueState:
    """
    Attributes:
        mode: the effective one.
        mark_age: seconds since a mark of any market was accepted; None: none ever was.
        max_silence: seconds after which the venue is CancelOnly at most.
        said: a sentence for people.
        problem: what is wrong; empty when nothing is.
    """

    mode: str
    mark_age: int | None
    max_silence: int
    said: str
    problem: str


def venue_state(status: Status) -> VenueState | None:
    """None: there is no manifest, or the chain does not have its venue."""
    manifest = status.home / "deployment.json"
    if not manifest.is_file():
        return None
    return asyncio.run(_read(Deployment.load(manifest), status.held_time))


async def _read(deployment: Deployment, held: int | None) -> VenueState | None:
    async with AsyncRpc(deployment.l2_rpc) as rpc:
        oracle = Contract.of(rpc, deployment.address("Oracle"), "Oracle")
        clearinghouse = Contract.of(rpc, deployment.address("Clearinghouse"), "Clearinghouse")
        try:
            mode = (await clearinghouse.read("mode")).variant
            accepted, limit = await oracle.read("last_accepted_at"), await oracle.read("max_silence")
        except (ContractError, RpcError, NodeUnavailable):
            return None
    return judged(mode, accepted, limit, int(time.time()) if held is None else held)


def judged(mode: str, accepted: int, limit: int, now: int) -> VenueState:
    """`accepted`: when a mark was last accepted, 0 never; `now` on the chain's clock; seconds."""
    if not accepted:
        return VenueState(mode, None, limit, f"the venue is {mode}, no mark was accepted yet", "")
    age = max(now - accepted, 0)
    if age <= limit:
        return VenueState(mode, age, limit, f"the venue is {mode}, the newest mark {age} s old", "")
    effect = mode if mode == "Halted" else "CancelOnly"
    problem = f"no mark was accepted for {age} s, more than {limit}: the venue is {effect} at its last good marks"
    return VenueState(effect, age, limit, problem, problem)
