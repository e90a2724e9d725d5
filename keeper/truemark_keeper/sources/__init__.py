"""Where prices come from."""

from truemark_keeper.sources.faulty import Fault, FaultySource, says, scaled
from truemark_keeper.sources.quote import PRICE_SCALE, Quote, Source, SourceError
from truemark_keeper.sources.replay import ReplaySource
from truemark_keeper.sources.table import BadTable, Column, OutsideTable, PriceTable

__all__ = [
    "PRICE_SCALE",
    "BadTable",
    "Column",
    "Fault",
    "FaultySource",
    "OutsideTable",
    "PriceTable",
    "Quote",
    "ReplaySource",
    "Source",
    "SourceError",
    "says",
    "scaled",
]
