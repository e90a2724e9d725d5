"""Figure `find`: seconds in which the last good block of 100,000 is found from the index, damage planted near the end.

The baseline is the time it may take at most, a minute: nobody else has such a search to be compared with.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Final

from truemark.errors import TruemarkError
from truemark.index import Index
from truemark_keeper.recovery.find import find_last_good

from truemark_devnet.bench.figure import Figure
from truemark_devnet.bench.long_index import Damage, prices, write

BLOCKS: Final = 100_000
#: Seconds.
BAR: Final = 60.0


class NotFound(TruemarkError, RuntimeError):
    """The search did not find what was planted."""


def run() -> list[Figure]:
    """
    Raises:
        NotFound: see the class.
    """
    with tempfile.TemporaryDirectory(prefix="truemark-find-") as folder:
        path = Path(folder) / "index.sqlite"
        jump = BLOCKS - 1_000
        venue = write(path, BLOCKS, Damage(jump=jump))
        with Index.open(path, venue) as index:
            began = time.perf_counter()
            found = find_last_good(index, venue, price=prices(venue))
            seconds = time.perf_counter() - began
        if found.last_good != jump - 1:
            raise NotFound(f"the last good block was {jump - 1}, found was {found.last_good}")
    return [Figure("find", seconds, "s", BAR, f"at most, for {BLOCKS:,} blocks")]
