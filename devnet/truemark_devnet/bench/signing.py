"""Signatures a second, against starknet-py's."""

from __future__ import annotations

from itertools import count

from starknet_py.hash.utils import message_signature
from truemark.signing import sign

from truemark_devnet.bench.figure import Figure, rate

_KEY = 0x1234567890ABCDEF1234567890ABCDEF1234567890ABCDEF1234567890ABCD
_SECONDS = 2.0


def run() -> list[Figure]:
    ours, theirs = count(1), count(1)
    value = rate(lambda: sign(_KEY, next(ours)), seconds=_SECONDS)
    baseline = rate(lambda: message_signature(next(theirs), _KEY), seconds=_SECONDS)
    return [Figure("signing", value, "signatures/s", baseline, "starknet-py message_signature")]
