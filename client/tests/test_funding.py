"""Funding accrues as it is defined; that the contract agrees is tests/test_risk_parity.py."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from hypothesis import given
from hypothesis import strategies as st
from truemark.funding import accrual, bound_rate


@given(
    rate=st.integers(-(2**31), 2**31 - 1),
    limit=st.integers(0, 2**32 - 1),
    gap=st.integers(0, 10**9),
    max_gap=st.integers(0, 86_400),
    mark=st.integers(1, 2**64 - 1),
)
def test_a_step_is_rate_times_time_times_mark_rounded_down(
    rate: int, limit: int, gap: int, max_gap: int, mark: int
) -> None:
    bounded = bound_rate(rate, limit)
    assert -limit <= bounded <= limit
    # ppm for 8 hours, seconds, 1e-8 USD; the step is in 1e-16 USD.
    exact = Fraction(bounded, 10**6) * Fraction(min(gap, max_gap), 28_800) * Fraction(mark, 10**8) * 10**16
    assert accrual(rate, limit, gap, max_gap, mark) == floor(exact)


def test_one_day_at_the_base_rate() -> None:
    # 0.01% for 8 hours on 100,000 USD: 10 USD in 8 hours.
    assert accrual(100, 20_000, 28_800, 28_800, 100_000 * 10**8) == 10 * 10**16
    # Time beyond the cap does not count.
    assert accrual(100, 20_000, 10**6, 28_800, 100_000 * 10**8) == 10 * 10**16
