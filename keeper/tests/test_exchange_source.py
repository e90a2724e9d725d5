"""Exchanges through ccxt: its real clients against a local server that answers as two exchanges document it."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from local_http import Answer, LocalServer, said, serving
from truemark_keeper.sources import ExchangeSource, Quote, SourceError, TooManyRequests, UnknownExchange, ccxt_exchange

BTC, ETH = "BTC-USD-PERP", "ETH-USD-PERP"
NOW = 1_768_777_200
SYMBOLS = {BTC: "BTC/USDT", ETH: "ETH/USDT"}


def listed(base: str) -> dict[str, Any]:
    """One symbol of Binance's GET /api/v3/exchangeInfo."""
    return {
        "symbol": f"{base}USDT",
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": ["SPOT"],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0", "stepSize": "0.00001"},
        ],
    }


def ticker(symbol: str, bid: str, ask: str, *, at: int = NOW * 1000 + 400) -> dict[str, Any]:
    """Binance's GET /api/v3/ticker/24hr."""
    return {
        "symbol": symbol,
        "priceChange": "-94.99",
        "priceChangePercent": "-0.1",
        "weightedAvgPrice": "95000.1",
        "prevClosePrice": "95100.0",
        "lastPrice": bid,
        "lastQty": "0.1",
        "bidPrice": bid,
        "bidQty": "4.0",
        "askPrice": ask,
        "askQty": "3.0",
        "openPrice": "95100.0",
        "highPrice": "96000.0",
        "lowPrice": "94000.0",
        "volume": "8913.3",
        "quoteVolume": "153.1",
        "openTime": at - 86_400_000,
        "closeTime": at,
        "firstId": 1,
        "lastId": 2,
        "count": 2,
    }


TICKERS = [ticker("BTCUSDT", "95475.10", "95475.30"), ticker("ETHUSDT", "3350.01", "3350.03")]


def binance(tickers: Any) -> Callable[[str], Answer]:
    def answer(path: str) -> Answer:
        if path.startswith("/api/v3/exchangeInfo"):
            return said({"timezone": "UTC", "serverTime": NOW * 1000, "symbols": [listed("BTC"), listed("ETH")]})
        if path.startswith("/api/v3/ticker/24hr"):
            return tickers if isinstance(tickers, Answer) else said(tickers)
        return Answer(status=404)

    return answer


@asynccontextmanager
async def at_binance(tickers: Any) -> AsyncIterator[tuple[ExchangeSource, LocalServer]]:
    async with serving(binance(tickers)) as server:
        exchange = ccxt_exchange(
            "binance",
            {
                "urls": {"api": {"public": f"{server.url}/api/v3"}},
                "options": {"fetchMarkets": {"types": ["spot"]}},
                "timeout": 500,
                "enableRateLimit": False,
            },
        )
        source = ExchangeSource(exchange, SYMBOLS)
        try:
            yield source, server
        finally:
            await source.aclose()


async def test_binance_is_read_in_one_request_for_all_markets() -> None:
    async with at_binance(TICKERS) as (source, server):
        quotes = await source.quotes([BTC, ETH, "NO-PERP"], NOW)
        await source.quotes([BTC, ETH], NOW)
    assert quotes == (
        Quote(BTC, 9547520000000, 1, NOW, NOW, "binance"),
        Quote(ETH, 335002000000, 1, NOW, NOW, "binance"),
    )
    assert sum("ticker" in path for path in server.asked) == 2
    assert sum("exchangeInfo" in path for path in server.asked) == 1


async def test_kraken_gives_no_time_so_an_unchanged_ticker_grows_old() -> None:
    book = {
        "error": [],
        "result": {
            "XXBTZUSD": {
                "a": ["95475.30000", "1", "1.000"],
                "b": ["95475.10000", "2", "2.000"],
                "c": ["95475.10000", "0.1"],
                "v": ["10.0", "20.0"],
                "p": ["95475.0", "95400.0"],
                "t": [1, 2],
                "l": ["95000.0", "94000.0"],
                "h": ["96000.0", "96500.0"],
                "o": "95100.00000",
            }
        },
    }
    pair = {
        "altname": "XBTUSD",
        "wsname": "XBT/USD",
        "aclass_base": "currency",
        "base": "XXBT",
        "aclass_quote": "currency",
        "quote": "ZUSD",
        "cost_decimals": 5,
        "pair_decimals": 1,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "ordermin": "0.00005",
        "tick_size": "0.1",
        "status": "online",
    }
    assets = {"XXBT": {"aclass": "currency", "altname": "XBT", "decimals": 10, "display_decimals": 5}}

    def answer(path: str) -> Answer:
        if "AssetPairs" in path:
            return said({"error": [], "result": {"XXBTZUSD": pair}})
        if "Assets" in path:
            return said({"error": [], "result": assets})
        return said(book)

    async with serving(answer) as server:
        exchange = ccxt_exchange("kraken", {"urls": {"api": {"public": server.url}}, "enableRateLimit": False})
        source = ExchangeSource(exchange, {BTC: "BTC/USD"}, name="kraken-spot", group="kraken")
        try:
            ages = []
            for now in (NOW, NOW + 40):
                (quote,) = await source.quotes([BTC], now)
                ages.append(now - quote.observed_at)
            changed: Any = copy.deepcopy(book)
            changed["result"]["XXBTZUSD"]["v"] = ["10.1", "20.1"]
            book = changed
            (quote,) = await source.quotes([BTC], NOW + 50)
            ages.append(NOW + 50 - quote.observed_at)
        finally:
            await source.aclose()
    assert ages == [0, 40, 0]
    assert (quote.price, quote.group) == (9547520000000, "kraken")


@pytest.mark.parametrize(
    ("tickers", "reason"),
    [
        ([], "BTC/USDT: no bid and ask"),
        ([ticker("BTCUSDT", "0.00", "0.00")], "BTC/USDT: no bid and ask"),
        ([ticker("BTCUSDT", "95475.30", "95475.10")], "the bid 95475.3.* is above the ask"),
        ({"code": -1121, "msg": "Invalid symbol."}, "BadSymbol"),
        (Answer(b"<html>down</html>", status=502), "binance: "),
        (Answer(b'[{"symbol": "BTC'), "binance: "),
        (said(TICKERS, delay=3), "RequestTimeout"),
        (Answer(dead=True), "binance: "),
        (said(TICKERS, cut_at=50), "binance: "),
        (said([1, 2]), "binance: "),
    ],
)
async def test_what_an_exchange_gets_wrong_is_an_error_of_the_source(tickers: Any, reason: str) -> None:
    async with at_binance(tickers) as (source, server):
        with pytest.raises(SourceError, match=reason) as caught:
            await source.quotes([BTC, ETH], NOW)
    assert server.url not in str(caught.value)


async def test_its_plea_for_fewer_requests_is_told() -> None:
    async with at_binance(said({"code": -1003, "msg": "Too many requests."}, status=429)) as (source, _):
        with pytest.raises(TooManyRequests):
            await source.quotes([BTC, ETH], NOW)


async def test_a_lie_is_passed_on_to_be_judged_and_a_bad_ticker_costs_its_own_market_only() -> None:
    async with at_binance([ticker("BTCUSDT", "0.00", "0.00"), ticker("ETHUSDT", "1.0", "9.0")]) as (source, _):
        (eth,) = await source.quotes([BTC, ETH], NOW)
    assert (eth.market, eth.price, eth.confidence_bps) == (ETH, 5 * 10**8, 8000)


def test_an_exchange_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UnknownExchange, match="'mtgox2'"):
        ccxt_exchange("mtgox2")
