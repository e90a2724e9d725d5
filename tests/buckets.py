"""Random cases of the rolling limit, for the tests that hold its three implementations to each other."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from truemark.bucket import Bucket, Limit

_MAX_AMOUNT, _MAX_TIME = 2**128 - 1, 2**64 - 1


@dataclass(frozen=True, slots=True)
class BucketCase:
    """An amount that is poured into a bucket at a time."""

    bucket: Bucket
    terms: Limit
    now: int
    amount: int

    @property
    def felts(self) -> tuple[int, int, int, int, int, int]:
        """In the order of the contracts' `BucketCase`."""
        return (self.bucket.level, self.bucket.at, self.terms.limit, self.terms.window, self.now, self.amount)


def _up_to(most: int) -> st.SearchStrategy[int]:
    return st.integers(0, 20) | st.integers(0, 10**7) | st.integers(0, most) | st.just(most)


@st.composite
def bucket_cases(draw: st.DrawFn) -> BucketCase:
    """Small numbers as often as the largest; the amount often exactly what there is room for, or one unit more."""
    bucket = Bucket(draw(_up_to(_MAX_AMOUNT)), draw(_up_to(_MAX_TIME)))
    terms = Limit(draw(_up_to(_MAX_AMOUNT)), draw(_up_to(_MAX_TIME)))
    now = draw(_up_to(_MAX_TIME) | st.integers(0, 1_000).map(lambda later: min(bucket.at + later, _MAX_TIME)))
    room = bucket.room(terms, now)
    amount = draw(_up_to(_MAX_AMOUNT) | st.sampled_from([room, min(room + 1, _MAX_AMOUNT)]))
    return BucketCase(bucket, terms, now, amount)
