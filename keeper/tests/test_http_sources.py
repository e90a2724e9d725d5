"""Sources over HTTP against a server that speaks their formats, and that lies, lags, hangs and dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_http import Answer, LocalServer, said, serving
from truemark_keeper.sources import (
    DocumentSource,
    Place,
    PythSource,
    Quote,
    SourceError,
    TooManyRequests,
    WatchedSource,
    http_client,
)
from truemark_keeper.sources.exact import price_of, share_bps

BTC, ETH = "BTC-USD-PERP", "ETH-USD-PERP"
FEEDS = {BTC: "0x" + "e6" * 32, ETH: "ff" * 32}
NOW = 1_768_777_200


def hermes(price: Any = "9547512345678", conf: Any = "1234567890", expo: Any = -8, at: Any = NOW) -> dict[str, Any]:
    """As Hermes answers /v2/updates/price/latest."""
    return {
        "binary": {"encoding": "hex", "data": ["504e4155"]},
        "parsed": [
            {
                "id": "e6" * 32,
                "price": {"price": price, "conf": conf, "expo": expo, "publish_time": at},
                "ema_price": {"price": "1", "conf": "1", "expo": -8, "publish_time": at},
                "metadata": {"slot": 1, "proof_available_time": NOW + 1, "prev_publish_time": NOW - 1},
            }
        ],
    }


async def ask_pyth(server: LocalServer, *, timeout: float = 2.0) -> tuple[Quote, ...]:
    async with http_client() as client:
        return await PythSource(client, server.url, FEEDS, timeout=timeout).quotes([BTC, ETH, "NO-PERP"], NOW)


async def pyth(answer: Callable[[str], Answer] | Answer, *, timeout: float = 2.0) -> tuple[Quote, ...]:
    async with serving(answer) as server:
        return await ask_pyth(server, timeout=timeout)


async def test_pyth_is_read_with_exponent_and_confidence() -> None:
    async with serving(said(hermes())) as server:
        (quote,) = await ask_pyth(server)
    # 12.3456789 of 95,475.12345678 is 1.29 bps, rounded up.
    assert quote == Quote(BTC, 9547512345678, 2, NOW, NOW + 1, "pyth")
    (asked,) = server.asked
    assert asked.startswith("/v2/updates/price/latest?ids%5B%5D=" + "e6" * 32 + "&ids%5B%5D=" + "ff" * 32)


@pytest.mark.parametrize(("expo", "price"), [(-5, 9547512345678_000), (-10, 95475123457), (0, 9547512345678 * 10**8)])
async def test_pyth_exponents_are_exact(expo: int, price: int) -> None:
    (quote,) = await pyth(said(hermes(expo=expo)))
    assert quote.price == price


async def test_the_day_when_pyth_said_5402_is_quoted_with_its_confidence() -> None:
    (quote,) = await pyth(said(hermes(price="540200000000", conf="2162300000000")))
    assert (quote.price, quote.confidence_bps) == (5402 * 10**8, 40028)


async def test_what_pyth_says_of_zero_and_below_is_passed_on_to_be_judged() -> None:
    for price in ("0", "-5"):
        (quote,) = await pyth(said(hermes(price=price)))
        assert (quote.price, quote.confidence_bps) == (int(price), 10_000)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(dead=True), "pyth: "),
        (said(hermes(), delay=5), "no answer within 0.3 s"),
        (said(hermes(), drip=0.05), "no answer within 0.3 s"),
        (said(hermes(), cut_at=40), "pyth: "),
        (Answer(b'{"parsed": ['), "no JSON or is cut off"),
        (Answer(b"<html>"), "no JSON"),
        (Answer(b'{"parsed": [{"price": NaN}]}'), "no JSON"),
        (said([1]), "no list `parsed`"),
        (said({"parsed": {}}), "no list `parsed`"),
        (said(hermes(expo="-8")), "the exponent is '-8'"),
        (said(hermes(expo=8)), "the exponent is 8"),
        (said(hermes(price=None)), "price is nothing"),
        (said(hermes(price="12e999")), "no price can be that"),
        (said(hermes(conf="-1")), "the confidence is"),
        (said(hermes(at="soon")), "publish_time is 'soon'"),
        (said({"parsed": [{"id": "e6" * 32}]}), "no price in the answer"),
        (Answer(status=302, headers=(("Location", "http://127.0.0.1:1/elsewhere"),)), "HTTP 302, a redirect"),
        (Answer(status=500), "HTTP 500"),
        (Answer(b"[" + b"1," * 600_000), "longer than 1000000 bytes"),
    ],
)
async def test_a_bad_answer_is_an_error_that_names_the_source(answer: Answer, reason: str) -> None:
    with pytest.raises(SourceError, match=reason) as caught:
        await pyth(answer, timeout=0.3)
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize(("header", "pause"), [("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 10.0), ("99999", 300.0)])
async def test_a_plea_for_fewer_requests_is_obeyed(header: str, pause: float) -> None:
    with pytest.raises(TooManyRequests) as caught:
        await pyth(Answer(status=429, headers=(("Retry-After", header),)))
    assert caught.value.pause == pause


def document(place: Place) -> Callable[[LocalServer], Any]:
    async def ask(server: LocalServer) -> tuple[Quote, ...]:
        filled = Place(server.url + place.url, place.price, place.time, place.time_unit, place.confidence)
        async with http_client() as client:
            return await DocumentSource(client, {BTC: filled}, name="desk", group="desk").quotes([BTC], NOW)

    return ask


KRAKEN = {
    "error": [],
    "result": {"XXBTZUSD": {"a": ["95475.20000", "1", "1.000"], "b": ["95475.10000", "2", "2.000"], "c": ["95475.1"]}},
}


@pytest.mark.parametrize(
    ("body", "place", "price", "observed"),
    [
        (KRAKEN, Place("/t", "/result/XXBTZUSD/a/0"), 9547520000000, NOW),
        ({"p": 95475.123456789, "t": NOW * 1000 + 999}, Place("/t", "/p", "/t", "ms"), 9547512345679, NOW),
        ({"a/b": {"~": "1"}, "t": "2026-01-18T23:00:00Z"}, Place("/t", "/a~1b/~0", "/t", "iso"), 10**8, NOW),
    ],
)
async def test_any_document_is_read_by_its_pointers(body: Any, place: Place, price: int, observed: int) -> None:
    async with serving(said(body)) as server:
        (quote,) = await document(place)(server)
    assert (quote.price, quote.observed_at) == (price, observed)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"q": 1, "t": 1}, "nothing at /p"),
        ([1], "nothing at /p"),
        ({"p": {}, "t": 1}, "price is a dict"),
        ({"p": True, "t": 1}, "price is a bool"),
        ({"p": "cheap", "t": 1}, "'cheap', not a number"),
        ({"p": 1, "t": "2026-01-18T23:00:00"}, "time is '2026-01-18T23:00:00', not a number"),
    ],
)
async def test_a_document_of_another_shape_is_an_error(body: Any, reason: str) -> None:
    async with serving(said(body)) as server:
        with pytest.raises(SourceError, match=reason):
            await document(Place("/x", "/p", "/t"))(server)


async def test_an_answer_without_a_time_is_as_old_as_its_last_change() -> None:
    price = 1
    async with serving(lambda path: said({"p": price})) as server, http_client() as client:
        source = DocumentSource(client, {BTC: Place(server.url, "/p")}, name="desk", group="desk")
        ages = []
        for now, price in ((100, 1), (110, 1), (130, 2), (140, 2), (135, 2), (90, 2)):  # noqa: B007
            (quote,) = await source.quotes([BTC], now)
            ages.append(now - quote.observed_at)
    assert ages == [0, 10, 0, 10, 5, 0]


class Says:
    """A source that a test steers."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.hangs = False
        self.asked = 0

    @property
    def name(self) -> str:
        return "said"

    async def quotes(self, markets: Any, now: int) -> tuple[Quote, ...]:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return (Quote(BTC, 5, 1, now, now, "said"),)


async def test_a_source_is_asked_no_more_often_than_it_likes_and_its_old_words_stay_old() -> None:
    clock = [0.0]
    inner = Says()
    source = WatchedSource(inner, min_gap=2.0, clock=lambda: clock[0])
    seen = []
    for clock[0], now in ((0.0, 100), (1.0, 101), (1.9, 102), (2.0, 103)):
        (quote,) = await source.quotes([BTC], now)
        seen.append(quote.observed_at)
    assert seen == [100, 100, 100, 103]
    assert (inner.asked, source.stats.spared, source.stats.answered) == (2, 2, 2)
    assert await source.quotes([ETH], 103) == ()


async def test_failures_are_counted_told_and_followed_by_longer_and_longer_pauses() -> None:
    clock = [0.0]
    inner = Says()
    inner.error = SourceError("said: out of words")
    source = WatchedSource(inner, min_gap=1.0, clock=lambda: clock[0])
    asked = []
    for second in range(40):
        clock[0] = float(second)
        with pytest.raises(SourceError, match="out of words"):
            await source.quotes([BTC], second)
        asked.append(inner.asked)
    assert [second for second in range(1, 40) if asked[second] > asked[second - 1]] == [1, 3, 7, 15, 31]
    assert (source.stats.failed, source.stats.last_error_at) == (6, 31)
    inner.error, clock[0] = None, 100.0
    assert len(await source.quotes([BTC], 100)) == 1
    assert (source.stats.failures_in_a_row, source.stats.last_error) == (0, "said: out of words")


async def test_a_source_that_hangs_has_failed_and_a_429_sets_the_pause() -> None:
    clock = [0.0]
    inner = Says()
    inner.hangs = True
    source = WatchedSource(inner, timeout=0.05, min_gap=1.0, clock=lambda: clock[0])
    with pytest.raises(SourceError, match=r"said: no answer within 0.05 s"):
        await source.quotes([BTC], 1)
    inner.hangs, inner.error, clock[0] = False, TooManyRequests("said: HTTP 429", 60.0), 10.0
    with pytest.raises(SourceError, match="429"):
        await source.quotes([BTC], 10)
    inner.error, clock[0] = None, 69.0
    with pytest.raises(SourceError, match=r"429 \(asked again in 1.0 s\)"):
        await source.quotes([BTC], 69)
    clock[0] = 70.0
    assert len(await source.quotes([BTC], 70)) == 1


@given(st.decimals(-(10**9), 10**9, allow_nan=False, places=12), st.decimals(0, 10**6, places=12))
def test_prices_and_confidences_are_rounded_once_and_not_down(price: Any, width: Any) -> None:
    assert abs(price_of(price) - price * 10**8) <= 0.5
    if price > 0:
        share = share_bps(width, price)
        assert (share - 1) * price < width * 10_000 <= share * price
