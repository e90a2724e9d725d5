"""The JSON API: what OpenAPI says of it holds, pages by cursor miss nothing, numbers are exact."""

from __future__ import annotations

from typing import Any

import pytest

from ..own_devnet import PERSON, STRK
from .conftest import REWRITTEN, UNEXPLAINED, Site

pytestmark = pytest.mark.node


async def test_every_question_of_the_description_is_answered(site: Site) -> None:
    described = (await site.get("/api/openapi.json")).json()
    (row,) = (await site.json("/transactions", limit=1))["rows"]
    values = {
        "block": "3",
        "tx_hash": row["hash"],
        "address": hex(STRK),
        "key": "0x7",
        "function": "decimals",
        "class_hash": (await site.json(f"/contracts/{STRK:#x}"))["account"]["class_hash"],
        "message_hash": "0x1",
        "market": "0",
        "reorg": "1",
    }
    needed = {"/diff": {"before": 2, "after": 4}, "/search": {"q": "3"}}
    assert len(described["paths"]) > 20
    for route, methods in described["paths"].items():
        assert set(methods) == {"get"}
        path = route.removeprefix("/api/v1").format(**values)
        answer = await site.get(f"/api/v1{path}", **needed.get(path, {}))
        # No venue and no message on this chain.
        expected = 404 if path in ("/venue", "/messages/0x1") else 200
        assert answer.status_code == expected, (path, answer.text[:300])
        assert str(expected) in methods["get"]["responses"]
        assert methods["get"]["description"]
        if expected == 200:
            _fits(answer.json(), methods["get"]["responses"]["200"]["content"]["application/json"]["schema"], described)


def _fits(value: Any, schema: dict[str, Any], described: dict[str, Any]) -> None:
    """As far as names go: every field that the description has is there, and no other."""
    if "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if schema.get("type") == "array":
        for each in value:
            _fits(each, schema.get("items", {}), described)
    elif schema.get("properties") and isinstance(value, dict):
        assert set(value) == set(schema["properties"])
        for name, part in schema["properties"].items():
            if value[name] is not None:
                options = [each for each in part.get("anyOf", [part]) if each.get("type") != "null"]
                if len(options) == 1:
                    _fits(value[name], options[0], described)


@pytest.mark.parametrize("what", ["blocks", "transactions", "events", "transfers"])
async def test_pages_miss_nothing_and_give_nothing_twice(site: Site, what: str) -> None:
    whole = (await site.json(f"/{what}", limit=1000))["rows"]
    found, cursor = [], None
    while True:
        page = await site.json(f"/{what}", limit=3, **({} if cursor is None else {"cursor": cursor}))
        assert len(page["rows"]) <= 3
        found += page["rows"]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert found == whole
    assert len(whole) > 6


async def test_amounts_are_exact_and_felts_hexadecimal(site: Site) -> None:
    rows = (await site.json("/transfers", account=hex(PERSON), limit=1000))["rows"]
    assert {row["recipient"] for row in rows} == {hex(PERSON)}
    assert {row["amount"] for row in rows} >= {str(amount * 10**18) for amount in range(1, 5)}
    assert {row["token"]["address"] for row in rows} == {hex(STRK)}
    account = (await site.json(f"/contracts/{PERSON:#x}"))["account"]
    (balance,) = account["balances"]
    assert balance["amount"] == (await site.json(f"/contracts/{STRK:#x}/read/balance_of", arg=hex(PERSON)))["value"]


async def test_what_was_rolled_back_and_what_nobody_wrote_is_there(site: Site) -> None:
    (reorg,) = await site.json("/reorgs")
    assert (reorg["first"], reorg["last"]) == (REWRITTEN, REWRITTEN + 1)
    for each in await site.json(f"/reorgs/{reorg['id']}"):
        assert each["orphan"]["record"]["number"] == each["replaced_by"]["record"]["number"]
        assert len(each["lost"]) == len(each["new"]) == 1
    (write,) = await site.json("/unexplained")
    assert (write["block_number"], write["key"], write["after"]) == (UNEXPLAINED, "0x7", "0x8")
    health = await site.json("/health")
    # Whether the chain goes on is a question of the clock: nobody makes blocks here.
    assert (health["ok"], health["data"]["state"], health["index"]["state"]) == (False, "wrong", "ok")
    old = await site.json(f"/blocks/{REWRITTEN}", orphaned=reorg["id"])
    assert old["summary"]["status"] == "ORPHANED"


async def test_events_by_key_and_a_difference_either_way(site: Site) -> None:
    (row,) = (await site.json("/events", limit=1, name="Transfer"))["rows"]
    same = await site.json("/events", key=[row["keys"][0]], limit=1000)
    assert row in same["rows"]
    assert (await site.json("/events", key=["0x5"]))["rows"] == []
    there, back = [
        {(change["address"], change["key"]): (change["before"], change["after"]) for change in found["changes"]}
        for found in (await site.json("/diff", before=2, after=4), await site.json("/diff", before=4, after=2))
    ]
    assert there
    assert back == {place: (after, before) for place, (before, after) in there.items()}
