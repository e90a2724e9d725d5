"""Rate limits: a bucket for each client that fills at a steady rate, told in the headers of every answer."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from truemark.wire import ErrorCode, paths

from truemark_devnet.venue.live import Refused

_MOST_BUCKETS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and so many more each second."""

    burst: int
    per_second: float


#: Of an account: placing, cancelling and modifying; reading. Of an address: what needs no token.
WRITES, READS, PUBLIC = Rate(400, 200), Rate(200, 100), Rate(400, 200)


@dataclass(frozen=True, slots=True)
class Standing:
    """A bucket after a request took from it."""

    limit: int
    remaining: int
    #: Seconds until it is full.
    reset: int

    def headers(self) -> dict[str, str]:
        return {
            paths.LIMIT_HEADER: str(self.limit),
            paths.REMAINING_HEADER: str(self.remaining),
            paths.RESET_HEADER: str(self.reset),
        }


class RateLimited(Refused):
    """Too many requests.

    Attributes:
        standing: for the headers.
    """

    def __init__(self, standing: Standing, wait: float) -> None:
        seconds = max(1, math.ceil(wait))
        super().__init__(ErrorCode.RATE_LIMITED, f"too many requests: wait {seconds} s", retry_after=seconds)
        self.standing = standing


class Limits:
    """
    Args:
        clock: seconds, only rising.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: (whose, rate) -> (left, when); the last used at the end.
        self._buckets: OrderedDict[tuple[Hashable, Rate], tuple[float, float]] = OrderedDict()

    def take(self, whose: Hashable, rate: Rate, count: int = 1) -> Standing:
        """
        Raises:
            RateLimited: there are not so many left; nothing is taken.
        """
        now = self._clock()
        left, since = self._buckets.pop((whose, rate), (float(rate.burst), now))
        left = min(rate.burst, left + (now - since) * rate.per_second)
        good = left >= count
        if good:
            left -= count
        self._buckets[whose, rate] = (left, now)
        while len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        standing = Standing(rate.burst, int(left), math.ceil((rate.burst - left) / rate.per_second))
        if not good:
            raise RateLimited(standing, (count - left) / rate.per_second)
        return standing
