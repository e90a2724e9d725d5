"""Random accounts on a real node: the keeper's margins are the contract's own to the unit, and its screen lists exactly
those that the contract's view puts under water, one unit on either side of the line.

The accounts are written into the contract's storage: what they hold matters here, not how they came to it."""

from __future__ import annotations

import random

import pytest
from truemark.risk import margin
from truemark.waterfall import is_deep
from truemark_devnet.nodes.storage import slot_address, write_slots
from truemark_keeper.book import AccountState, Book, MarketState, OpenPosition, holdings
from truemark_keeper.screen import failed, screen
from truemark_keeper.venue import VenueReader

from tests.house import BTC, ETH, House

pytestmark = pytest.mark.node

FIRST = 0xACC0_0000_0000
#: Accounts whose slots are written in one block: the node keeps all of the state for each.
CHUNK = 20_000
#: 1e-16 USD in a unit of collateral.
UNIT = 10**10
#: Lower fractions than the profile's, so that they may be set while the venue is Full.
TIERED: dict[str, tuple[tuple[int, int, int], ...]] = {
    BTC: ((50_000, 400, 200), (200_000, 450, 250), (0, 500, 300)),
    ETH: ((100_000, 450, 225), (0, 500, 300), (0, 0, 0)),
}


def people(book: Book, count: int, seed: int) -> list[AccountState]:
    """Half of them within a unit of V = R or V = R/3, the others anywhere around it."""
    lots = random.Random(seed)
    made = []
    for number in range(count):
        markets = lots.sample(sorted(book.markets), lots.randint(1, len(book.markets)))
        positions = tuple(position(lots, book.markets[market]) for market in sorted(markets))
        bare = AccountState(FIRST + number, 0, positions)
        now = margin(0, holdings(bare, book.markets, at_checkpoint=False))
        line = now.maintenance if lots.random() < 0.7 else -(-now.maintenance // 3)
        edge = -(-(line - now.value) // UNIT)
        near = lots.randint(-1, 1) if lots.random() < 0.5 else lots.randint(-now.maintenance, now.maintenance) // UNIT
        made.append(AccountState(bare.address, edge + near, positions))
    return made


def position(lots: random.Random, market: MarketState) -> OpenPosition:
    usd = lots.choice((1, 100, 10_000, 60_000, 400_000)) * (1 + lots.random())
    size = max(1, int(usd * 10**16) // market.price) * lots.choice((-1, 1))
    # As if funding had moved since it was opened, up to a twentieth of the price.
    moved = lots.randint(-(market.price * 10**8) // 20, market.price * 10**8 // 20)
    return OpenPosition(market.market, size, market.funding_index + lots.choice((0, moved)))


def slots(account: AccountState) -> dict[int, int]:
    """As `clearinghouse/slots.cairo` packs them."""
    base = slot_address("state", "accounts", account.address)
    bitmap = sum(1 << held.market for held in account.positions)
    packed = {base: bitmap + (account.collateral % 2**96 << 128)}
    for held in account.positions:
        packed[base + 1 + held.market] = held.funding_index % 2**128 + (held.size % 2**64 << 128)
    return packed


@pytest.mark.parametrize(
    "count",
    [
        200,
        pytest.param(3_000, marks=pytest.mark.deep),
        pytest.param(100_000, marks=pytest.mark.prove),
    ],
)
async def test_the_screen_agrees_with_the_contracts_view_of_random_accounts(
    house: House, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    clearinghouse, admin = house.contract("Clearinghouse"), house.account("admin")
    for name, tiers in TIERED.items():
        index = house.deployment.market(name).index
        params = await clearinghouse.read("market_params", index)
        first, second, third = (
            {"upto": upto, "initial_bps": initial, "maintenance_bps": maintenance}
            for upto, initial, maintenance in tiers
        )
        await admin.execute(clearinghouse.call("configure_market", index, {**params, "tiers": (first, second, third)}))
    # Past every grace time, and with checkpoints at the marks.
    await house.rounds(80)
    reader = VenueReader(house.rpc, oracle=house.deployment.address("Oracle"), clearinghouse=clearinghouse.address)
    before = await reader.book()
    assert not any(before.in_grace(market) or not market.valid for market in before.markets.values())
    made = people(before, count, seed=count)
    for start in range(0, count, CHUNK):
        written = {key: value for account in made[start : start + CHUNK] for key, value in slots(account).items()}
        write_slots(house.nodes.control, clearinghouse.address, written)

    addresses = [account.address for account in made]
    known = frozenset(addresses)

    async def accounts(head: object) -> frozenset[int]:
        return known

    monkeypatch.setattr(reader._scan, "accounts", accounts)
    book = await reader.book()
    assert list(book.accounts) == made
    seen = await reader.margins(addresses)
    for account in book.accounts:
        assert margin(account.collateral, holdings(account, book.markets, at_checkpoint=False)) == seen[account.address]
    under = {address for address, view in seen.items() if 0 <= view.value < view.maintenance}
    deep = {address for address, view in seen.items() if is_deep(view.value, view.maintenance)}
    assert {item.account.address for item in screen(book)} == under
    assert {account.address for account in failed(book)} == deep
    # The lot has both kinds, and both sides of each line.
    assert count // 10 < len(under) < count
    assert count // 20 < len(deep) < count
