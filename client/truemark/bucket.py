"""A rolling limit as a bucket that leaks: the rule of rules/bucket.cairo and bucket.vy, to the unit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """`limit` runs out in `window` seconds. Limit 0: nothing passes; window 0: nothing ever runs out."""

    limit: int
    window: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is in it, in the limit's unit, and when that was so (seconds)."""

    level: int = 0
    at: int = 0

    def leaked(self, terms: Limit, now: int) -> Bucket:
        """The bucket at `now`: what runs out is rounded down; until a whole unit has run out, the time stays."""
        if self.level == 0:
            return Bucket(0, now)
        if now <= self.at or terms.window == 0:
            return self
        out = terms.limit * (now - self.at) // terms.window
        if out == 0:
            return self
        return Bucket(max(self.level - out, 0), now)

    def room(self, terms: Limit, now: int) -> int:
        """How much more passes at `now`."""
        return max(terms.limit - self.leaked(terms, now).level, 0)

    def poured(self, terms: Limit, now: int, amount: int) -> Bucket | None:
        """The bucket after `amount` passed; None: there is no room for it."""
        before = self.leaked(terms, now)
        if amount > self.room(terms, now):
            return None
        return Bucket(before.level + amount, before.at)
