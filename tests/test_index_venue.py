"""The index of a real venue: marks, accounts and positions are what the contracts' own views say, and slots have the
names of the contracts' variables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from truemark.explorer import AsyncExplorer
from truemark.felt import selector
from truemark.index import Cause, EventFilter, Follower, Index
from truemark.orders import Side
from truemark.rpc import AsyncRpc
from truemark.trader import AsyncTrader
from truemark.units import to_price

from tests.house import BLOCK_HASHES, BTC, ETH, PRICES, House

pytestmark = pytest.mark.node


@pytest.fixture
async def index(house: House, tmp_path: Path) -> AsyncIterator[Index]:
    """Told of no contract: it finds the venue by what its events and functions are called."""
    with Index.open(tmp_path / "index.sqlite") as opened:
        yield opened


async def follow(house: House, index: Index) -> None:
    async with AsyncRpc(house.nodes.l2_url, timeout=120) as rpc:
        await Follower(rpc, index).backfill()


async def fill(house: House, alice: AsyncTrader, bob: AsyncTrader, market: str, size: str) -> None:
    await bob.place(market, Side.SELL, size, PRICES[market])
    await alice.settled(await alice.place(market, Side.BUY, size, PRICES[market]), 30)


async def test_accounts_positions_and_marks_are_those_of_the_contracts(house: House, index: Index) -> None:
    async with house.gateway() as gateway, house.trader("alice", gateway) as alice, house.trader("bob", gateway) as bob:
        await fill(house, alice, bob, BTC, "0.01")
        await fill(house, alice, bob, ETH, "0.5")
        await house.round({BTC: "95500"})
        await fill(house, alice, bob, ETH, "0.25")
        await follow(house, index)
        clearinghouse = house.contract("Clearinghouse")
        for trader in (alice, bob):
            view = await clearinghouse.read("account", trader.address)
            held = {
                position.market: (position.size, position.funding_index) for position in index.positions(trader.address)
            }
            assert held == {
                position["market"]: (position["size"], position["funding_index"]) for position in view["positions"]
            }
            assert len(held) == 2
            last = index.balance_history(trader.address)[-1]
            assert last.collateral == view["collateral"]
            assert sum(1 << market for market in last.markets) == view["open_markets"]
            assert {row.cause for row in index.position_history(trader.address)} == {Cause.TRANSACTION}
        market = house.deployment.market(BTC).index
        mark = index.marks(market)[-1]
        assert (mark.price, mark.status) == (to_price("95500"), "Valid")
        assert mark.oracle == house.deployment.address("Oracle")
        assert mark.price == (await house.mark(BTC))["price"]
        funding = index.funding(market)
        assert funding
        assert {row.venue for row in funding} == {clearinghouse.address}
        sizes = [
            row.size
            for row in index.position_history(alice.address)
            if row.market == house.deployment.market(ETH).index
        ]
        assert sizes == [50_000_000, 75_000_000]
        fills = index.events(EventFilter(name="FillSettled", mentions=alice.address)).rows
        assert [int(row.fields["size"]) for row in fills if row.fields] == [1_000_000, 50_000_000, 25_000_000]
        assert {row.fields["taker"] for row in fills if row.fields} == {hex(alice.address)}


async def test_everything_that_the_venue_emits_is_decoded(house: House, index: Index) -> None:
    await follow(house, index)
    ours = {info.address for info in house.deployment.contracts.values()}
    cursor, seen = None, set()
    while True:
        page = index.events(cursor=cursor, limit=5_000)
        seen |= {(row.address, row.name) for row in page.rows}
        assert [row.reason for row in page.rows if row.address in ours and row.fields is None] == []
        cursor = page.cursor
        if cursor is None:
            break
    assert ours <= {address for address, _ in seen}
    assert index.unattributed() == ()


async def test_messages_to_and_from_l1_are_there_with_their_hashes(house: House, index: Index) -> None:
    async with house.trader("alice") as alice:
        await alice.faucet(100)
        deposit = await alice.deposit(10, "wallet")
        await house.nodes.flush()
        assert (await deposit.credited(10)).amount == 10
        withdrawal = await alice.withdraw(5)
        await follow(house, index)
        assert withdrawal.tx_hash is not None
        (sent,) = index.messages(withdrawal.tx_hash)
        assert (sent.direction, sent.sender) == ("to_l1", house.deployment.address("Bridge"))
        assert sent.recipient == int(house.deployment.l1["CollateralBridge"], 16)
        arrived = [message for message in index.messages() if message.direction == "to_l2"]
        assert arrived[-1].selector == selector("handle_deposit")
        assert arrived[-1].nonce == deposit.nonce


async def test_a_difference_of_two_blocks_names_the_accounts_and_the_variables(house: House, index: Index) -> None:
    index.name(house.deployment)
    async with house.gateway() as gateway, house.trader("alice", gateway) as alice, house.trader("bob", gateway) as bob:
        async with AsyncRpc(house.nodes.l2_url) as rpc:
            before = int(await rpc.call("starknet_blockNumber"))
        await fill(house, alice, bob, BTC, "0.01")
        await follow(house, index)
        head = index.head()
        assert head is not None
        changes = [
            change
            for change in index.diff(before, head.number)
            if change.part == "storage" and change.address not in (house.deployment.fee_token, BLOCK_HASHES)
        ]
        by_account = {
            (change.account, (change.variable or "").partition(".")[2]) for change in changes if change.account
        }
        market = house.deployment.market(BTC).index
        for trader in (alice, bob):
            assert (trader.address, f"position[{market}]") in by_account
        unnamed = [change for change in changes if change.variable is None]
        # What was filled of each order lies at the order's hash, which storage does not tell.
        assert len(unnamed) <= 2, unnamed
        back = {
            (change.address, change.key): (change.after, change.before) for change in index.diff(head.number, before)
        }
        assert back == {
            (change.address, change.key): (change.before, change.after) for change in index.diff(before, head.number)
        }


async def test_a_position_that_no_transaction_wrote_is_seen_as_such(house: House, index: Index) -> None:
    """As a repair of the operator's database would."""
    index.name(house.deployment)
    async with house.trader("alice") as alice:
        await follow(house, index)
        venue = house.deployment.address("Clearinghouse")
        (last,) = index.balance_history(alice.address)[-1:]
        slots = index.variables("Clearinghouse")
        key = next(
            key for key, slot in slots.items() if slot.account == alice.address and "position" not in slot.variable
        )
        was = index.storage_at(venue, key)
        assert was is not None
        entries = [{"key": hex(key), "value": hex(was + (10**6 << 128))}]
        empty = {name: [] for name in ("nonces", "deployed_contracts", "replaced_classes", "declared_classes")}
        house.nodes.control.l2(
            "devnet_applyStateDiff",
            {
                "state_diff": {
                    **empty,
                    "deprecated_declared_classes": [],
                    "storage_diffs": [{"address": hex(venue), "storage_entries": entries}],
                }
            },
        )
        await house.pass_time(1)
        await follow(house, index)
        (write,) = index.unattributed()
        assert (write.contract, write.cause) == ("Clearinghouse", Cause.UNATTRIBUTED)
        assert write.variable == f"accounts[{alice.address:#x}]"
        now = index.balance_history(alice.address)[-1]
        assert (now.collateral - last.collateral, now.cause) == (10**6, Cause.UNATTRIBUTED)


async def test_the_explorer_shows_accounts_marks_and_messages_of_the_venue(house: House, index: Index) -> None:
    async with house.gateway() as gateway, house.trader("alice", gateway) as alice, house.trader("bob", gateway) as bob:
        await fill(house, alice, bob, BTC, "0.01")
        await house.round({BTC: "95500"})
        withdrawal = await alice.withdraw(5)
        await house.nodes.flush()
        await follow(house, index)
        async with AsyncRpc(house.nodes.l2_url, timeout=120) as rpc:
            explorer = AsyncExplorer(house.deployment, rpc=rpc, index=index)
            head = index.head()
            assert head is not None
            view = await explorer.account_view(alice.address)
            (margin,) = view.margins
            assert margin.venue_name == "Clearinghouse"
            assert [position.market for position in margin.positions] == [house.deployment.market(BTC).index]
            (filled,) = [
                row
                for row in (await explorer.latest_transactions(limit=200)).rows
                if row.calls[:1] == ("Clearinghouse.settle",)
            ][:1]
            shown = await explorer.transaction_view(filled.hash)
            assert "settle" in {call.call.decoded.name for call in shown.tree.roots[0].calls if call.call.decoded}
            written = {write.variable: write for write in shown.writes if write.account == alice.address}
            position = written[f"accounts[{alice.address:#x}].position[{house.deployment.market(BTC).index}]"]
            assert (position.after_shown or {})["size"] == "0.01"
            assert "collateral" in (written[f"accounts[{alice.address:#x}]"].after_shown or {})
            changed = await explorer.compare(filled.block_number - 1, filled.block_number, account=alice.address)
            assert position.variable in {change.variable for change in changed.changes}
            line = await explorer.timeline(BTC)
            assert line.marks[-1].mark.price == to_price("95500")
            assert line.unexplained == ()
            # A market has no valid mark when it is listed.
            assert {flag for point in line.marks for flag in point.flags} <= {"jump", "not valid"}
            assert "not valid" not in line.marks[-1].flags
            assert withdrawal.tx_hash is not None
            (sent,) = (await explorer.transaction_view(withdrawal.tx_hash)).messages
            (life,) = await explorer.message(sent.hash)
            assert (life.recipient_name, life.state) == ("CollateralBridge", "waiting on L1")
            assert (await explorer.search("clearingh"))[0].target == hex(house.deployment.address("Clearinghouse"))
            assert (await explorer.search(BTC))[0].kind == "market"
            assert (await explorer.health(now=head.timestamp)).data.state in ("ok", "wrong")
