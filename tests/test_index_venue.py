"""The index of a real venue: marks, accounts and positions are what the contracts' own views say, and slots have the
names of the contracts' variables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from truemark.explorer import AsyncExplorer
from truemark.felt import selector
from truemark.index import Cause, EventFilter, Follower, Index
from truemark.keys import StarkKey
from truemark.orders import Side
from truemark.reports import Entry
from truemark.rpc import AsyncRpc
from truemark.trader import AsyncTrader
from truemark.units import decimal_text, from_price, from_size, from_value, to_collateral, to_price, to_size
from truemark.web.data import Data
from truemark_devnet.accounts import REPORTERS
from truemark_keeper.reporter import report_call

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
        assert [change for change in changes if change.variable is None] == []
        back = {
            (change.address, change.key): (change.after, change.before) for change in index.diff(head.number, before)
        }
        assert back == {
            (change.address, change.key): (change.before, change.after) for change in index.diff(before, head.number)
        }


async def test_every_slot_that_a_venue_writes_has_a_name_and_says_what_its_contract_says(
    house: House, index: Index
) -> None:
    index.name(house.deployment)
    admin, bot = house.account("admin"), StarkKey.random()
    await admin.execute(house.contract("Vault").call("set_lock_secs", 60))
    async with house.gateway() as gateway, house.trader("alice", gateway) as alice, house.trader("bob", gateway) as bob:
        await fill(house, alice, bob, BTC, "0.01")
        await house.round({BTC: "95500"})
        await funding(house, BTC)
        await fill(house, alice, bob, BTC, "0.01")
        resting = await alice.place(BTC, "buy", "0.02", "95000")
        await alice.cancel(resting)
        await alice.register_trading_key(bot.public_key, lifetime=100)
        await alice.revoke_trading_key(bot.public_key)
        await alice.vault_deposit(1_000, "margin")
        asked = await alice.request_redeem("400.5")
        await house.rounds(60)
        await alice.claim_redemption(asked.request_id)
        await alice.withdraw(5)
        await bob.faucet(50)
        await house.account("guardian").execute(house.contract("Clearinghouse").call("set_mode", "CancelOnly", 0))
        parked = await bob.deposit(50, "vault")
        await house.nodes.flush()
        outcome = await parked.credited(10)
        assert outcome.parked_id is not None
        await bob.claim_parked(outcome.parked_id)
        await follow(house, index)

        head = index.head()
        assert head is not None
        ours = {info.address for info in house.deployment.contracts.values()}
        written = [write for write in index.writes(0, head.number) if write.part == "storage" and write.address in ours]
        assert [(write.contract, hex(write.key or 0)) for write in written if write.variable is None] == []
        variables = {f"{write.contract}.{write.variable}" for write in written}
        market = house.deployment.market(BTC).index
        assert {
            f"Oracle.markets[{market}].mark",
            f"Oracle.entries[{market & ~1},{market | 1}].seat[0]",
            f"Clearinghouse.orders[{resting.order_hash:#x}]",
            f"Clearinghouse.trading_keys[{alice.address:#x},{bot.public_key:#x}]",
            f"Vault.queue.requests[{asked.request_id}].shares",
            f"Vault.queue.ids[{alice.address:#x},0]",
            f"Bridge.parked[{outcome.parked_id}].amount",
            f"Bridge.parked_ids[{parked.nonce}]",
            f"CollateralToken.ERC20_balances[{alice.address:#x}]",
            "CollateralToken.ERC20_name.text[0]",
        } <= variables

        async with AsyncRpc(house.nodes.l2_url, timeout=120) as rpc:
            explorer = AsyncExplorer(house.deployment, rpc=rpc, index=index)
            changed = (await explorer.compare(0, head.number)).changes
            data = Data(explorer)
            for address in ours:
                stored = data.rows.storage_of(address, None, 10_000)
                names = await data.slot_names(address, (each.block_number for each in stored))
                assert [hex(each.key) for each in stored if names.slot(address, each.key) is None] == []
        shown = {
            f"{change.contract}.{change.variable}": change.after_shown
            for change in changed
            if change.address in ours and change.part == "storage"
        }
        assert [name for name in shown if name.endswith(".None")] == []
        await the_oracle_says_so(house, shown)
        await the_clearinghouse_says_so(house, shown, resting.order_hash)
        for trader in (alice, bob):
            view = await house.contract("Clearinghouse").read("account", trader.address)
            own = shown[f"Clearinghouse.accounts[{trader.address:#x}]"] or {}
            assert to_collateral(own["collateral"]) == view["collateral"]
            (position,) = view["positions"]
            place = shown[f"Clearinghouse.accounts[{trader.address:#x}].position[{market}]"] or {}
            assert place == {
                "size": decimal_text(from_size(position["size"])),
                "funding_index": decimal_text(from_value(position["funding_index"])),
            }
            assert position["funding_index"] < 0


async def funding(house: House, market: str) -> None:
    """A while with a rate, and a checkpoint of the index."""
    info = house.deployment.market(market)
    for _ in range(2):
        await house.pass_time(10)
        said = Entry(info.index, to_price(PRICES[market]), 5, await house.now(), -700)
        for role in REPORTERS:
            await house.account(role).execute(report_call(house.deployment.address("Oracle"), 0, [said]))
    clearinghouse = house.contract("Clearinghouse")
    await house.account("admin").execute(clearinghouse.call("checkpoint_funding", 1 << info.index))
    assert (await clearinghouse.read("funding_checkpoint", info.index))["index"] < 0


async def the_oracle_says_so(house: House, shown: Mapping[str, Mapping[str, str] | None]) -> None:
    oracle = house.contract("Oracle")
    for info in house.deployment.markets.values():
        mark, slot = await oracle.read("mark", info.index), shown[f"Oracle.markets[{info.index}].mark"] or {}
        guard = await oracle.read("guard", info.index)
        assert (to_price(slot["price"]), slot["status"]) == (mark["price"], mark["status"].variant)
        assert to_price(slot["checkpoint"]) == mark["checkpoint"]
        assert slot["stale_at"] == at(mark["accepted_at"] + guard["max_mark_age"])
        assert slot["valid_since"] == at(mark["valid_since"])
        rules = shown[f"Oracle.markets[{info.index}].rules"] or {}
        assert rules["max_step"] == f"{guard['max_step_bps']} bps"
        growth = shown[f"Oracle.markets[{info.index}].funding"] or {}
        assert Decimal(growth["growth"]) == from_value((await oracle.read("growths", 1 << info.index))[0])
        for seat, reporter in enumerate(await oracle.read("reporters")):
            entry = await oracle.read("last_entry", info.index, reporter)
            pair = f"Oracle.entries[{info.index & ~1},{info.index | 1}].seat[{seat}]"
            said = {
                name.partition(".")[2]: text
                for name, text in (shown[pair] or {}).items()
                if name.startswith(f"{info.index}.")
            }
            assert said == {
                "price": decimal_text(from_price(entry["price"])),
                "confidence": f"{entry['confidence_bps']} bps",
                "observed_at": at(entry["observed_at"]),
                "rate": f"{entry['funding_rate_ppm']} ppm",
            }


async def the_clearinghouse_says_so(house: House, shown: Mapping[str, Mapping[str, str] | None], order: int) -> None:
    clearinghouse = house.contract("Clearinghouse")
    ledger = await clearinghouse.read("ledger")
    for slot, names in (("books", ("insurance", "fees", "funding")), ("custody", ("total", "pending"))):
        held = shown[f"Clearinghouse.{slot}"] or {}
        assert {name: to_collateral(text) for name, text in held.items()} == {name: ledger[name] for name in names}
    assert to_size((shown[f"Clearinghouse.orders[{order:#x}]"] or {})["filled"]) == await clearinghouse.read(
        "order_filled", order
    )
    assert (shown["Clearinghouse.venue"] or {})["mode"] == "CancelOnly"
    for info in house.deployment.markets.values():
        params = await clearinghouse.read("market_params", info.index)
        trade = shown[f"Clearinghouse.markets[{info.index}].trade"] or {}
        assert (to_size(trade["lot"]), to_price(trade["tick"])) == (params["lot_size"], params["tick_size"])
        assert trade["taker_fee"] == f"{params['taker_fee_bps']} bps"
        base = shown[f"Clearinghouse.markets[{info.index}].funding"] or {}
        growth = shown[f"Oracle.markets[{info.index}].funding"] or {}
        index = await clearinghouse.read("funding_index", info.index)
        live = Decimal(growth["growth"]) if base["live"] == "yes" else 0
        assert Decimal(base["base"]) + live == from_value(index)
        checkpoint = shown[f"Clearinghouse.restores[{info.index}].checkpoint"] or {}
        kept = await clearinghouse.read("funding_checkpoint", info.index)
        assert Decimal(checkpoint["index"]) == from_value(kept["index"])
        tiers = shown[f"Clearinghouse.markets[{info.index}].tiers"] or {}
        assert len(tiers) == 3 * sum(tier["initial_bps"] != 0 for tier in params["tiers"]) - ("third.initial" in tiers)
        assert tiers["first.initial"] == f"{params['tiers'][0]['initial_bps']} bps"


def at(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


async def test_a_position_that_no_transaction_wrote_is_seen_as_such(house: House, index: Index) -> None:
    """As a repair of the operator's database would."""
    index.name(house.deployment)
    async with house.trader("alice") as alice:
        await follow(house, index)
        venue = house.deployment.address("Clearinghouse")
        (last,) = index.balance_history(alice.address)[-1:]
        account = f"accounts[{alice.address:#x}]"
        key = next(key for key, slot in index.variables("Clearinghouse").items() if slot.variable == account)
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
        assert write.variable == account
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
