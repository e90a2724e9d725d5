"""L2 gas of a price round, 20 markets by 3 reporters, against the usual design done well.

That is a relayer's transaction for each market with three signed prices, native signature checks, packed storage and
rules 1 to 4 (contracts/src/bench/single_price.cairo). Both move every mark, on slots that are in use already.
"""

from __future__ import annotations

import asyncio

from truemark.abi import Abi
from truemark.contract import Contract
from truemark.hashing import poseidon_many
from truemark.keys import StarkKey

from truemark_devnet.accounts import REPORTERS
from truemark_devnet.bench.figure import Figure
from truemark_devnet.bench.gas import MARKETS, PRICE, Floor, a_floor
from truemark_devnet.build import build
from truemark_devnet.deploy.l2 import declare, deploy_contract

_GAS = 10**6
_MOVED = PRICE + PRICE // 1000


def run() -> list[Figure]:
    ours, singles = asyncio.run(measure())
    return [Figure("round_gas", ours / _GAS, "million L2 gas", singles / _GAS, f"{MARKETS} single-market transactions")]


async def measure() -> tuple[int, int]:
    """L2 gas of a round, and of the single-market transactions that do as much."""
    async with a_floor() as floor:
        for _ in range(2):
            await floor.round()
        ours = sum(receipt.l2_gas for receipt in await floor.round(_MOVED, seconds=3))
        contract = await _single_price(floor)
        await _prices(floor, contract, PRICE)
        return ours, await _prices(floor, contract, _MOVED)


async def _single_price(floor: Floor) -> Contract:
    cls = build().test_classes["SinglePrice"]
    admin = floor.account("admin")
    await declare(floor.rpc, admin, cls)
    abi = Abi(cls.abi())
    keys = [_key(floor, role).public_key for role in REPORTERS]
    calldata = abi.encode("constructor", keys, PRICE // 100, PRICE * 100, 60, 60, 500)
    address = await deploy_contract(floor.rpc, admin, cls, 1, calldata)
    return Contract(floor.rpc, address, abi)


async def _prices(floor: Floor, contract: Contract, price: int) -> int:
    """A price for each market, in a transaction each; their gas."""
    await floor.nodes.increase_time(3)
    now = await floor.nodes.l2_time()
    total = 0
    for market in range(MARKETS):
        said = []
        for offset, role in zip((-1, 0, 1), REPORTERS, strict=True):
            message = poseidon_many([market, price + offset, now])
            r, s = _key(floor, role).sign(message)
            said.append({"price": price + offset, "observed_at": now, "r": r, "s": s})
        receipt = await floor.account("operator").execute([contract.call("set_price", market, said)])
        total += receipt.l2_gas
    return total


def _key(floor: Floor, role: str) -> StarkKey:
    return StarkKey.from_private(floor.roles[role].private_key)
