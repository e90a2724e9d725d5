"""A rollback on real nodes: it ends the same wherever it was cut short, and what it erased cannot come back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from truemark.account import TransactionReverted
from truemark.l1 import L1Deposit
from truemark_devnet.recovery import DevnetChain, devnet_chain
from truemark_keeper.recovery import STEPS, Rollback, RollbackFailed, RollbackRecord

from tests.house import BTC, House

pytestmark = pytest.mark.node


class CutShort(RuntimeError):
    """The operator's process died."""


class FragileChain:
    """A chain on which the operator's process dies right after the n-th thing it had done."""

    def __init__(self, inner: DevnetChain, last: int) -> None:
        self._inner = inner
        self._left = last
        self.l1 = inner.l1

    def _die(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise CutShort

    async def close_admission(self, allowed: Iterable[int] = ()) -> None:
        await self._inner.close_admission(allowed)
        self._die()

    async def open_admission(self) -> None:
        await self._inner.open_admission()
        self._die()

    async def carry(self) -> None:
        await self._inner.carry()
        self._die()

    async def deliver(self, deposit: L1Deposit) -> None:
        await self._inner.deliver(deposit)

    async def erase_after(self, block: int) -> None:
        await self._inner.erase_after(block)
        self._die()

    async def fill_to(self, block: int) -> None:
        await self._inner.fill_to(block)
        self._die()

    async def l1_epoch(self) -> int:
        return await self._inner.l1_epoch()

    async def new_epoch(self) -> None:
        await self._inner.new_epoch()
        self._die()


@asynccontextmanager
async def power(house: House) -> AsyncIterator[DevnetChain]:
    """The operator's, given back open whatever a test does."""
    async with devnet_chain(house.nodes, house.deployment) as chain:
        try:
            yield chain
        finally:
            await chain.open_admission()


async def height(house: House) -> int:
    return int(await house.rpc.call("starknet_blockNumber"))


async def test_the_state_is_the_old_one_and_the_venue_is_halted_in_a_new_epoch(house: House, tmp_path: Path) -> None:
    good, before = await height(house), await house.mark(BTC)
    await house.round({BTC: "96000"})
    erased = await height(house)
    async with power(house) as chain:
        rollback = Rollback(chain, house.rpc, house.deployment, tmp_path / "rollback.json")
        plan = await rollback.plan(good)
        assert (plan.height, plan.transactions) == (erased, 3)
        await rollback.begin(good)
        said: list[str] = []
        await rollback.run(said.append)
        assert tuple(said) == STEPS
        assert await height(house) > erased
        after = await house.mark(BTC)
        assert after["price"] == before["price"] != 9_600_000_000_000
        clearinghouse = house.contract("Clearinghouse")
        assert (await clearinghouse.read("mode")).variant == "Halted"
        assert await clearinghouse.read("epoch") == await chain.l1_epoch() == plan.epoch + 1
        assert (await house.nodes.admission()).is_open
        # Nothing is left to do, and another one can begin.
        assert (await rollback.run(said.append)).done == STEPS
        assert (await rollback.begin(good)).done == ()


async def test_an_erased_transaction_sent_again_as_it_was_is_refused(house: House, tmp_path: Path) -> None:
    """After the rollback its nonce fits again: only the epoch stands in its way."""
    account = house.account("reporter-1")
    nonce = await account.nonce()
    await house.pass_time(1)
    good = await height(house)
    tx_hash = (await house.report("reporter-1", {BTC: "96000"})).hash
    sent = await house.rpc.call("starknet_getTransactionByHash", {"transaction_hash": hex(tx_hash)})
    async with power(house) as chain:
        rollback = Rollback(chain, house.rpc, house.deployment, tmp_path / "rollback.json")
        await rollback.begin(good)
        await rollback.run()
    assert await account.nonce() == nonce
    again = {key: value for key, value in sent.items() if key != "transaction_hash"}
    answer = await house.rpc.call("starknet_addInvokeTransaction", {"invoke_transaction": again})
    assert int(answer["transaction_hash"], 16) == tx_hash
    with pytest.raises(TransactionReverted, match="ORACLE: wrong epoch"):
        (await account.wait(tx_hash)).or_raise()


async def test_an_order_and_a_withdrawal_of_the_old_epoch_are_refused(house: House, tmp_path: Path) -> None:
    good = await height(house)
    await house.round()
    async with power(house) as chain:
        rollback = Rollback(chain, house.rpc, house.deployment, tmp_path / "rollback.json")
        await rollback.begin(good)
        await rollback.run()
    clearinghouse = house.contract("Clearinghouse")
    old = await clearinghouse.read("epoch") - 1
    for call in (clearinghouse.call("settle", old, []), clearinghouse.call("withdraw", old, 1_000_000)):
        with pytest.raises(TransactionReverted, match="EPOCH: another epoch"):
            await house.account("operator").execute(call)
    with pytest.raises(TransactionReverted, match="BRIDGE: another epoch"):
        await house.account("operator").execute(house.contract("Bridge").call("withdraw", old, 0xE0A, 1_000_000))


@pytest.mark.deep
@pytest.mark.parametrize("last", range(1, 8))
async def test_wherever_it_is_cut_short_it_goes_on_and_ends_the_same(house: House, tmp_path: Path, last: int) -> None:
    good, before = await height(house), await house.mark(BTC)
    await house.round({BTC: "96000"})
    path = tmp_path / "rollback.json"
    async with power(house) as chain:
        first = Rollback(FragileChain(chain, last), house.rpc, house.deployment, path)
        epoch = (await first.begin(good)).epoch
        with pytest.raises(CutShort):
            await first.run()
        again = Rollback(chain, house.rpc, house.deployment, path)
        with pytest.raises(RollbackFailed, match="is not finished"):
            await again.begin(good - 1)
        assert (await again.begin(good)).height > good
        assert (await again.run()).done == STEPS
        assert await chain.l1_epoch() == epoch + 1
    assert (await house.mark(BTC))["price"] == before["price"]
    assert (await house.contract("Clearinghouse").read("mode")).variant == "Halted"


async def test_what_cannot_be_rolled_back_to_changes_nothing(house: House, tmp_path: Path) -> None:
    path = tmp_path / "rollback.json"
    async with power(house) as chain:
        rollback = Rollback(chain, house.rpc, house.deployment, path)
        newest = await height(house)
        for block in (newest, newest + 5, -1):
            with pytest.raises(RollbackFailed, match="nothing would be erased"):
                await rollback.begin(block)
        with pytest.raises(RollbackFailed, match="no rollback of this venue was begun"):
            await rollback.run()
        assert not path.exists()
        assert await height(house) == newest


async def test_a_chain_that_is_not_what_it_was_stays_closed(house: House, tmp_path: Path) -> None:
    """The node went back to something else: admission does not open by itself."""
    good = await height(house)
    await house.round()
    path = tmp_path / "rollback.json"
    async with power(house) as chain:
        rollback = Rollback(chain, house.rpc, house.deployment, path)
        record = await rollback.begin(good)
        replace(record, state="00" * 32).save(path)
        with pytest.raises(RollbackFailed, match="is not what it was"):
            await rollback.run()
        assert not (await house.nodes.admission()).is_open
        found = RollbackRecord.load(path)
        assert found is not None
        assert found.done == STEPS[:3]
