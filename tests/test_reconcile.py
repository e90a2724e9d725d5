"""After a rollback: every withdrawal that L1 knows is debited again on L2, once, and what L1 locked is what L2 has."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from truemark.l1 import L1Bridge, L1Reverted
from truemark.models import DepositState, Destination, Withdrawal
from truemark.trader.handles import withdrawal_of
from truemark.trader.venue import event_of
from truemark.units import to_collateral
from truemark_devnet.deploy.l1 import owner_of
from truemark_devnet.deploy.venue import salt_of
from truemark_devnet.profile import load_profile
from truemark_devnet.recovery import devnet_chain
from truemark_keeper.recovery.reconcile import (
    Erased,
    NotReconciled,
    balance_of,
    erased,
    erased_deposits,
    reconcile,
)

from tests.house import House

pytestmark = pytest.mark.node


@dataclass
class Books:
    """Both sides of the bridge; 1e-6 USD."""

    house: House
    l1: L1Bridge

    async def supply(self) -> int:
        found: int = await self.house.contract("CollateralToken").read("total_supply")
        return found

    async def balanced(self, *, unpaid: int = 0) -> bool:
        """Whether what L1 locked is what L2 has, withdrawals that L1 still pays apart."""
        return to_collateral(await self.l1.locked()) == await self.supply() + to_collateral(unpaid)

    async def reconciled(self, *withdrawals: Withdrawal) -> None:
        for withdrawal in withdrawals:
            await self.l1.attest(withdrawal)
        assert len((await self.house.nodes.flush()).to_l2) == len(withdrawals)


async def roll_back(house: House, to: int) -> None:
    """The chain is as it was at a block, and in a new epoch."""
    house.nodes.control.l2("devnet_abortBlocks", {"starting_block_id": {"block_number": to + 1}})
    owner = owner_of(salt_of(load_profile("default")))
    async with L1Bridge(house.deployment, owner) as l1:
        await l1.new_epoch()
    assert len((await house.nodes.flush()).to_l2) == 1


async def test_what_l1_paid_and_what_it_still_pays_is_debited_again_once(house: House) -> None:
    clearinghouse, bridge = house.contract("Clearinghouse"), house.contract("Bridge")
    async with house.trader("alice") as alice:
        books = Books(house, alice.l1)
        await alice.faucet(100)
        await alice.deposit(100, Destination.WALLET)
        await house.nodes.flush()
        kept = await alice.withdraw(5, source="wallet")
        await house.nodes.flush()
        height = house.nodes.control.l2("starknet_blockNumber")
        assert await books.balanced(unpaid=5)

        paid = await alice.withdraw(30, source="wallet")
        waiting = await alice.withdraw(400)
        await house.nodes.flush()
        await paid.claim()
        assert await books.balanced(unpaid=405)
        erased = [paid.withdrawal, waiting.withdrawal]

        await roll_back(house, height)
        # L2 forgot both.
        assert not await books.balanced(unpaid=405)
        assert (await clearinghouse.read("mode")).variant == "Halted"
        assert await bridge.read("last_counter", 0) == kept.counter

        await books.reconciled(*erased)
        assert await books.balanced(unpaid=405)
        # 95 in the wallet: 30 of it, then 65 of the 400; the rest is from the margin account.
        balances = await alice.balances()
        assert (balances.wallet, balances.margin) == (0, 10_000 - 335)
        assert await clearinghouse.read("receivable", alice.address) == 0

        # Again, and one that L2 remembers: nothing.
        await books.reconciled(*erased, kept.withdrawal)
        assert await books.balanced(unpaid=405)
        assert not await bridge.read("attested", 0, kept.counter)

        # L1 pays each once, whatever happened on L2.
        await alice.l1.claim(waiting.withdrawal)
        await kept.claim()
        assert await books.balanced()
        for withdrawal in (*erased, kept.withdrawal):
            with pytest.raises(L1Reverted, match="already paid"):
                await alice.l1.claim(withdrawal)


async def test_ids_of_two_epochs_never_meet(house: House) -> None:
    bridge = house.contract("Bridge")
    async with house.trader("alice") as alice:
        height = house.nodes.control.l2("starknet_blockNumber")
        before = await alice.withdraw(10)
        await house.nodes.flush()
        await roll_back(house, height)
    async with house.trader("alice") as alice:
        books = Books(house, alice.l1)
        await books.reconciled(before.withdrawal)
        await house.open("CancelOnly")
        after = await alice.withdraw(10)
        await house.nodes.flush()
        assert (before.counter, after.counter) == (1, 1)
        assert (before.epoch, after.epoch) == (0, 1)
        await alice.l1.claim(before.withdrawal)
        await after.claim()
        assert await books.balanced()
        assert await bridge.read("last_counter", 1) == after.counter
        with pytest.raises(L1Reverted, match="epoch not over"):
            await alice.l1.attest(after.withdrawal)


async def test_while_it_is_not_known_who_has_withdrawn_nothing_leaves(house: House) -> None:
    async with house.trader("alice") as alice:
        await alice.faucet(50)
        await alice.deposit(50, Destination.WALLET)
        await house.nodes.flush()
        height = house.nodes.control.l2("starknet_blockNumber")
        paid = await alice.withdraw(50, source="wallet")
        await house.nodes.flush()
        await paid.claim()
        await roll_back(house, height)
    async with house.trader("alice") as alice:
        with pytest.raises(Exception, match="BRIDGE: being reconciled"):
            await alice.withdraw(50, source="wallet")
        await Books(house, alice.l1).reconciled(paid.withdrawal)
        assert (await alice.balances()).wallet == 0


async def test_a_margin_deposit_to_a_halted_venue_goes_back_to_l1(house: House) -> None:
    bridge = house.contract("Bridge")
    await house.account("guardian").execute([house.contract("Clearinghouse").call("set_mode", "Halted", 0)])
    async with house.trader("alice") as alice:
        books = Books(house, alice.l1)
        before = await alice.l1.balance()
        await alice.faucet(70)
        handle = await alice.deposit(70)
        await house.nodes.flush()
        outcome = await handle.credited(5)
        assert (outcome.state, outcome.reason) == (DepositState.PARKED, "BRIDGE: venue is halted")
        assert (await alice.balances()).pending == 0
        await house.pass_time(86_400)
        # Anybody, after the delay.
        receipt = await house.account("liquidator").execute([bridge.call("return_parked", outcome.parked_id)])
        returned = withdrawal_of(event_of(receipt.events, bridge, "WithdrawalRegistered"))
        assert returned.source == 2**251 + handle.deposit.nonce
        assert returned.recipient == alice.l1.address
        await house.nodes.flush()
        await alice.l1.claim(returned)
        assert await alice.l1.balance() == before + 70
        assert await books.balanced()


async def test_the_recovery_finds_what_is_missing_by_itself(house: House) -> None:
    async with house.trader("alice") as alice:
        await alice.faucet(100)
        await alice.deposit(100, Destination.WALLET)
        await house.nodes.flush()
        await alice.withdraw(5, source="wallet")
        await house.nodes.flush()
        height = house.nodes.control.l2("starknet_blockNumber")
        paid = await alice.withdraw(30, source="wallet")
        waiting = await alice.withdraw(400)
        await house.nodes.flush()
        await paid.claim()
        await roll_back(house, height)
        found = await erased(house.rpc, house.deployment, alice.l1)
        assert [(item.withdrawal, item.paid, item.attested) for item in found] == [
            (paid.withdrawal, True, False),
            (waiting.withdrawal, False, False),
        ]
        assert not (await balance_of(house.rpc, house.deployment, alice.l1)).holds

        async def carry() -> None:
            await house.nodes.flush()

        async def nothing() -> None:
            return None

        with pytest.raises(NotReconciled, match="2 attestations did not arrive"):
            await reconcile(house.rpc, house.deployment, alice.l1, nothing)
        balance = await reconcile(house.rpc, house.deployment, alice.l1, carry)
        assert balance.holds
        assert (balance.unpaid, balance.due) == (405, 0)
        told: list[Erased] = []
        assert await reconcile(house.rpc, house.deployment, alice.l1, carry, told.append) == balance
        assert told == []


async def test_a_deposit_whose_handler_was_erased_is_delivered_again_once(house: House) -> None:
    async with house.trader("alice") as alice, devnet_chain(house.nodes, house.deployment) as chain:
        await alice.faucet(60)
        height = house.nodes.control.l2("starknet_blockNumber")
        deposit = (await alice.deposit(60, Destination.WALLET)).deposit
        await house.nodes.flush()
        assert (await alice.balances()).wallet == 60
        await roll_back(house, height)
        # L1 has it as consumed, so no postman brings it.
        assert await erased_deposits(house.rpc, house.deployment, alice.l1) == [deposit]
        assert (await alice.balances()).wallet == 0
        with pytest.raises(NotReconciled, match="1 deposits that L1 has as consumed"):
            await reconcile(house.rpc, house.deployment, alice.l1, chain.carry)
        balance = await reconcile(house.rpc, house.deployment, alice.l1, chain.carry, deliver=chain.deliver)
        assert balance.holds
        assert (await alice.balances()).wallet == 60
        # The bridge takes its nonce once, whoever delivers it.
        await chain.deliver(deposit)
        assert await reconcile(house.rpc, house.deployment, alice.l1, chain.carry) == balance
        assert (await alice.balances()).wallet == 60
