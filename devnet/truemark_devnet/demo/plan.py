"""When things happen on the day and how large an order is: shared by the run and by what is said of it beforehand."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from truemark_keeper.sources import Fault, PriceTable, says, scaled

TABLE = Path(__file__).parent / "day.csv"
REPORTERS = (1, 2, 3)
STEP = 600
HOUR = 3_600
#: What exchanges charge when premium and interest cancel out: 0.01% for 8 hours. The day's own funding is not in the
#: table.
FUNDING_RATE_PPM = 100


def _at(day: int, hour: int, minute: int = 0) -> int:
    return int(datetime(2026, 1, day, hour, minute, tzinfo=UTC).timestamp())


#: The nodes start and traders come; no price is known yet.
BEGIN = _at(18, 22)
#: The first figures hold; the venue opens.
OPEN = _at(18, 23)
#: The last figures hold.
END = _at(20, 0)
#: `--fast` ends here: the fall and the faults are over.
FAST_END = _at(19, 7)

ALL_ZERO = _at(19, 4, 30)
ONE_OFF = _at(19, 4, 40)
ALL_OFF = _at(19, 4, 50)
RIGHT_AGAIN = _at(19, 5)
OFF = Fraction(7, 5)

#: Hours after the opening: the first vault depositor asks for half of its shares back, and claims them.
REDEEM_HOUR, CLAIM_HOUR = 5, 7
#: After the last round, USD: one sends a deposit that L2 has not seen yet, one a withdrawal that nobody claimed yet.
IN_FLIGHT = ("xena", Decimal(250))
UNCLAIMED = ("nora", Decimal(1_000))


def load_table() -> PriceTable:
    """The figures of the day."""
    return PriceTable.load(TABLE)


def faults_of(reporter: int) -> tuple[Fault, ...]:
    """What this reporter says wrongly: first all say 0, then the first is 40% off, then all are."""
    faults = [
        Fault(says(0), since=ALL_ZERO, until=ALL_ZERO),
        Fault(scaled(OFF), since=ALL_OFF, until=ALL_OFF),
    ]
    if reporter == REPORTERS[0]:
        faults.append(Fault(scaled(OFF), since=ONE_OFF, until=ONE_OFF))
    return tuple(faults)


def steps(end: int) -> range:
    """Each round after the opening one; seconds."""
    return range(OPEN + STEP, end + 1, STEP)


def wish_size(deposit: Decimal, leverage: Decimal, mark: int, lot: int) -> int:
    """Signed size of a position worth `leverage` x `deposit` (USD) at `mark` (1e-8 USD), down to the lot; 1e-8 base."""
    notional = int(abs(deposit * leverage).scaleb(16))
    size = notional // mark
    size -= size % lot
    return size if leverage > 0 else -size


def fill_price(mark: int, tick: int) -> int:
    """The tick nearest to the mark; 1e-8 USD."""
    return (mark + tick // 2) // tick * tick
