"""Every page of the explorer on a real index: it is there, says what is so, and keeps its rules about what it loads."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from truemark.explorer.views import Health
from truemark.index import Follower, Index
from truemark.rpc import AsyncRpc
from truemark_devnet.postgres_server import find_postgres, running_postgres

from ..own_devnet import PERSON, STRK, Devnet
from .conftest import REWRITTEN, UNEXPLAINED, Site, opened

pytestmark = pytest.mark.node

PAGES = (
    "/",
    "/blocks",
    "/blocks?limit=3",
    "/block/latest",
    "/block/0",
    *(f"/block/3?tab={tab}" for tab in ("overview", "transactions", "events", "storage", "messages")),
    "/txns",
    "/txns?kind=INVOKE",
    "/txns?state=failed",
    "/contracts",
    "/classes",
    "/tokens",
    "/transfers",
    f"/transfers?account={PERSON:#x}",
    "/events",
    "/events?name=Transfer&from=1&to=3",
    "/events?orphaned=1",
    "/messages",
    "/messages?direction=to_l1",
    "/markets",
    "/charts",
    "/diff",
    "/diff?from=2&to=4",
    "/diff?from=4&to=2&by=account",
    "/unexplained",
    "/unexplained?orphaned=1",
    "/orphans",
    "/operations",
    "/search",
    "/search?q=nothing+is+called+so",
    "/api",
    *(f"/contract/{STRK:#x}?tab={tab}" for tab in ("overview", "calls", "events", "transfers", "storage", "code")),
    *(f"/contract/{STRK:#x}?tab={tab}" for tab in ("read", "write", "transactions", "margin")),
    f"/contract/{PERSON:#x}",
    f"/contract/{PERSON:#x}?tab=events",
    f"/contract/{STRK:#x}?tab=read&fn=balance_of&a0={PERSON:#x}",
)


class Loads(HTMLParser):
    """What a page would load, run or style by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.inline += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        if (tag == "script" and not given.get("src")) or tag == "style":
            self.inline.append(tag)
        for name in ("src", "action"):
            if given.get(name):
                self.loads.append(given[name] or "")
        if tag == "link":
            self.loads.append(given.get("href") or "")
        if tag == "a":
            self.links.append(given.get("href") or "")
        if given.get("id"):
            self.ids.append(given["id"] or "")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_there_and_loads_nothing_from_elsewhere(site: Site, path: str) -> None:
    answer = await site.get(path)
    assert answer.status_code == 200, answer.text[:500]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "unsafe" not in answer.headers["content-security-policy"]
    page = Loads()
    page.feed(answer.text)
    assert page.inline == []
    assert [each for each in page.loads if not each.startswith(("/", "#"))] == []
    assert [each for each in page.links if re.match(r"[a-z]+:|//", each)] == []
    assert len(page.ids) == len(set(page.ids))


async def test_links_of_the_first_page_lead_somewhere(site: Site) -> None:
    page = Loads()
    page.feed(await site.page("/"))
    links = {each for each in page.links if each.startswith("/")}
    assert len(links) > 30
    for link in links:
        assert (await site.get(link)).status_code in (200, 303), link


async def test_a_transaction_shows_its_calls_events_and_storage_by_variable(site: Site) -> None:
    (row,) = (await site.data.explorer.latest_transactions(None, 1)).rows
    page = await site.page(f"/tx/{row.hash:#x}")
    assert "Success" in page
    assert "Accepted on L2" in page
    assert hex(row.hash) in page
    assert "Transfer" in await site.page(f"/tx/{row.hash:#x}", tab="events")
    tree = await site.page(f"/tx/{row.hash:#x}", tab="calls")
    assert "__execute__" in tree
    writes = await site.page(f"/tx/{row.hash:#x}", tab="storage")
    assert f"ERC20_balances[{PERSON:#x}].low" in writes


async def test_the_rolled_back_blocks_stand_beside_those_in_their_place(site: Site) -> None:
    orphans = await site.page("/orphans")
    assert f"Block {REWRITTEN}" in orphans
    assert "Lost transactions" in orphans
    (reorg,) = site.index.reorgs()
    old = await site.page(f"/block/{REWRITTEN}", orphaned=reorg.id)
    assert "was rolled back" in old
    assert "has had 2 blocks" in await site.page(f"/block/{REWRITTEN}")
    assert (await site.get(f"/block/{REWRITTEN}", orphaned=77)).status_code == 404


async def test_a_write_by_no_transaction_is_shown_everywhere(site: Site) -> None:
    for page in (
        await site.page("/unexplained"),
        await site.page(f"/block/{UNEXPLAINED}"),
        await site.page("/operations"),
        await site.page(f"/contract/{STRK:#x}/slot/0x7"),
    ):
        assert "No transaction" in page or "by no transaction" in page
    assert "Data wrong" in await site.page("/")


async def test_a_read_says_what_the_contract_says_and_why_it_does_not(site: Site) -> None:
    page = await site.page(f"/contract/{STRK:#x}", tab="read", fn="decimals")
    assert re.search(r'class="answer ok"[^>]*>\s*18', page)
    page = await site.page(f"/contract/{STRK:#x}", tab="read", fn="balance_of", a0="nobody")
    assert "nothing is called" in page
    assert (await site.get(f"/contract/{STRK:#x}", tab="read", fn="transfer")).status_code == 400


async def test_lists_go_on_by_cursor_until_they_end(site: Site) -> None:
    seen: list[str] = []
    path = "/blocks?limit=4"
    while path:
        page = await site.page(path)
        seen += re.findall(r'<td><a href="/block/(\d+)">', page)
        found = re.search(r'rel="next" href="([^"]+)"', page)
        path = found[1].replace("&amp;", "&") if found else ""
    head = site.index.head()
    assert head is not None
    assert [int(each) for each in seen] == list(range(head.number, -1, -1))


@pytest.mark.parametrize(
    "what",
    ["blocks", "txns", "events", "transfers", "diff", "unexplained", "marks", "funding"],
)
async def test_csv_has_what_the_page_has(site: Site, what: str) -> None:
    params = {"diff": {"from": 2, "to": 5}, "marks": {"market": 0}, "funding": {"market": 0}}.get(what, {})
    answer = await site.get(f"/export/{what}.csv", **params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    if what == "blocks":
        head = site.index.head()
        assert head is not None
        assert [int(row["number"]) for row in rows] == list(range(head.number, -1, -1))
    elif what == "unexplained":
        assert (rows[0]["block"], rows[0]["slot"], rows[0]["after"]) == (str(UNEXPLAINED), "0x7", "0x8")
    elif what not in ("marks", "funding"):
        assert rows


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("3", "/block/3"),
        ("Transfer", "/events?name=Transfer"),
        (f"{STRK:#x}", f"/contract/{STRK:#x}"),
        (f"0x{STRK:064x}", f"/contract/{STRK:#x}"),
    ],
)
async def test_a_search_with_one_meaning_goes_there(site: Site, query: str, place: str) -> None:
    answer = await site.get("/search", q=query)
    assert (answer.status_code, answer.headers["location"]) == (303, place)


@pytest.mark.parametrize("old", ["/address/0x1234", "/txs", "/transactions", "/token/0x1234"])
async def test_addresses_of_other_explorers_lead_to_the_page(site: Site, old: str) -> None:
    assert (await site.get(old)).status_code == 308


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nope", 404),
        ("/block/999999", 404),
        ("/block/-1", 400),
        ("/block/0xzz", 400),
        ("/block/0x" + "f" * 64, 400),
        ("/block/99999999999999999999999999", 400),
        ("/tx/0x1", 404),
        ("/tx/hello", 400),
        ("/contract/0x0badbad", 404),
        ("/contract/nobody", 404),
        ("/class/0x5", 404),
        ("/message/0x5", 404),
        ("/market/7", 404),
        ("/market/99999999999", 404),
        ("/blocks?cursor=x", 400),
        ("/events?cursor=1", 400),
        ("/blocks?limit=0", 400),
        ("/blocks?limit=5000", 400),
        ("/diff?from=1&to=999999", 404),
        ("/diff?from=x&to=1", 400),
        ("/static/nope.js", 404),
        ("/static/../app.py", 404),
    ],
)
async def test_what_is_not_there_or_not_meant_gets_a_clear_page(site: Site, path: str, status: int) -> None:
    answer = await site.get(path)
    assert answer.status_code == status, answer.text[:300]
    assert "<h1>" in answer.text
    assert answer.headers["content-security-policy"]
    # It says so in the API as well, as JSON.
    assert (await site.get("/api/v1/blocks/nope")).json()["error"]


async def test_pages_of_the_index_are_there_without_the_node(site_without_node: Site) -> None:
    for path in ("/", "/blocks", "/block/3?tab=storage", "/txns", "/events", "/orphans", "/unexplained", "/operations"):
        page = await site_without_node.page(path)
    health: Health = await site_without_node.data.health()
    assert health.chain.state == "unreachable"
    assert "unreachable" in page.lower()
    asked = await site_without_node.get(f"/contract/{STRK:#x}", tab="read", fn="decimals")
    assert asked.status_code == 200
    assert "connection attempts failed" in asked.text


async def test_every_token_that_moved_is_in_the_list(site: Site) -> None:
    moved = {row.token.address for row in (await site.data.explorer.transfers(None, 1_000)).rows}
    assert STRK in moved
    assert moved <= set(await site.data.explorer.tokens())
    page = await site.page("/tokens")
    assert all(f"/contract/{address:#x}" in page for address in moved)


async def test_incidents_are_shown_and_broken_files_named(node: Devnet, indexed: Path, tmp_path: Path) -> None:
    good = {
        "incident": "storm",
        "opened_at": "2026-01-19T04:27:54+00:00",
        "rules_broken": ["conservation"],
        "mode_before": "Full",
        "stop": None,
        "cleared": None,
        "breaks": [{"rule": "conservation", "block": 3, "explanation": "<b>sums</b> differ", "values": {"a": "1"}}],
    }
    (tmp_path / "good.json").write_text(json.dumps(good))
    (tmp_path / "torn.json").write_text('{"incident": ')
    (tmp_path / "other.json").write_text('{"breaks": 5}')
    async for site in opened(node.url, indexed, tmp_path):
        page = await site.page("/operations")
    assert "&lt;b&gt;sums&lt;/b&gt; differ" in page
    assert page.count("unreadable") == 2


@pytest.mark.deep
@pytest.mark.usefixtures("indexed")
async def test_the_same_pages_are_there_on_postgresql(node: Devnet) -> None:
    if find_postgres() is None:
        pytest.skip("no PostgreSQL server is installed")
    with running_postgres() as server:
        url = server.url.replace("postgresql://", "postgresql+psycopg://")
        with Index.open(url) as index:
            async with AsyncRpc(node.url, timeout=60) as rpc:
                await Follower(rpc, index).backfill()
        async for site in opened(node.url, url):
            for path in PAGES:
                assert (await site.get(path)).status_code == 200, path
            for path in ("/events?name=%00", "/search?q=%00", "/contract/%00", "/market/%00"):
                assert (await site.get(path)).status_code in (400, 404), path
            for what in ("blocks", "txns", "events", "transfers"):
                assert (await site.get(f"/export/{what}.csv")).text.count("\n") > 2
