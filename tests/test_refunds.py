"""Refunds on a node: a tree made in Python is funded, pushed and claimed, in Halted too, to the last unit."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from truemark.account import TransactionReverted
from truemark.explorer import AsyncExplorer
from truemark.felt import short_string
from truemark.index import Follower
from truemark.models import Destination
from truemark.receipt import Receipt
from truemark.refunds import Refund, RefundClaim, RefundTree
from truemark.rpc import AsyncRpc
from truemark.trader import AlreadyRefunded, AsyncTrader
from truemark.web import refunds as web_refunds
from truemark.web.data import Data

from tests.house import House

pytestmark = pytest.mark.node

INCIDENT = short_string("second wave")
USD = 10**6


async def opened(house: House, via: AsyncTrader, leaves: list[Refund]) -> RefundTree:
    """The admin gets the money from L1 and funds the refunds with it."""
    refunds, token, admin = (
        house.contract("RefundDistributor"),
        house.contract("CollateralToken"),
        house.account("admin"),
    )
    tree = RefundTree(house.deployment.l2_chain_id, refunds.address, INCIDENT, leaves)
    await via.faucet(tree.total // USD)
    await via.l1.deposit(tree.total // USD, Destination.WALLET, admin.address)
    await house.nodes.flush()
    expiry = await house.now() + 86_400
    await admin.execute(
        [
            token.call("approve", refunds.address, tree.total),
            refunds.call("open", INCIDENT, tree.root, tree.total, tree.count, "https://example.org/report", expiry),
        ]
    )
    return tree


def names(house: House, receipt: Receipt) -> list[tuple[str, int]]:
    """The distributor's events: name and index."""
    refunds = house.contract("RefundDistributor")
    found = [refunds.abi.decode_event(e.keys, e.data) for e in receipt.events if e.from_address == refunds.address]
    return [(event.name, event.fields["index"]) for event in found]


async def shown(house: House, path: Path) -> list[tuple[int, int, int, int, int | None]]:
    """What the web explorer shows of refunds: incident, total, accounts, how many of them were paid, how much."""
    async with AsyncExplorer(house.deployment, index=path) as explorer:
        assert explorer.index is not None
        async with AsyncRpc(house.deployment.l2_rpc) as rpc:
            await Follower(rpc, explorer.index).backfill()
        found = await web_refunds.opened(Data(explorer))
        return [(each.incident, each.total, each.count, each.paid, each.claimed) for each in found]


async def test_refunds_are_pushed_and_claimed_in_every_mode(house: House, tmp_path: Path) -> None:
    refunds, clearinghouse = house.contract("RefundDistributor"), house.contract("Clearinghouse")
    async with AsyncExitStack() as stack:
        alice = await stack.enter_async_context(house.trader("alice"))
        bob = await stack.enter_async_context(house.trader("bob"))
        # The clearinghouse itself: nobody can be paid there.
        accounts = [alice.address, bob.address, clearinghouse.address, 0xCA401, alice.address]
        leaves = [Refund(account, (number + 1) * USD) for number, account in enumerate(accounts)]
        tree = await opened(house, alice, leaves)
        claims = [tree.claim(index) for index in range(tree.count)]

        wrong = replace(claims[1], amount=claims[1].amount + 1)
        batch = [wrong.to_abi(), *(claim.to_abi() for claim in (claims[0], claims[2], claims[3]))]
        receipt = await house.account("liquidator").execute([refunds.call("push", INCIDENT, batch)])
        expected = [("RefundRefused", 1), ("Refunded", 0), ("RefundRefused", 2), ("Refunded", 3)]
        assert names(house, receipt) == expected
        assert (await alice.balances()).margin == 10_001
        assert (await clearinghouse.read("account", 0xCA401))["collateral"] == 4 * USD

        # Bob has his paid to himself; anyone else's goes to its owner, once.
        assert (await bob.claim_refund(claims[1], recipient=bob.address)).amount == 2
        assert (await bob.balances()).wallet == 2
        with pytest.raises(AlreadyRefunded):
            await bob.claim_refund(claims[0])
        with pytest.raises(TransactionReverted) as refused:
            await bob.claim_refund(claims[4], recipient=bob.address)
        assert refused.value.reason == "REFUND: bad proof"

        # In Halted it is held, and credited later.
        await house.account("guardian").execute([clearinghouse.call("set_mode", "Halted", 0)])
        await bob.claim_refund(claims[4])
        assert (await alice.balances()).pending == 5
        await house.open("CancelOnly")
        await alice.credit_pending()
        assert (await alice.balances()).margin == 10_006

        found = await refunds.read("incident", INCIDENT)
        assert (found["claimed"], found["total"]) == (12 * USD, 15 * USD)
        assert await shown(house, tmp_path / "index.sqlite") == [(INCIDENT, 15 * USD, 5, 4, 12 * USD)]
        await house.pass_time(86_400)
        admin = house.account("admin")
        await admin.execute([refunds.call("close", INCIDENT)])
        token = house.contract("CollateralToken")
        assert await token.read("balance_of", refunds.address) == 0
        assert await token.read("balance_of", admin.address) == 3 * USD
        ledger = await clearinghouse.read("ledger")
        assert ledger["total"] == await token.read("balance_of", clearinghouse.address)


async def test_a_batch_of_fifty_fits_one_transaction(house: House) -> None:
    refunds = house.contract("RefundDistributor")
    async with house.trader("alice") as alice:
        tree = await opened(house, alice, [Refund(0xCA000 + number, USD) for number in range(200)])
    batch: list[RefundClaim] = [tree.claim(index) for index in range(100, 150)]
    calls = [refunds.call("push", INCIDENT, [claim.to_abi() for claim in batch])]
    receipt = await house.account("liquidator").execute(calls)
    assert names(house, receipt) == [("Refunded", index) for index in range(100, 150)]
    assert receipt.l2_gas < 600_000_000


async def checked(house: House, folder: Path, statement: str) -> tuple[int, str, str]:
    """What `truemark refund` says of a statement: exit code, stdout, stderr."""
    manifest, file = folder / "deployment.json", folder / "refund.json"
    house.deployment.save(manifest)
    file.write_text(statement)
    command = Path(sys.executable).with_name("truemark")
    arguments = ("refund", str(file), "--deployment", str(manifest), "--json")
    done = await asyncio.create_subprocess_exec(command, *arguments, stdout=PIPE, stderr=PIPE)
    out, err = await done.communicate()
    assert done.returncode is not None
    return done.returncode, out.decode(), err.decode()


async def test_a_statement_is_checked_by_anyone(house: House, tmp_path: Path) -> None:
    async with house.trader("alice") as alice:
        tree = await opened(house, alice, [Refund(alice.address, USD), Refund(0xCA401, 2 * USD)])
        claim = tree.claim(0)
        code, out, _ = await checked(house, tmp_path, json.dumps(claim.to_json()))
        said = json.loads(out)
        assert (code, said["paid"], said["amount"]) == (0, False, str(USD))
        assert said["report"] == "https://example.org/report"
        await alice.claim_refund(claim)
        _, out, _ = await checked(house, tmp_path, json.dumps(claim.to_json()))
        assert json.loads(out)["paid"] is True
    for statement in (json.dumps({**claim.to_json(), "index": 1}), "{}", "not JSON"):
        code, out, err = await checked(house, tmp_path, statement)
        assert (code, out, err.count("\n")) == (1, "", 1)
