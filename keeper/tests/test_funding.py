"""The reported funding rate: from premium and clamp to a number, and only by prices that may be reported."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark_keeper.config import BadConfig, load
from truemark_keeper.funding import FundingRates, FundingTerms, premium_ppm, rate_of
from truemark_keeper.judging import Verdict
from truemark_keeper.validity import Validity

NOW = 1_768_777_200
TERMS = FundingTerms("SPOT", window=60)


class Prices:
    """An opinion whose prices a test sets; None: no price that may be reported."""

    def __init__(self, **prices: int | None) -> None:
        self.prices = prices
        self.asked: list[tuple[str, ...]] = []

    async def verdicts(self, markets: tuple[str, ...], now: int) -> dict[str, Verdict]:
        self.asked.append(markets)
        return {
            name: Verdict(name, Validity.MISSING, "silent")
            if self.prices.get(name) is None
            else Verdict(name, Validity.VALID, "", self.prices[name] or 0)
            for name in markets
        }


@pytest.mark.parametrize(
    ("price", "index", "rate"),
    [
        # Within the damping of the interest everybody pays the interest: -400 and +600 ppm are its ends.
        (1_000_000, 1_000_000, 100),
        (1_000_600, 1_000_000, 100),
        (999_600, 1_000_000, 100),
        (1_000_601, 1_000_000, 101),
        (999_599, 1_000_000, 99),
        (1_002_000, 1_000_000, 1_500),
        (998_000, 1_000_000, -1_500),
        # The cap.
        (1_100_000, 1_000_000, 7_500),
        (900_000, 1_000_000, -7_500),
    ],
)
def test_the_rate_is_the_premium_damped_and_capped(price: int, index: int, rate: int) -> None:
    assert rate_of(premium_ppm(price, index), TERMS) == rate


@given(st.integers(-(10**6), 10**7), st.integers(-500, 500), st.integers(0, 1_000), st.integers(0, 20_000))
def test_a_rate_is_never_beyond_its_cap_and_rises_with_the_premium(
    premium: int, interest: int, damping: int, most: int
) -> None:
    terms = FundingTerms("SPOT", interest_ppm=interest, damping_ppm=damping, max_ppm=most)
    rate = rate_of(premium, terms)
    assert -most <= rate <= most
    assert rate_of(premium + 1, terms) >= rate


def test_the_mean_of_the_window_counts_and_what_may_not_be_reported_does_not() -> None:
    opinion = Prices(PERP=1_002_000, SPOT=1_000_000)
    rates = FundingRates(opinion, {"FIXED": -7}, {"PERP": TERMS})

    def observe(after: int, **prices: int | None) -> int:
        opinion.prices |= prices
        asyncio.run(rates.observe(("PERP", "FIXED"), NOW + after))
        return rates.rate("PERP")

    assert rates.rate("PERP") == 0
    assert observe(0) == 1_500
    assert observe(30, PERP=1_004_000) == 2_500
    # A moment without a price of either gives no premium.
    assert observe(31, PERP=None) == 2_500
    assert observe(32, PERP=2_000_000, SPOT=None) == 2_500
    # The first one is out of the window.
    assert observe(60, PERP=1_004_000, SPOT=1_000_000) == 3_500
    assert observe(200, SPOT=None) == 0
    # A clock that went back does not keep what is later.
    assert observe(0, PERP=1_002_000, SPOT=1_000_000) == 1_500
    assert rates.rate("FIXED") == -7
    assert rates.rate("OTHER") == 0
    # All that a round needs is asked for at once.
    assert set(opinion.asked) == {("PERP", "FIXED", "SPOT")}


def config(tmp_path: Path, funding: str) -> Path:
    path = tmp_path / "keeper.toml"
    sources = "".join(
        f'[[sources]]\nkind = "pyth"\nname = "p{n}"\ngroup = "g{n}"\nurl = "http://x"\n'
        'markets = { PERP = "a", SPOT = "b" }\n'
        for n in range(3)
    )
    path.write_text(f'[keeper]\naccount = "0x1"\nkey_env = "K"\n{sources}\n[markets.PERP]\n{funding}')
    return path


def test_the_table_says_which_names_are_compared(tmp_path: Path) -> None:
    settings = load(config(tmp_path, '[markets.PERP.funding]\nindex = "SPOT"\ninterest_ppm = -5\n'))
    assert settings.markets.funding == {"PERP": FundingTerms("SPOT", interest_ppm=-5)}
    for text, said in (
        ('[markets.PERP.funding]\nindex = "GOLD"\n', "no source gives GOLD"),
        ('[markets.PERP.funding]\nindex = "PERP"\n', "no premium over itself"),
        ('[markets.PERP.funding]\nindex = "SPOT"\nwindow = 0\n', "window is 0"),
        ('funding_rate_ppm = 1\n[markets.PERP.funding]\nindex = "SPOT"\n', "both funding_rate_ppm and funding"),
        ('[markets.PERP.funding]\nindx = "SPOT"\n', "did you mean index"),
    ):
        with pytest.raises(BadConfig, match=said):
            load(config(tmp_path, text))
