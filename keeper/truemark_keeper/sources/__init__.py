"""Where prices come from."""

from truemark_keeper.sources.database import Database, DatabaseSource, Reading
from truemark_keeper.sources.document import DocumentSource, Place
from truemark_keeper.sources.exchange import CcxtMissing, ExchangeSource, UnknownExchange, ccxt_exchange
from truemark_keeper.sources.faulty import Fault, FaultySource, says, scaled
from truemark_keeper.sources.fetch import TooManyRequests, fetch_json, http_client
from truemark_keeper.sources.postgres import PostgresDatabase, PostgresMissing
from truemark_keeper.sources.probation import Doubt, Probation, ProbationTerms
from truemark_keeper.sources.pyth import PythSource
from truemark_keeper.sources.quote import PRICE_SCALE, Quote, Source, SourceError
from truemark_keeper.sources.replay import ReplaySource
from truemark_keeper.sources.sqlite import SqliteDatabase
from truemark_keeper.sources.table import BadTable, Column, OutsideTable, PriceTable
from truemark_keeper.sources.watched import SourceStats, WatchedSource

__all__ = [
    "PRICE_SCALE",
    "BadTable",
    "CcxtMissing",
    "Column",
    "Database",
    "DatabaseSource",
    "DocumentSource",
    "Doubt",
    "ExchangeSource",
    "Fault",
    "FaultySource",
    "OutsideTable",
    "Place",
    "PostgresDatabase",
    "PostgresMissing",
    "PriceTable",
    "Probation",
    "ProbationTerms",
    "PythSource",
    "Quote",
    "Reading",
    "ReplaySource",
    "Source",
    "SourceError",
    "SourceStats",
    "SqliteDatabase",
    "TooManyRequests",
    "UnknownExchange",
    "WatchedSource",
    "ccxt_exchange",
    "fetch_json",
    "http_client",
    "says",
    "scaled",
]
