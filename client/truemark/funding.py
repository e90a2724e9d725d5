"""Funding: how far the growth of a market moves between two accepted marks. Mirrors `rules/funding.cairo`, equal to the
unit."""

from __future__ import annotations

#: 8 hours x 1e6 (ppm) / 1e8 (prices): what one step is divided by.
_DIVISOR = 288


def bound_rate(rate_ppm: int, max_rate_ppm: int) -> int:
    """The rate (ppm for 8 hours) bounded to [-max_rate, +max_rate]."""
    return max(-max_rate_ppm, min(rate_ppm, max_rate_ppm))


def accrual(rate_ppm: int, max_rate_ppm: int, gap: int, max_gap: int, mark: int) -> int:
    """The step of growth at `rate_ppm` for 8 hours over `gap` seconds, of which at most `max_gap` count.

    rate x min(gap, max_gap) x mark / 288, rounded toward minus infinity: mark in 1e-8 USD, the step in 1e-16 USD for
    one whole base unit. A long pays when growth is above 0. The cap is what Paradex published of its rules after 19
    January 2026: time in which nothing was published does not accrue.
    """
    return bound_rate(rate_ppm, max_rate_ppm) * min(gap, max_gap) * mark // _DIVISOR
