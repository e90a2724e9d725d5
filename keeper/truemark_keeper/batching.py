"""How many requests go into one transaction: as many as its gas allows, by what the ones before cost."""

from __future__ import annotations

#: What a node says of a transaction that needed more than its bound or than the network allows.
_RAN_OUT = ("out of gas", "insufficient max")


class Batches:
    """Sizes one batch after the other.

    The first is `first`, so that one measurement is there; from then on a request is taken to cost what the last batch
    did for each liquidation in it. That counts what a batch costs anyway and what was refused, so it errs on the safe
    side when batches grow. One that runs out of gas is halved, and those after it grow
    from there by a sixteenth at a time.

    Args:
        first: requests of the first batch.
        gas: L2 gas that a batch is to stay below; leave a third of the transaction's own bound for accounts that are
            dearer than those before.
    """

    def __init__(self, first: int, gas: int) -> None:
        if first < 1 or gas < 1:
            raise ValueError(f"a batch of {first} requests and {gas} gas: both must be at least 1")
        self._size = first
        self._gas = gas
        #: What did not run out, and a little more after each that did not.
        self._most: int | None = None

    @property
    def size(self) -> int:
        """Requests of the next one."""
        return self._size

    def took(self, liquidations: int, gas: int) -> None:
        """A batch with so many liquidations took so much L2 gas; 0: not known."""
        if liquidations > 0 and gas > 0:
            self._size = max(1, self._gas * liquidations // gas)
        if self._most is not None:
            self._size = min(self._size, self._most)
            self._most += max(1, self._most // 16)

    def ran_out(self, requests: int) -> None:
        """A batch of so many requests was reverted for want of gas."""
        self._size = self._most = max(1, requests // 2)


def for_want_of_gas(reason: str | None) -> bool:
    """Whether a transaction was reverted because its gas was used up."""
    return reason is not None and any(words in reason.lower() for words in _RAN_OUT)
