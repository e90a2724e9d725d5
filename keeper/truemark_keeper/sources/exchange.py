"""Tickers of any exchange that ccxt knows. It is an extra, `truemark-keeper[ccxt]`, and loaded when it is used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import ModuleType
from typing import Any

from truemark.errors import TruemarkError

from truemark_keeper.sources.exact import LastChange, decimal_of, price_of, seconds_of, share_bps
from truemark_keeper.sources.fetch import TooManyRequests
from truemark_keeper.sources.quote import Quote, SourceError, each_market

#: Parts of a ticker that change with every trade: what tells a dead feed from a quiet one.
_LIVE = ("bid", "ask", "last", "bidVolume", "askVolume", "baseVolume", "quoteVolume", "vwap")


class CcxtMissing(TruemarkError, ImportError):
    """The ccxt package is not installed."""


class UnknownExchange(TruemarkError, ValueError):
    """ccxt knows no exchange of this name."""


def ccxt_exchange(name: str, options: Mapping[str, Any] | None = None) -> Any:
    """A client of one exchange, with numbers as they were written; close it with `close()`.

    Args:
        name: as ccxt names it: binance, kraken, ...
        options: for ccxt, such as `urls` or `hostname`.

    Raises:
        CcxtMissing, UnknownExchange: it cannot be had.
    """
    ccxt = _ccxt()
    if name not in ccxt.exchanges:
        raise UnknownExchange(f"ccxt knows no exchange {name!r}")
    given = dict(options or {})
    urls = given.pop("urls", {})
    exchange = getattr(ccxt, name)({"enableRateLimit": True, "aiohttp_trust_env": False} | given)
    exchange.urls = exchange.deep_extend(exchange.urls, urls)
    # Text, not float: parsed here, exactly.
    exchange.number = str
    return exchange


class ExchangeSource:
    """The middle of bid and ask of each symbol, with half the spread as its confidence.

    Args:
        exchange: a client, from `ccxt_exchange`; it is closed with the source.
        symbols: market to ccxt's symbol, such as BTC/USDT or BTC/USDT:USDT.
        group: by default the exchange: all its books fall together.
    """

    def __init__(
        self, exchange: Any, symbols: Mapping[str, str], *, name: str | None = None, group: str | None = None
    ) -> None:
        self._exchange = exchange
        self._symbols = dict(symbols)
        self._name = name if name is not None else str(exchange.id)
        self._group = group if group is not None else str(exchange.id)
        self._changes = LastChange()

    @property
    def name(self) -> str:
        return self._name

    async def aclose(self) -> None:
        await self._exchange.close()

    async def quotes(self, markets: Sequence[str], now: int) -> tuple[Quote, ...]:
        """One request for all symbols where the exchange has that, else one for each.

        Raises:
            SourceError, TooManyRequests: it does not answer, or not one ticker has a bid and an ask (a 0 is none).
        """
        wanted = {market: self._symbols[market] for market in markets if market in self._symbols}
        if not wanted:
            return ()
        symbols = list(dict.fromkeys(wanted.values()))
        ccxt = _ccxt()
        try:
            if self._exchange.has.get("fetchTickers") and len(symbols) > 1:
                tickers = await self._exchange.fetch_tickers(symbols)
            else:
                tickers = {symbol: await self._exchange.fetch_ticker(symbol) for symbol in symbols}
        except (ccxt.RateLimitExceeded, ccxt.DDoSProtection) as error:
            raise TooManyRequests(f"{self._name}: too many requests", 10.0) from error
        except ccxt.BaseError as error:
            # ccxt's texts quote the URL, and with it what a key may be in.
            raise SourceError(f"{self._name}: {type(error).__name__}") from error
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, ArithmeticError) as error:
            # Its parsers read a document of another shape so.
            raise SourceError(
                f"{self._name}: the answer is not what the exchange documents: {error!r}"[:200]
            ) from error
        return each_market(wanted, lambda market, symbol: self._quote(market, symbol, tickers.get(symbol), now))

    def _quote(self, market: str, symbol: str, ticker: Any, now: int) -> Quote:
        where = f"{self._name}: {symbol}"
        if not isinstance(ticker, dict) or ticker.get("bid") is None or ticker.get("ask") is None:
            raise SourceError(f"{where}: no bid and ask in the answer")
        bid, ask = decimal_of(ticker["bid"], f"{where}: bid"), decimal_of(ticker["ask"], f"{where}: ask")
        if bid > ask:
            raise SourceError(f"{where}: the bid {bid} is above the ask {ask}")
        middle = (bid + ask) / 2
        live = tuple(str(ticker.get(part)) for part in _LIVE)
        stamp = ticker.get("timestamp")
        changed = self._changes.since(market, live, now)
        observed = changed if stamp is None else seconds_of(stamp, "ms", f"{where}: timestamp")
        return Quote(
            market, price_of(middle), share_bps((ask - bid) / Decimal(2), middle), observed, observed, self._group
        )


def _ccxt() -> ModuleType:
    loaded = sys.modules.get("ccxt.async_support")
    if loaded is not None:
        return loaded
    try:
        return importlib.import_module("ccxt.async_support")
    except ImportError as error:
        raise CcxtMissing("a ccxt source needs the package ccxt: pip install 'truemark-keeper[ccxt]'") from error
