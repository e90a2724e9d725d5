"""The explorer on an index of a chain that nobody told it of: lists, views, call trees, writes, orphans, health."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
from truemark.explorer import AsyncExplorer, Explorer, NotFound
from truemark.explorer.judgement import Limits
from truemark.explorer.views import NoIndex
from truemark.index import Cause, EventFilter, Follower, Index, Unindexed
from truemark.rpc import AsyncRpc

from ..own_devnet import STRK, Devnet

pytestmark = pytest.mark.node

ALICE, BOB = 0x1234, 0x5678
SEQUENCER = 0x1000


@dataclass
class Seen:
    """Block 1 to 3 mint, 4 has a write by nobody, 5 a mint that took another's place."""

    devnet: Devnet
    index: Index
    explorer: AsyncExplorer
    lost: int


@pytest.fixture(scope="module")
async def seen(own_devnet: Devnet, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Seen]:
    devnet = own_devnet
    devnet.restart()
    devnet.mint(ALICE, 5)
    devnet.mint(BOB, 6)
    devnet.mint(ALICE, 7)
    devnet.write(2**200, 9)
    devnet.empty()
    devnet.mint(BOB, 8)
    lost = int(devnet.call("starknet_getBlockWithTxHashes", block_id={"block_number": 5})["transactions"][0], 16)
    async with AsyncRpc(devnet.url) as rpc:
        with Index.open(tmp_path_factory.mktemp("seen") / "index.sqlite") as index:
            await Follower(rpc, index).backfill()
            devnet.abort(5)
            devnet.mint(ALICE, 10)
            await Follower(rpc, index).backfill()
            async with AsyncExplorer(devnet.url, rpc=rpc, index=index) as explorer:
                yield Seen(devnet, index, explorer, lost)


async def test_blocks_and_transactions_are_as_the_node_has_them(seen: Seen) -> None:
    async with AsyncExplorer(seen.devnet.url) as plain:
        for number in range(6):
            ours, theirs = await seen.explorer.block(number), await plain.block(number)
            assert replace(ours, transactions=()) == replace(theirs, transactions=())
            for place, transaction in enumerate(ours.transactions):
                found = await plain.transaction(transaction.hash)
                assert await seen.explorer.transaction(transaction.hash) == transaction
                assert transaction == replace(found, index=place)
                assert found.calls[0].decoded is not None
        by_hash = await seen.explorer.block(hex((await plain.block(3)).hash or 0))
        assert by_hash == await seen.explorer.block(3)


async def test_lists_go_from_the_newest_on_page_by_page(seen: Seen) -> None:
    numbers, cursor = [], None
    while True:
        page = await seen.explorer.latest_blocks(cursor, 4)
        numbers += [row.number for row in page.rows]
        cursor = page.cursor
        if cursor is None:
            break
    assert numbers == [5, 4, 3, 2, 1, 0]
    first = await seen.explorer.latest_transactions(limit=2)
    rest = await seen.explorer.latest_transactions(first.cursor, limit=2)
    assert [row.block_number for row in (*first.rows, *rest.rows)] == [5, 3, 2, 1]
    assert rest.cursor is None
    assert {row.calls for row in first.rows} == {("permissioned_mint",)}
    assert first.rows[0].event_count == 2
    sender = first.rows[0].sender
    assert sender is not None
    assert len((await seen.explorer.latest_transactions(sender=sender)).rows) == 4
    assert (await seen.explorer.latest_transactions(failed=True)).rows == ()
    newest = await seen.explorer.events(EventFilter(name="Transfer", mentions=ALICE), limit=2)
    more = await seen.explorer.events(EventFilter(name="Transfer", mentions=ALICE), newest.cursor)
    assert [row.block_number for row in (*newest.rows, *more.rows)] == [5, 3, 1]
    with pytest.raises(Unindexed, match="no cursor"):
        await seen.explorer.latest_blocks("x")


async def test_a_transaction_shows_its_calls_and_what_it_wrote(seen: Seen) -> None:
    row = (await seen.explorer.latest_transactions(limit=1)).rows[0]
    view = await seen.explorer.transaction_view(row.hash)
    (root,) = view.tree.roots
    assert root.call.decoded is not None
    assert root.call.decoded.name == "__execute__"
    (inner,) = root.calls
    assert inner.call.decoded is not None
    assert (inner.call.decoded.name, inner.call.arguments) == (
        "permissioned_mint",
        {"account": hex(ALICE), "amount": "10"},
    )
    assert (inner.caller, inner.call.address) == (view.transaction.sender, STRK)
    by_name = {write.variable: write for write in view.writes}
    balance = by_name[f"ERC20_balances[{ALICE:#x}].low"]
    assert (balance.before, balance.after, balance.account) == (12, 22, ALICE)
    assert balance.tx_hash == row.hash
    total = by_name["ERC20_total_supply.low"]
    assert (total.after or 0) - (total.before or 0) == 10
    assert f"ERC20_balances[{SEQUENCER:#x}].low" in by_name
    assert view.bounds["l2_gas"][0] > 0
    assert view.status == "ACCEPTED_ON_L2"


async def test_a_block_shows_its_state_changes_and_what_took_its_place(seen: Seen) -> None:
    view = await seen.explorer.block_view(4)
    (write,) = [write for write in view.writes if write.cause is Cause.UNATTRIBUTED]
    assert (write.key, write.before, write.after, write.tx_hash) == (2**200, None, 9, None)
    assert await seen.explorer.unattributed() == (write,)
    assert (view.previous, view.next, view.others) == (3, 5, ())
    (replacement,) = await seen.explorer.replacements()
    assert (replacement.orphan.number, replacement.lost, replacement.kept) == (5, (seen.lost,), ())
    assert replacement.replaced_by is not None
    assert len(replacement.new) == 1
    lost = {write.variable: (write.before, write.after) for write in replacement.writes}
    assert lost[f"ERC20_balances[{BOB:#x}].low"] == (14, None)
    assert lost[f"ERC20_balances[{ALICE:#x}].low"] == (None, 22)
    gone = await seen.explorer.transaction_view(seen.lost)
    assert gone.status == "ORPHANED"
    assert {write.variable: write.before for write in gone.writes}[f"ERC20_balances[{BOB:#x}].low"] == 6
    orphaned = await seen.explorer.block_view(5, orphaned=replacement.reorg.id)
    assert orphaned.reorg == replacement.reorg
    assert [other.number for other in orphaned.others] == [5]


async def test_accounts_contracts_and_classes_are_found_with_nothing_configured(seen: Seen) -> None:
    alice = await seen.explorer.account_view(ALICE)
    (balance,) = alice.balances
    assert (balance.amount, balance.token.symbol, balance.token.decimals) == (22, "STRK", 18)
    assert balance.shown == Decimal(22).scaleb(-18)
    before = (await seen.explorer.account_view(ALICE, 2)).balances[0]
    assert before.amount == 5
    assert alice.class_hash is None
    token = await seen.explorer.contract_view(STRK)
    assert token.account.is_token
    assert "Transfer" in token.event_names
    assert {"balance_of", "total_supply"} <= {function.name for function in token.views}
    assert await seen.explorer.read(STRK, "balance_of", ALICE) == 22
    assert token.account.class_hash is not None
    found = await seen.explorer.class_view(token.account.class_hash)
    assert (STRK, None) in found.contracts
    minter = (await seen.explorer.latest_transactions(limit=1)).rows[0].sender
    assert minter is not None
    sender = await seen.explorer.account_view(minter)
    assert (sender.is_account, sender.nonce, sender.sent) == (True, 4, 4)
    calls = await seen.explorer.calls_to(STRK, limit=3)
    assert [call.call.decoded.name for call in calls.rows if call.call.decoded] == ["permissioned_mint"] * 3
    with pytest.raises(NotFound):
        await seen.explorer.class_view(0x123456)


async def test_transfers_are_events_with_amounts(seen: Seen) -> None:
    moved = (await seen.explorer.transfers(account=ALICE, token=STRK)).rows
    assert [(each.sender, each.recipient, each.amount) for each in moved] == [
        (0, ALICE, 10),
        (0, ALICE, 7),
        (0, ALICE, 5),
    ]
    assert moved[0].shown == Decimal(10).scaleb(-18)


async def test_two_states_differ_by_variable_and_account(seen: Seen) -> None:
    difference = await seen.explorer.compare(1, 3)
    mine = difference.by_account()[ALICE]
    assert [(change.variable, change.before, change.after) for change in mine] == [
        (f"ERC20_balances[{ALICE:#x}].low", 5, 12)
    ]
    assert {change.address for change in (await seen.explorer.compare(3, 1, account=ALICE)).changes} == {STRK}
    with pytest.raises(NotFound):
        await seen.explorer.compare(1, 99)


async def test_health_asks_three_questions(seen: Seen) -> None:
    last = (await seen.explorer.block("latest")).timestamp
    health = await seen.explorer.health(now=last + 1)
    assert (health.chain.state, health.index.state, health.data.state) == ("ok", "ok", "wrong")
    assert "block 4" in health.data.says
    assert (await seen.explorer.health(now=last + 1_000)).chain.state == "halted"
    for _ in range(3):
        seen.devnet.empty()
    assert (await seen.explorer.health(limits=Limits(behind=2))).index.state == "behind"
    async with AsyncExplorer("http://127.0.0.1:1", index=seen.index) as alone:
        health = await alone.health()
        assert (health.chain.state, health.index.state) == ("unreachable", "unknown")
        # What it shows of the chain needs no node.
        assert (await alone.block(3)).transactions[0].calls[0].decoded is not None


async def test_search_finds_whatever_it_may_be(seen: Seen) -> None:
    block = await seen.explorer.block(3)
    wanted = {
        "3": ("block", "3"),
        hex(block.hash or 0): ("block", "3"),
        hex(block.transactions[0].hash): ("transaction", hex(block.transactions[0].hash)),
        hex(seen.lost): ("transaction", hex(seen.lost)),
        hex(ALICE): ("contract", hex(ALICE)),
        hex(STRK): ("contract", hex(STRK)),
        "transf": ("event", "Transfer"),
    }
    for text, hit in wanted.items():
        found = await seen.explorer.search(text)
        assert hit in [(each.kind, each.target) for each in found], text
    assert (await seen.explorer.search(hex(seen.lost)))[0].orphaned
    for nothing in ("", "no such thing", "0x" + "f" * 70, "-1", "0x9999999999"):
        assert await seen.explorer.search(nothing) == ()


async def test_activity_sums_up_to_the_whole(seen: Seen) -> None:
    points = await seen.explorer.activity(points=2)
    assert [(point.first_block, point.last_block) for point in points] == [(0, 2), (3, 5)]
    assert sum(point.transactions for point in points) == 4
    assert sum(point.fee for point in points) == sum(
        row.fee for row in (await seen.explorer.latest_transactions(limit=9)).rows
    )


def test_without_an_index_it_says_so() -> None:
    with Explorer("http://127.0.0.1:1") as explorer, pytest.raises(NoIndex, match="takes an index"):
        explorer.latest_blocks()


async def test_the_block_in_the_making_is_an_overlay_until_the_chain_has_it(
    start_devnet: Callable[..., Devnet], tmp_path: Path
) -> None:
    devnet = start_devnet("--block-generation-on", "demand")
    devnet.mint(ALICE, 3)
    async with AsyncRpc(devnet.url) as rpc:
        with Index.open(tmp_path / "index.sqlite") as index:
            follower = Follower(rpc, index)
            await follower.backfill()
            async with AsyncExplorer(devnet.url, rpc=rpc, index=index) as explorer:
                making = await explorer.pre_confirmed()
                assert making is not None
                assert (making.number, making.hash, making.status) == (1, None, "PRE_CONFIRMED")
                (transaction,) = making.transactions
                assert transaction.finality == "PRE_CONFIRMED"
                assert transaction.calls[0].decoded is not None
                assert (await explorer.latest_transactions()).rows == ()
                devnet.empty()
                await follower.backfill()
                made = (await explorer.latest_transactions()).rows[0]
                assert (made.hash, made.status) == (transaction.hash, "ACCEPTED_ON_L2")
                after = await explorer.pre_confirmed()
                assert after is None or (after.number, after.transactions) == (2, ())
