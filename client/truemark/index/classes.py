"""What is known of a class: its ABI, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from truemark.abi import Abi

#: Contract -> its class; a second one is that before it was replaced in the same block.
Classes = dict[bytes, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class ClassText:
    """A class's ABI as JSON; None: there is none, and `reason` says why. `parsed` is the same, to use."""

    abi: str | None
    reason: str | None
    parsed: Abi | None
    #: False: the node may have it later.
    keep: bool = True
