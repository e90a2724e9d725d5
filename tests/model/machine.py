"""Random lives of a venue: Hypothesis draws what is done, the model says what must come of it, the contracts are asked.

Numbers that matter are drawn at the lines where rules change: the last unit that may be withdrawn and the one after it,
the edge of a band, a second before and after a delay.
"""

from __future__ import annotations

from tests.model.deeds.base import Tally
from tests.model.deeds.bridge import Bridge
from tests.model.deeds.closing import Closing
from tests.model.deeds.configuration import Configuration
from tests.model.deeds.liquidations import Liquidations
from tests.model.deeds.money import Money
from tests.model.deeds.prices import Prices
from tests.model.deeds.refunds import Refunding
from tests.model.deeds.trading import Trading
from tests.model.deeds.vault import Vault
from tests.model.deeds.venue import Venue
from tests.model.deeds.waterfall import Waterfall

__all__ = ["Life", "Tally"]


class Life(Prices, Trading, Liquidations, Money, Venue, Bridge, Vault, Waterfall, Closing, Configuration, Refunding):
    """All that can happen, in one life."""
