"""What happens on the night, second by second, and whose accounts are there. The same for both venues."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Final

from truemark_devnet.scenario.file import Account, Expect, Market, Scenario

#: Seconds between two looks of a keeper.
INTERVAL: Final = 5
#: The upgrade locks the table, commits it with its columns reset to 0, fills them from old pages of the price history,
#: a low one and a high one, and last with what they were.
LOCKED, RESET, OLD_LOW, OLD_HIGH, FILLED, END = 20, 25, 35, 40, 45, 70
#: An old page's prices, percent of the night's.
LOW_PERCENT: Final = 86
HIGH_PERCENT: Final = 112
#: What the night's database has in its funding column, ppm for 8 hours.
FUNDING_PPM: Final = 100

BTC, ETH, PAXG = "BTC-USD-PERP", "ETH-USD-PERP", "PAXG-USD-PERP"
#: Listing prices, USD.
PRICES: Final = {BTC: Decimal(92_600), ETH: Decimal(3_200), PAXG: Decimal(4_620)}
#: Longs of about 6.6 times their collateral, shorts of about 7.3: healthy all night, dead on one of the old pages.
ACCOUNTS: Final = {
    "alma": Account(Decimal(28_000), {BTC: Decimal("2")}),
    "bela": Account(Decimal(25_000), {BTC: Decimal("-2")}),
    "ciro": Account(Decimal(12_000), {ETH: Decimal("25")}),
    "dana": Account(Decimal(14_000), {PAXG: Decimal("20")}),
    "emil": Account(Decimal(4_800), {ETH: Decimal("-5"), PAXG: Decimal("-4")}),
    "fern": Account(Decimal(50_000), {}),
}
#: Accounts with a position: on the venue without guards each of them can lose it.
EXPOSED: Final = frozenset(who for who, account in ACCOUNTS.items() if account.positions)


class Phase(Enum):
    """What the operator's database is in."""

    NORMAL = "as every day"
    LOCKED = "the upgrade holds the table"
    RESET = "price and funding are reset to 0"
    OLD_LOW = "filled from an old page, 14% lower"
    OLD_HIGH = "filled from an old page, 12% higher"
    FILLED = "filled with the right values"


def phase_at(at: int) -> Phase:
    """`at`: seconds from the start."""
    for since, phase in (
        (FILLED, Phase.FILLED),
        (OLD_HIGH, Phase.OLD_HIGH),
        (OLD_LOW, Phase.OLD_LOW),
        (RESET, Phase.RESET),
        (LOCKED, Phase.LOCKED),
    ):
        if at >= since:
            return phase
    return Phase.NORMAL


def true_price(market: str, at: int) -> Decimal:
    """USD: what the world pays. A quiet night, each market falls by a hundredth of a percent every five seconds."""
    return PRICES[market] * (100_000 - 2 * at) / 100_000


def scenario(name: str, *, storm: bool) -> Scenario:
    """The book of the night. `storm`: whether liquidations are rationed, as the release has it."""
    return Scenario(
        name=name,
        title="19 January 2026: a database upgrade under running keepers",
        reporters=3,
        markets={market: Market(price, {}) for market, price in PRICES.items()},
        accounts=ACCOUNTS,
        venue={} if storm else {"storm_bps": 10_000, "storm_floor": 1_000_000_000},
        timeline=(),
        expect=Expect(),
    )
