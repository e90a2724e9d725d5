# pragma version 0.4.3
"""
@title A rolling limit, as a bucket that leaks
@license Apache-2.0
@notice The rule of contracts/src/rules/bucket.cairo, to the unit. Level and limit are below 2**128, times and windows
        (seconds) below 2**64.
"""

# What is in the bucket and when that was so. The empty bucket is all 0.
struct Bucket:
    level: uint256
    at: uint256

# `limit` runs out in `window` seconds. Limit 0: nothing passes; window 0: nothing ever runs out.
struct Limit:
    limit: uint256
    window: uint256


@internal
@pure
def _leaked(bucket: Bucket, terms: Limit, now: uint256) -> Bucket:
    """
    @notice The bucket at `now`. What runs out is rounded down; until a whole unit has run out, the time stays.
    """
    if bucket.level == 0:
        return Bucket(level=0, at=now)
    if now <= bucket.at or terms.window == 0:
        return bucket
    out: uint256 = terms.limit * (now - bucket.at) // terms.window
    if out == 0:
        return bucket
    if out >= bucket.level:
        return Bucket(level=0, at=now)
    return Bucket(level=bucket.level - out, at=now)


@internal
@pure
def _room(bucket: Bucket, terms: Limit, now: uint256) -> uint256:
    """
    @notice How much more passes at `now`.
    """
    level: uint256 = self._leaked(bucket, terms, now).level
    if level >= terms.limit:
        return 0
    return terms.limit - level


@internal
@pure
def _pour(bucket: Bucket, terms: Limit, now: uint256, amount: uint256) -> (bool, Bucket):
    """
    @return Whether there is room for `amount`, and the bucket after it passed.
    """
    before: Bucket = self._leaked(bucket, terms, now)
    if amount > self._room(before, terms, now):
        return False, before
    return True, Bucket(level=before.level + amount, at=before.at)
