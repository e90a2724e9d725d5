"""The web explorer in a real browser, on a real venue: no error, no other host, accessible, on a phone, live, through a
rollback, and without JavaScript."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from truemark.orders import Side

from tests.house import BTC, ETH, PRICES, House

CHROMIUM = Path("/usr/bin/chromium")
pytest.importorskip("playwright", reason="playwright is not installed")
pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
from axe_playwright_python.async_playwright import Axe  # noqa: E402
from playwright.async_api import Browser, Page, async_playwright, expect  # noqa: E402

pytestmark = [
    pytest.mark.node,
    pytest.mark.deep,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no Chromium at {CHROMIUM}"),
]

DESK = {"width": 1280, "height": 860}
PHONE = {"width": 375, "height": 812}


@dataclass
class Served:
    """The explorer of a venue with a little history, and a browser."""

    house: House
    url: str
    browser: Browser
    tx: str
    account: str
    message: str

    async def ask(self, path: str) -> Any:
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as client:
            return (await client.get(f"api/v1{path}")).json()

    def pages(self) -> list[str]:
        return [
            "/",
            "/blocks",
            "/block/latest",
            "/txns",
            f"/tx/{self.tx}",
            *(f"/tx/{self.tx}?tab={tab}" for tab in ("calls", "events", "storage")),
            "/contracts",
            *(f"/contract/{self.account}?tab={tab}" for tab in ("overview", "margin", "transactions", "events")),
            *(f"/contract/Clearinghouse?tab={tab}" for tab in ("calls", "storage", "read", "code")),
            "/tokens",
            "/transfers",
            "/events?limit=8",
            "/messages",
            f"/message/{self.message}",
            "/markets",
            f"/market/{BTC}",
            "/charts",
            "/diff?from=40&to=60",
            "/unexplained",
            "/orphans",
            "/operations",
            "/search?q=report",
            "/api",
        ]


@pytest.fixture(scope="module")
async def served(opened: House, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    home = tmp_path_factory.mktemp("explorer")
    async with opened.nodes.undone():
        async with opened.gateway() as gateway, opened.trader("alice", gateway) as alice:
            async with opened.trader("bob", gateway) as bob:
                for market, size in ((BTC, "0.01"), (ETH, "0.5")):
                    await bob.place(market, Side.SELL, size, PRICES[market])
                    await alice.settled(await alice.place(market, Side.BUY, size, PRICES[market]), 30)
            await opened.round({BTC: "95600"})
            await alice.withdraw(5)
            account = alice.address
        opened.deployment.save(home / "deployment.json")
        command = ["explorer", "--port", "0", "--poll", "0.1", "--deployment", str(home / "deployment.json")]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "truemark.cli", *command, "--db", str(home / "index.sqlite")),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "TRUEMARK_HOME": str(home)},
        )
        try:
            assert process.stdout is not None
            said = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
            url = said.split()[-1]
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-dev-shm-usage"]
                )
                found = Served(opened, url, browser, "", hex(account), "")
                await _caught_up(found)
                (fill,) = (await found.ask("/events?name=FillSettled&limit=1"))["rows"]
                (message,) = (await found.ask("/messages?limit=1&direction=to_l1"))["rows"]
                found.tx, found.message = fill["tx_hash"], message["hash"]
                yield found
                await browser.close()
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), 20) == 0


async def _caught_up(served: Served) -> int:
    async with asyncio.timeout(120):
        while True:
            health = await served.ask("/health")
            if health["index_head"] is not None and health["index_head"] == health["chain_head"]:
                return int(health["index_head"])
            await asyncio.sleep(0.1)


class Watch:
    """What a browser complains of, and what it asks of whom."""

    def __init__(self, page: Page, url: str) -> None:
        self.problems: list[str] = []
        page.on("console", lambda said: self._said(page, said.type, said.text))
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: {error}"))
        page.on("request", lambda request: self._asked(request.url, url))

    def _said(self, page: Page, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.problems.append(f"{page.url}: {text}")

    def _asked(self, asked: str, url: str) -> None:
        if not asked.startswith((url, "data:")):
            self.problems.append(f"a request to {asked}")


async def test_every_page_is_quiet_accessible_and_fits_a_phone(served: Served) -> None:
    page = await served.browser.new_page(viewport=DESK)
    watch = Watch(page, served.url)
    axe = Axe()
    for path in served.pages():
        await page.set_viewport_size(DESK)
        answer = await page.goto(served.url.rstrip("/") + path)
        assert answer is not None
        assert answer.status == 200, path
        found = await axe.run(page)
        watch.problems += [
            f"{path}: {each['id']}: {each['nodes'][0]['html'][:200]}" for each in found.response["violations"]
        ]
        await page.set_viewport_size(PHONE)
        width = await page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            watch.problems.append(f"{path}: {width} px wide on a phone")
    await page.close()
    assert watch.problems == []


async def test_the_dark_theme_is_readable_and_stays(served: Served) -> None:
    page = await served.browser.new_page(viewport=DESK, color_scheme="dark")
    watch = Watch(page, served.url)
    axe = Axe()
    for path in ("/", "/blocks", f"/tx/{served.tx}?tab=storage", f"/market/{BTC}", "/operations"):
        await page.goto(served.url.rstrip("/") + path)
        found = await axe.run(page, options={"runOnly": ["color-contrast"]})
        watch.problems += [f"{path}: {each['nodes'][0]['html'][:200]}" for each in found.response["violations"]]
    shade = "getComputedStyle(document.body).backgroundColor"
    dark = await page.evaluate(shade)
    await page.click("[data-theme-toggle]")
    light = await page.evaluate(shade)
    assert light != dark
    await page.reload()
    assert await page.evaluate(shade) == light
    await page.close()
    assert watch.problems == []


async def test_the_search_key_leads_to_what_was_typed(served: Served) -> None:
    page = await served.browser.new_page(viewport=DESK)
    await page.goto(served.url)
    await page.keyboard.press("/")
    await page.keyboard.type(served.tx)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/tx/{served.tx}")
    await page.keyboard.press("/")
    await page.keyboard.type("Clearinghouse")
    await page.keyboard.press("Enter")
    await page.wait_for_load_state()
    assert "Clearinghouse" in (await page.text_content("main") or "")
    await page.close()


async def test_without_javascript_everything_is_there(served: Served) -> None:
    context = await served.browser.new_context(java_script_enabled=False, viewport=DESK)
    page = await context.new_page()
    await page.goto(served.url)
    assert BTC in (await page.text_content("main") or "")
    await page.fill("#q", served.account)
    await page.press("#q", "Enter")
    await page.wait_for_url("**/contract/*")
    await page.click("text=Margin")
    assert "Collateral" in (await page.text_content("main") or "")
    await context.close()


async def test_a_new_block_shows_by_itself_and_a_rollback_too(served: Served) -> None:
    house = served.house
    page = await served.browser.new_page(viewport=DESK)
    watch = Watch(page, served.url)
    before = await _caught_up(served)
    await page.goto(served.url)
    snapshot = await house.nodes.snapshot()
    await house.round({BTC: "95700"})
    latest = page.locator('[data-live="blocks"] .feed li').first
    async with asyncio.timeout(30):
        while int(await latest.get_attribute("data-key") or 0) <= before:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    head = await _caught_up(served)
    assert head > before
    # Loaded once: what is new came by the stream.
    assert int(await page.evaluate("document.documentElement.dataset.updates")) >= 1
    other = await served.browser.new_page(viewport=DESK)
    await other.goto(f"{served.url}block/{head}")
    await house.nodes.revert(snapshot)
    statuses = set()
    # Reloaded again and again while the index goes back.
    async with asyncio.timeout(60):
        while True:
            answer = await other.reload()
            assert answer is not None
            statuses.add(answer.status)
            if answer.status == 404 and (await served.ask("/health"))["rollbacks"]:
                break
    assert statuses <= {200, 404}
    newest = page.locator('[data-live="blocks"] .feed li').first
    await expect(newest).to_have_attribute("data-key", str(before), timeout=30_000)
    await page.goto(f"{served.url}orphans")
    text = await page.text_content("main") or ""
    assert f"Block {head}" in text
    assert "Lost transactions" in text
    await page.close()
    await other.close()
    assert watch.problems == []
