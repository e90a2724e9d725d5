"""The sentinel on a real node: storage that no transaction wrote, and a mark far from the independent price, stop the
venue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from truemark.felt import hex_of, selector
from truemark.hashing import pedersen
from truemark.keys import StarkKey
from truemark_keeper.sentinel import IncidentFolder, Sentinel, SentinelTerms, SightReader, StopMode, Watch
from truemark_keeper.sentinel.sentinel import set_mode_call
from truemark_keeper.slots import TransactionReverted
from truemark_keeper.transactions import TransactionQueue
from truemark_keeper.wallet import StarkWallet

from tests.house import BTC, ETH, House

pytestmark = pytest.mark.node


@dataclass
class Guarded:
    house: House
    sentinel: Sentinel
    queue: TransactionQueue
    incidents: IncidentFolder
    #: The sentinel's independent prices, 1e-8 USD.
    own: dict[str, int]

    async def step(self) -> Watch:
        return await self.sentinel.step(await self.house.now(), 10)

    async def mode(self) -> str:
        found = await self.house.contract("Clearinghouse").read("mode")
        return str(found.variant)

    def corrupt(self, contract: str, slot: int, value: int) -> None:
        """Writes storage past every transaction."""
        entry = {"key": hex_of(slot), "value": hex_of(value)}
        diff = {
            "storage_diffs": [{"address": hex_of(self.house.deployment.address(contract)), "storage_entries": [entry]}]
        }
        control = self.house.nodes.control
        control.l2("devnet_applyStateDiff", {"state_diff": diff})
        control.l2("devnet_createBlock")


@asynccontextmanager
async def guarded(house: House, folder: Path) -> AsyncIterator[Guarded]:
    role = house.roles["sentinel"]
    wallet = StarkWallet(role.address, StarkKey.from_private(role.private_key), house.nodes.l2_chain_id)
    own: dict[str, int] = {}

    async def price(name: str, now: int) -> int | None:
        return own.get(name)

    async with TransactionQueue(wallet, house.rpc, poll=0.02) as queue:
        incidents = IncidentFolder(folder)
        sentinel = Sentinel(
            queue,
            SightReader(house.rpc, house.deployment),
            clearinghouse=house.deployment.address("Clearinghouse"),
            incidents=incidents,
            deployment=house.deployment.name,
            price=price,
            terms=SentinelTerms(audit_every=1, max_block_gap=0),
        )
        yield Guarded(house, sentinel, queue, incidents, own)


async def test_a_day_of_trade_breaks_no_rule(house: House, tmp_path: Path) -> None:
    async with guarded(house, tmp_path) as watch:
        await watch.step()
        async with (
            house.gateway() as gateway,
            house.trader("alice", gateway) as alice,
            house.trader("bob", gateway) as bob,
        ):
            price = (await alice.mark(BTC)).price
            await alice.place(BTC, "sell", "0.2", price, post_only=True)
            await bob.settled(await bob.place(BTC, "buy", "0.2", price), timeout=10)
            await house.rounds(60, {BTC: "95000"})
            await alice.withdraw(100)
        await house.nodes.flush()
        seen = await watch.step()
        assert len(seen.blocks) > 10
        assert seen.breaks == ()
        assert seen.incident is None
        assert await watch.mode() == "Full"


async def test_a_funding_slot_that_no_transaction_wrote_halts_the_venue(house: House, tmp_path: Path) -> None:
    async with guarded(house, tmp_path) as watch:
        await watch.step()
        btc = house.deployment.market(BTC).index
        node = pedersen(pedersen(selector("state"), selector("markets")), btc)
        # MarketSlots: name, tiers, funding.
        slot = node + 2
        before = await house.rpc.call(
            "starknet_getStorageAt",
            {
                "contract_address": hex_of(house.deployment.address("Clearinghouse")),
                "key": hex_of(slot),
                "block_id": "latest",
            },
        )
        assert int(before, 16) != 0
        watch.corrupt("Clearinghouse", slot, 0)
        corrupted = (await house.rpc.call("starknet_blockNumber")) - 1
        seen = await watch.step()
        assert await watch.mode() == "Halted"
        assert seen.outcome is not None
        # The very next block.
        assert seen.outcome.block_number == seen.blocks[-1] + 1
        assert {item.rule for item in seen.breaks} == {"unattributed write", "funding seal"}
        (incident,) = watch.incidents.all()
        (write,) = [item.broken for item in incident.evidence if item.broken.rule == "unattributed write"]
        assert write.block in (corrupted, corrupted + 1)
        assert write.values == {
            "contract": "Clearinghouse",
            "key": hex(slot),
            "before": before,
            "value": "0x0",
            "variable": f"markets[{btc}].funding",
        }
        assert (await watch.step()).outcome is None


async def test_a_mark_far_from_the_independent_price_stops_new_risk_only(house: House, tmp_path: Path) -> None:
    async with guarded(house, tmp_path) as watch:
        mark = (await house.mark(BTC))["price"]
        watch.own |= {BTC: mark * 93 // 100, ETH: (await house.mark(ETH))["price"]}
        assert (await watch.step()).breaks == ()
        await house.pass_time(20)
        await house.round()
        assert (await watch.step()).breaks == ()
        await house.pass_time(11)
        await house.round()
        seen = await watch.step()
        assert [(item.rule, item.market) for item in seen.breaks] == [("mark and independent price", BTC)]
        assert await watch.mode() == "CancelOnly"
        (incident,) = watch.incidents.all()
        assert incident.evidence[0].broken.values["mark"] == mark
        assert incident.mode_before is StopMode.FULL


async def test_the_sentinels_key_can_only_stop(house: House, tmp_path: Path) -> None:
    async with guarded(house, tmp_path) as watch:
        clearinghouse = house.deployment.address("Clearinghouse")
        await watch.queue.execute_or_raise([set_mode_call(clearinghouse, StopMode.CANCEL_ONLY)], 10)
        for mode in (StopMode.POST_ONLY, StopMode.FULL):
            with pytest.raises(TransactionReverted):
                await watch.queue.execute_or_raise([set_mode_call(clearinghouse, mode)], 10)
        assert await watch.mode() == "CancelOnly"
