"""How good a price is, in one order from good to absent, and what may be done with each: one table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum


class Validity(IntEnum):
    """Of a quote or of the keeper's own price. A later one is worse: the worst of several is their maximum."""

    VALID = 0
    #: The source, or the spread of the sources, says that it may be far off.
    TOO_UNCERTAIN = 1
    #: Seen too long ago.
    STALE = 2
    #: Not of the time of the others, or of a time still to come.
    SKEWED = 3
    #: Far from what the same sources said over the last minutes.
    TOO_VOLATILE = 4
    #: Far from the other sources, or outside what another market or a bound allows.
    DIVERGED = 5
    #: 0 or below: no price.
    NON_POSITIVE = 6
    #: Nobody says one, or too few do.
    MISSING = 7

    def __str__(self) -> str:
        return "".join(word.capitalize() for word in self.name.split("_"))


class Action(Enum):
    """What a price is used for."""

    #: Publish it.
    REPORT = "report"
    #: Take an account's position where the mark agrees with it.
    LIQUIDATE = "liquidate"
    #: Stop the venue where the mark disagrees with it.
    ACCUSE = "accuse"
    #: Judge another market by it.
    ANCHOR = "anchor"


#: Where a validity is in the row, the action may be taken on it. A violent move is published, so that a true crash
#: reaches the oracle, which asks for confirmation; nobody is liquidated on it before it has calmed down.
TABLE: Mapping[Action, frozenset[Validity]] = {
    Action.REPORT: frozenset({Validity.VALID, Validity.TOO_VOLATILE}),
    Action.LIQUIDATE: frozenset({Validity.VALID}),
    Action.ACCUSE: frozenset({Validity.VALID}),
    Action.ANCHOR: frozenset({Validity.VALID, Validity.TOO_VOLATILE}),
}


def allows(action: Action, validity: Validity) -> bool:
    return validity in TABLE[action]
