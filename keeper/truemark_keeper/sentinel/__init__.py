"""Watches every block of a venue, and stops the venue when one breaks a rule."""

from truemark_keeper.sentinel.incident import BadIncident, Incident, IncidentFolder
from truemark_keeper.sentinel.reading import SightReader
from truemark_keeper.sentinel.rules import Break, SentinelTerms
from truemark_keeper.sentinel.sentinel import Sentinel, Watch
from truemark_keeper.sentinel.sight import LedgerSight, MarketSight, Sight, StopMode, Write

__all__ = [
    "BadIncident",
    "Break",
    "Incident",
    "IncidentFolder",
    "LedgerSight",
    "MarketSight",
    "Sentinel",
    "SentinelTerms",
    "Sight",
    "SightReader",
    "StopMode",
    "Watch",
    "Write",
]
