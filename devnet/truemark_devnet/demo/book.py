"""Who trades on the day, and what they want: 30 traders, four of whom make the markets.

Leverage is notional over deposit. Margin fractions are 5% initial, 3% maintenance, so who is long more than about
11 x SOL, 9 x DOGE, 12 x XRP, 14 x ETH or 17 x BTC does not survive the fall of the first two hours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from eth_utils.crypto import keccak

BTC, ETH, SOL = "BTC-USD-PERP", "ETH-USD-PERP", "SOL-USD-PERP"
DOGE, XRP, PAXG = "DOGE-USD-PERP", "XRP-USD-PERP", "PAXG-USD-PERP"
MARKETS = (BTC, ETH, SOL, DOGE, XRP, PAXG)


@dataclass(frozen=True)
class Wish:
    """A position that a trader wants: signed leverage of its deposit, long above 0."""

    market: str
    leverage: Decimal
    #: Hours after the day's start.
    hour: int = 0


@dataclass(frozen=True)
class TraderPlan:
    name: str
    deposit: Decimal
    wishes: tuple[Wish, ...] = ()
    vault: Decimal = Decimal(0)
    #: Hours after the start at which it closes everything, reduce-only; None keeps its positions.
    closes_at: int | None = None
    makes_markets: bool = False
    #: Of its final free margin, withdrawn to L1 and claimed there.
    withdraws: Decimal = field(default=Decimal(0))

    @property
    def eth_key(self) -> bytes:
        """A key for the local chain of the demo, made from the name: worth nothing anywhere else."""
        return keccak(text=f"truemark settlement day: {self.name}")


def _trader(
    name: str,
    deposit: int,
    *wishes: tuple[str, str] | tuple[str, str, int],
    vault: int = 0,
    closes_at: int | None = None,
    withdraws: int = 0,
) -> TraderPlan:
    return TraderPlan(
        name=name,
        deposit=Decimal(deposit),
        wishes=tuple(Wish(wish[0], Decimal(wish[1]), wish[2] if len(wish) == 3 else 0) for wish in wishes),
        vault=Decimal(vault),
        closes_at=closes_at,
        withdraws=Decimal(withdraws),
    )


def _maker(name: str, deposit: int) -> TraderPlan:
    return TraderPlan(name=name, deposit=Decimal(deposit), makes_markets=True)


TRADERS: tuple[TraderPlan, ...] = (
    _trader("alma", 6_000, (SOL, "15")),
    _trader("bela", 4_000, (SOL, "12.5")),
    _trader("ciro", 9_000, (SOL, "5")),
    _trader("dana", 5_000, (SOL, "-8"), closes_at=12),
    _trader("emil", 3_000, (DOGE, "13")),
    _trader("fern", 7_000, (DOGE, "11")),
    _trader("gita", 8_000, (DOGE, "4")),
    _trader("hugo", 4_500, (DOGE, "-6"), closes_at=10),
    _trader("iris", 5_500, (XRP, "16")),
    _trader("jona", 6_500, (XRP, "7")),
    _trader("kaya", 3_500, (XRP, "-9"), closes_at=17),
    _trader("lena", 12_000, (ETH, "17")),
    _trader("milo", 10_000, (ETH, "10")),
    _trader("nora", 8_500, (ETH, "-5")),
    _trader("omar", 20_000, (BTC, "18")),
    _trader("pina", 15_000, (BTC, "12")),
    _trader("quin", 11_000, (BTC, "-10"), closes_at=9, withdraws=5_000),
    _trader("rosa", 25_000, (BTC, "3"), (ETH, "3")),
    _trader("saul", 6_000, (PAXG, "15")),
    _trader("tess", 5_000, (PAXG, "-10"), closes_at=20),
    _trader("umar", 9_500, (BTC, "6"), (SOL, "6")),
    _trader("vera", 7_500, (ETH, "4"), (SOL, "4"), (XRP, "4")),
    _trader("walt", 4_000, (SOL, "9", 6), closes_at=18),
    _trader("xena", 6_000, (BTC, "-4", 4), (ETH, "4", 4)),
    _trader("yara", 10_000, (PAXG, "3"), vault=20_000),
    _trader("zeno", 3_000, (DOGE, "5", 8), vault=12_000),
    _maker("maker-1", 2_000_000),
    _maker("maker-2", 2_000_000),
    _maker("maker-3", 1_500_000),
    _maker("maker-4", 1_500_000),
)
