"""The last good block on a real chain: what was written by nobody, and marks that the keeper's own price denies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from truemark.deployment import MarketInfo
from truemark.index import Follower, Index
from truemark.index.layout import account_base
from truemark.risk import NO_TIER, MarginTier
from truemark.units import to_price
from truemark_devnet.nodes.storage import read_slot, slot_address, write_slots
from truemark_keeper.recovery.find import NothingIndexed, at_price, find_last_good
from truemark_keeper.recovery.parity import index_problems

from tests.house import BTC, PRICES, House


@asynccontextmanager
async def indexed(house: House, folder: Path, first: int) -> AsyncIterator[Index]:
    """The chain from a block on, as it is now."""
    with Index.open(folder / "index.sqlite") as index:
        await Follower(house.rpc, index, house.deployment, first_block=first).backfill()
        yield index


async def height(house: House) -> int:
    return int(await house.rpc.call("starknet_blockNumber"))


@pytest.mark.node
async def test_a_chain_on_which_nothing_happened_is_good_to_its_end(house: House, tmp_path: Path) -> None:
    first = await height(house)
    await house.rounds(60)
    async with indexed(house, tmp_path, first) as index:
        found = find_last_good(index, house.deployment, price=lambda market, at: to_price(PRICES[market]), first=first)
        assert found.suspicions == ()
        assert found.last_good == found.last == await height(house)
        with pytest.raises(NothingIndexed, match="were asked for"):
            find_last_good(index, house.deployment, first=found.last + 1)


@pytest.mark.node
async def test_the_block_before_storage_that_nobody_wrote_is_the_last_good_one(house: House, tmp_path: Path) -> None:
    first = await height(house)
    await house.round()
    good = await height(house)
    clearinghouse = house.deployment.address("Clearinghouse")
    slot = slot_address("state", "markets", house.deployment.market(BTC).index, offset=2)
    write_slots(house.nodes.control, clearinghouse, {slot: 0})
    await house.round()
    async with indexed(house, tmp_path, first) as index:
        found = find_last_good(index, house.deployment, first=first)
        assert found.first_bad is not None
        assert found.first_bad.rule == "unattributed write"
        assert int(found.first_bad.values["key"], 16) == slot
        # devnet may put the change into the block after the one that it was made for.
        assert found.last_good == found.first_bad.block - 1
        assert good <= found.last_good <= good + 1
        assert found.fingerprint == index.block(found.last_good).fingerprint.hex()


@pytest.mark.node
async def test_a_mark_that_the_own_price_denies_is_bad_from_its_first_block(house: House, tmp_path: Path) -> None:
    first = await height(house)
    await house.round()
    good = await height(house)
    wrong = to_price("98000")
    await house.rounds(80, {BTC: "98000"})
    async with indexed(house, tmp_path, first) as index:

        def own(market: str, at: int) -> int:
            return to_price(PRICES[market]) * 97 // 100 if market == BTC else to_price(PRICES[market])

        found = find_last_good(index, house.deployment, price=own, first=first)
        (item,) = found.suspicions
        assert (item.rule, item.market, item.values["mark"]) == ("mark and independent price", BTC, wrong)
        moved = [row for row in index.marks(house.deployment.market(BTC).index) if row.price == wrong]
        assert item.block == moved[0].block_number > good
        assert found.last_good == item.block - 1
        # A keeper whose own price was the same has nothing against it.
        assert find_last_good(index, house.deployment, price=lambda market, at: None, first=first).suspicions == ()


def test_a_liquidation_is_judged_at_another_price_of_its_market() -> None:
    """Long 2 at a mark of 90, V = 5 and R = 5.4 (3% of 180): at 100 V is 25, R is 6; at 90 nothing changes."""
    tiers = (MarginTier(0, 500, 300), NO_TIER, NO_TIER)
    market = MarketInfo(index=0, lot_size=1, tick_size=1, maker_fee_bps=0, taker_fee_bps=0, tiers=tiers)
    usd, one = 10**16, 10**8
    event = {
        "size": one,
        "remaining": one,
        "mark": 90 * one,
        "value_before": 5 * usd,
        "requirement_before": 54 * usd // 10,
    }
    assert at_price(event, market, 90 * one) == (5 * usd, 54 * usd // 10)
    assert at_price(event, market, 100 * one) == (25 * usd, 6 * usd)
    short = {**event, "size": -one, "remaining": -one}
    assert at_price(short, market, 100 * one) == (-15 * usd, 6 * usd)


@pytest.mark.node
async def test_money_out_of_nothing_is_found_by_its_sum(house: House, tmp_path: Path) -> None:
    await house.round()
    good = await height(house)
    clearinghouse = house.deployment.address("Clearinghouse")
    async with house.trader("alice") as alice:
        slot = account_base(alice.address)
    before = read_slot(house.nodes.control, clearinghouse, slot)
    write_slots(house.nodes.control, clearinghouse, {slot: before + (7 << 128)})
    await house.round()
    # From the beginning: what accounts had before is what they are compared with.
    async with indexed(house, tmp_path, 0) as index:
        found = find_last_good(index, house.deployment, first=good)
        assert {item.rule for item in found.suspicions} == {"unattributed write", "conservation"}
        item = next(item for item in found.suspicions if item.rule == "conservation")
        assert item.values["off"] == 7
        assert found.kept is not None
        assert found.bad is not None
        assert (found.kept.unattributed, found.bad.unattributed) == (0, 1)


@pytest.mark.node
async def test_an_index_that_is_behind_or_of_another_chain_is_named(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.round()
    first = await height(house)
    await house.round({BTC: "95500"})
    async with indexed(house, tmp_path, first) as index:
        assert await index_problems(house.rpc, index, house.deployment) == []
        # Another process writes on while this one looks.
        earlier = index.block(first)
        with monkeypatch.context() as patched:
            patched.setattr(index, "head", lambda: earlier)
            assert await index_problems(house.rpc, index, house.deployment, behind=10) == []
        await house.round()
        await house.round()
        (behind,) = await index_problems(house.rpc, index, house.deployment)
        assert f"ends at block {index_head(index)}" in behind
        house.nodes.control.l2("devnet_abortBlocks", {"starting_block_id": {"block_number": first + 1}})
        for _ in range(index_head(index) - first):
            house.nodes.control.l2("devnet_createBlock")
        (replaced,) = await index_problems(house.rpc, index, house.deployment)
        assert "it was replaced" in replaced


def index_head(index: Index) -> int:
    head = index.head()
    assert head is not None
    return head.number
