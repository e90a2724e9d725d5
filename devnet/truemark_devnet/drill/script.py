"""What happens in the drill and who is there: markets, accounts, true prices, and the pages that the venue's database
shows while it is upgraded. Seconds are of block time from the start of the night."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from truemark_devnet.scenario.file import Account, Expect, Market, Scenario

BTC, ETH, SOL, PAXG = "BTC-USD-PERP", "ETH-USD-PERP", "SOL-USD-PERP", "PAXG-USD-PERP"
#: Listing prices, USD.
PRICES: Final[Mapping[str, Decimal]] = {
    BTC: Decimal(92_600),
    ETH: Decimal(3_200),
    SOL: Decimal("142.8"),
    PAXG: Decimal(4_620),
}
#: Sizes are whole multiples of it, in the base asset.
LOTS: Final[Mapping[str, Decimal]] = {
    BTC: Decimal("0.0001"),
    ETH: Decimal("0.001"),
    SOL: Decimal("0.01"),
    PAXG: Decimal("0.001"),
}
#: Of the accounts in a hundred; PAXG has the fewest and the smallest: the thinnest market.
SHARES: Final[Mapping[str, int]] = {BTC: 30, ETH: 28, SOL: 24, PAXG: 18}
#: Collateral of an account, USD.
COLLATERAL: Final[Mapping[str, tuple[int, int]]] = {
    BTC: (4_000, 20_000),
    ETH: (2_000, 12_000),
    SOL: (1_000, 8_000),
    PAXG: (500, 2_000),
}
#: Notional by collateral: those that an old page of prices puts under water, and those that nothing does.
LONGS_AT_RISK: Final = (Decimal("6.3"), Decimal("6.9"))
SHORTS_AT_RISK: Final = (Decimal("6.7"), Decimal("7.9"))
AT_EASE: Final = (Decimal("1.5"), Decimal("3.5"))
#: Accounts in a hundred that are at risk.
AT_RISK: Final = 60

#: Seconds between two rounds of prices.
INTERVAL: Final = 20
#: The last good block ends the quiet part; then storage changes, and the database shows what it should not.
QUIET_ENDS: Final = 100
STORAGE: Final = 105
CROSSING: Final = 108
ZERO: Final = 115
OLD_LOW: Final = 120
OLD_HIGH: Final = 130
RIGHT_AGAIN: Final = 145
STOPPED: Final = 160
#: An old page's prices, percent of the night's.
LOW_PERCENT: Final = 86
HIGH_PERCENT: Final = 112
#: The markets whose rows are wrong while the database is upgraded. PAXG's turn comes with the reopening.
UPGRADED: Final = (BTC, ETH)
#: ppm for 8 hours, what the database has in its funding column.
FUNDING_PPM: Final = 100
#: The funding index of SOL since the venue was launched, USD for one whole base unit: what a reset to 0 takes away.
SOL_FUNDING: Final = Decimal("17.1")
#: The second wave skews PAXG by so much, percent of the true price, one side and the other.
WAVE_PERCENT: Final = (86, 112)

#: Deposits and withdrawals that stand on both sides of the line, USD.
KEPT_DEPOSIT, KEPT_WITHDRAWAL = Decimal(750), Decimal(120)
ERASED_DEPOSIT, ERASED_PAID, ERASED_WAITING = Decimal(640), Decimal(210), Decimal(330)

#: The accounts with a part of their own. They come before the crowd.
DEPOSITOR, WITHDRAWER, WAITING, RIGHTFUL, ATTACKER, MAKER = "dora", "wim", "wanda", "rita", "arno", "mona"
_PARTS: Final[Mapping[str, Account]] = {
    DEPOSITOR: Account(Decimal(9_000), {BTC: Decimal("0.2")}),
    WITHDRAWER: Account(Decimal(8_000), {ETH: Decimal("-4")}),
    WAITING: Account(Decimal(7_000), {}),
    # Long 15 times its collateral: a true fall of SOL by 4% is its end, and rightly so.
    RIGHTFUL: Account(Decimal(1_000), {SOL: Decimal(105)}),
    # Who skews the thin market: one holds what it can sell, the other only posts.
    ATTACKER: Account(Decimal(60_000), {PAXG: Decimal("2")}),
    MAKER: Account(Decimal(60_000), {}),
}
#: Everybody trades against it; it also liquidates.
HOUSE_COLLATERAL: Final = Decimal(40_000_000)
#: SOL falls by so much in truth, percent, from this moment after the reopening on.
TRUE_FALL_PERCENT: Final = 4


@dataclass(frozen=True, slots=True)
class Size:
    """How large a drill is."""

    accounts: int = 200
    seed: int = 19


def book(size: Size) -> dict[str, Account]:
    """The accounts by name, the same for the same size; those with a part first."""
    # Not a secret and nothing hangs on it: the same crowd each time.
    dice = random.Random(size.seed)  # noqa: S311
    found = dict(_PARTS)
    crowd = max(size.accounts - len(found), 0)
    markets = [market for market, share in SHARES.items() for _ in range(share)]
    dice.shuffle(markets)
    for number in range(crowd):
        # By turns, so that a small crowd is in every market and on both sides too.
        market = list(SHARES)[number % 4] if number < 16 else markets[number % len(markets)]
        low, high = COLLATERAL[market]
        collateral = Decimal(dice.randint(low, high))
        long = (number // 4) % 2 == 0 if number < 16 else dice.random() < 0.55
        risky = number < 12 or dice.randrange(100) < AT_RISK
        least, most = (LONGS_AT_RISK if long else SHORTS_AT_RISK) if risky else AT_EASE
        leverage = least + (most - least) * dice.randint(0, 100) / 100
        lot = LOTS[market]
        amount = (collateral * leverage / PRICES[market]) // lot * lot
        found[f"t{number:03d}"] = Account(collateral, {market: amount if long else -amount})
    return found


def scenario(name: str, size: Size, *, guarded: bool) -> Scenario:
    """The venue of a drill. Without guards it has none of those that are numbers either: no ration of liquidations, no
    time in a stage, no grace, a band as wide as the contract takes."""
    bare = {"storm_bps": 10_000, "storm_floor": 1_000_000_000, "dwell": 1, "grace": 1, "post_band": 9_999}
    return Scenario(
        name=name,
        title="19 January 2026",
        reporters=3,
        markets={market: Market(price, {}) for market, price in PRICES.items()},
        accounts=book(size),
        venue={} if guarded else {**bare, "fill_band": 9_999},
        timeline=(),
        expect=Expect(),
    )


def true_price(market: str, at: int, fall_at: int | None = None) -> Decimal:
    """USD: what the world pays. It swings by a tenth of a percent around the listing price; SOL falls from `fall_at`
    on."""
    phase = at % 600
    swing = phase if phase <= 300 else 600 - phase
    price = PRICES[market] * (300_000 + swing) / 300_000
    if market == SOL and fall_at is not None and at >= fall_at:
        price = price * (100 - TRUE_FALL_PERCENT) / 100
    return price.quantize(Decimal("0.00000001"))


def database_price(market: str, at: int, fall_at: int | None = None) -> Decimal:
    """USD: what the venue's own database says while it is upgraded; 0 is what a column that was reset has."""
    true = true_price(market, at, fall_at)
    if market not in UPGRADED or not ZERO <= at < RIGHT_AGAIN:
        return true
    if at < OLD_LOW:
        return Decimal(0)
    percent = LOW_PERCENT if at < OLD_HIGH else HIGH_PERCENT
    return (true * percent / 100).quantize(Decimal("0.00000001"))
