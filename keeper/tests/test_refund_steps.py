"""The steps around the analysis: rules, the review that a person fills in, the pay list, statements, webhooks."""

from __future__ import annotations

import asyncio
import csv
import hmac
import io
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console
from truemark.cli import main
from truemark.commands.refund import read_claim
from truemark.refunds import Refund
from truemark_keeper.recovery import refund_command
from truemark_keeper.recovery.prices import ReplayedPrices
from truemark_keeper.recovery.refund import (
    BadDecisions,
    BadPayList,
    BadRules,
    Finding,
    PayList,
    Position,
    RefundRules,
    Survey,
    WebhookRefused,
    notify,
    read_decisions,
    refunds,
    write_review,
    write_statements,
)
from truemark_keeper.recovery.refund.compute import NotInstalled
from truemark_keeper.recovery.refund.folder import BadSurvey, load_survey, save_survey
from truemark_keeper.recovery.refund.review import approved, losses_of
from truemark_keeper.recovery.refund.webhook import check_url

from keeper.tests.local_http import Answer, serving
from keeper.tests.refund_histories import ACCOUNTS, MARKETS
from keeper.tests.test_refund_analysis import RULES, VENUE, example, surveyed

SECRET = b"sixteen bytes or more"
GOOD = """
incident = "second wave"
title = "The second wave"
uri = "https://example.org/report"
markets = ["PAXG-USD-PERP"]

[window]
first_block = 100
to_time = 1768873600

[valuation]
position = "restored"
price = "fixed"
time = 1768873600
prices = { "PAXG-USD-PERP" = "4798.49" }

[amount]
rounding = "up"
minimum = "0.01"

[[exclude]]
account = "0x1234"
reason = "traded against its own orders"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "refund.toml"
    path.write_text(text)
    return path


def test_rules_are_read_whole(tmp_path: Path) -> None:
    rules = RefundRules.load(written(tmp_path, GOOD))
    assert (rules.incident, rules.window.first_block, rules.window.last_block) == ("second wave", 100, None)
    assert rules.prices == (("PAXG-USD-PERP", 479_849_000_000),)
    assert (rules.minimum, rules.exclude) == (10_000, ((0x1234, "traded against its own orders"),))
    assert rules.position is Position.RESTORED
    rules.check(VENUE)
    assert RefundRules.load(written(tmp_path, GOOD)).digest == rules.digest
    changed = RefundRules.load(written(tmp_path, GOOD.replace('"0.01"', '"0.02"')))
    assert changed.digest != rules.digest


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ('incident = "second wave"', "", "incident is missing"),
        ('"second wave"', '"' + "x" * 32 + '"', "1 to 31 plain letters"),
        ("first_block = 100", "first_blok = 100", "did you mean first_block"),
        ("first_block = 100", "first_block = 100\nlast_block = 5", "last_block 5 is before first_block 100"),
        ("first_block = 100\nto_time = 1768873600", "", "give blocks"),
        ('"restored"', '"reopened"', "it is one of restored, closed"),
        ('"restored"', '"closed"', "a position that is closed is valued when it was taken"),
        ('"fixed"', '"independent"', 'prices are given if, and only if, price is "fixed"'),
        ('"4798.49"', '"-1"', "PAXG-USD-PERP"),
        ('"4798.49"', "4798.49", "must be a text"),
        ('minimum = "0.01"', 'minimum = "0"', "at least 0.000001"),
        ('"0x1234"', '"alice"', "must be an address"),
        ('"traded against its own orders"', '" "', "without a reason"),
        ('rounding = "up"', 'rounding = "nearest"', "it is one of up, down"),
    ],
)
def test_rules_that_cannot_be_used_say_why(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    assert was in GOOD
    with pytest.raises(BadRules, match="refund") as refused:
        RefundRules.load(written(tmp_path, GOOD.replace(was, becomes)))
    assert said in str(refused.value)


def test_a_market_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    rules = RefundRules.load(written(tmp_path, GOOD.replace("PAXG", "GOLD")))
    with pytest.raises(BadRules, match="GOLD-USD-PERP"):
        rules.check(VENUE)


@pytest.fixture
def found(tmp_path: Path) -> Survey:
    return surveyed(example(), RULES[Position.CLOSED], tmp_path)


def filled(path: Path, found: Survey, **change: str) -> None:
    """The table as a person leaves it: everything that was found wrong approved, but for the change to each."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    wrong = {item.taking.id for item in found.wrong}
    for row in rows:
        if row["id"] in wrong:
            row.update({"decision": "approve", "by": "Ana", "note": "", **change})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_a_person_approves_and_rejects(found: Survey, tmp_path: Path) -> None:
    losses = losses_of(found, VENUE, example().price, {})
    table, page, kept = write_review(found, VENUE, tmp_path, losses)
    assert kept is None
    assert "at the independent 100 it has" in page.read_text()
    with pytest.raises(BadDecisions, match="was found wrong and is not decided"):
        read_decisions(table, found)
    filled(table, found)
    assert set(approved(read_decisions(table, found))) == {item.taking.id for item in found.wrong}
    for change, said in (
        ({"by": ""}, "nobody stands for"),
        ({"decision": "maybe"}, "it is approve or reject"),
        ({"decision": "reject"}, "say why in `note`"),
        ({"id": "1.2.3.4"}, "no taking of this review"),
    ):
        filled(table, found)
        filled(table, found, **change)
        with pytest.raises(BadDecisions, match=said):
            read_decisions(table, found)
    table.unlink()
    write_review(found, VENUE, tmp_path, losses)
    filled(table, found, decision="reject", note="its own fault")
    assert approved(read_decisions(table, found)) == []


def test_a_review_that_is_written_again_keeps_what_was_decided(found: Survey, tmp_path: Path) -> None:
    table, *_ = write_review(found, VENUE, tmp_path)
    filled(table, found, note="seen")
    decided = read_decisions(table, found)
    _, _, kept = write_review(found, VENUE, tmp_path)
    assert read_decisions(table, found) == decided
    # The person's program ends lines in another way, so even the same is kept.
    assert kept is not None
    assert write_review(found, VENUE, tmp_path)[2] is None
    # What is found in another way is decided again; the table before is not lost.
    first = found.wrong[0]
    judged = tuple(replace(item, reason="at another price") if item is first else item for item in found.judged)
    changed = replace(found, judged=judged)
    *_, before = write_review(changed, VENUE, tmp_path)
    assert before is not None
    assert read_decisions(before, found) == decided
    with pytest.raises(BadDecisions, match=f"{first.taking.id} was found wrong and is not decided"):
        read_decisions(table, changed)


def test_a_table_as_spreadsheets_write_it(found: Survey, tmp_path: Path) -> None:
    table, *_ = write_review(found, VENUE, tmp_path)
    filled(table, found)
    decided = read_decisions(table, found)
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert read_decisions(table, found) == decided
    table.write_text(table.read_text("utf-8-sig").replace(",", ";"))
    with pytest.raises(BadDecisions, match="parted by commas"):
        read_decisions(table, found)
    for bad in (b"\xff\xfe", b'id,decision,by,note\n"' + b"x" * 200_000):
        table.write_bytes(bad)
        with pytest.raises(BadDecisions, match=r"review\.csv"):
            read_decisions(table, found)


@pytest.mark.parametrize(
    "command", [["find"], ["plan", "5"], ["refund", "compute", "--rules", "refund.toml", "--replay", "prices.csv"]]
)
def test_an_index_that_is_missing_is_named_and_not_made(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, 'incident = "x"\n[window]\nfirst_block = 0\n')
    (tmp_path / "prices.csv").write_text("holds_at,BTC-USD-PERP:1\n100,90\n")
    VENUE.save(tmp_path / "deployment.json")
    there = set(tmp_path.iterdir())
    assert main(["recovery", *command, "--db", "none.sqlite", "--deployment", "deployment.json"]) == 1
    assert "none.sqlite: there is no index" in capsys.readouterr().err
    assert set(tmp_path.iterdir()) == there


def test_without_its_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "truemark_keeper.recovery.refund.stage", None)
    with pytest.raises(NotInstalled, match=r"truemark-keeper\[recovery\]"):
        surveyed(example(), RULES[Position.CLOSED], tmp_path)


def test_a_survey_goes_on_on_another_day(found: Survey, tmp_path: Path) -> None:
    venue = example()
    names = dict(enumerate(MARKETS))
    prices = {name: venue.price(name, found.valuation) for name in MARKETS}
    save_survey(found, tmp_path / "survey.json", {0: 5}, prices)
    saved = load_survey(tmp_path / "survey.json", found.rules, names)
    assert saved.survey == found
    ids = [item.taking.id for item in found.wrong]
    assert refunds(saved.survey, VENUE, ids, saved.price) == refunds(found, VENUE, ids, venue.price)
    with pytest.raises(BadSurvey, match="other rules"):
        load_survey(tmp_path / "survey.json", replace(found.rules, minimum=7), names)


@pytest.fixture
def pay(found: Survey) -> PayList:
    ids = [item.taking.id for item in found.wrong]
    return PayList.of(refunds(found, VENUE, ids, example().price), VENUE)


def test_a_list_that_was_changed_is_refused(pay: PayList, tmp_path: Path) -> None:
    path = tmp_path / "refunds.json"
    pay.save(path)
    assert PayList.load(path, VENUE).tree.root == pay.tree.root
    assert pay.save(path) is None
    other = replace(pay, title="another list")
    kept = other.save(path)
    assert kept is not None
    assert PayList.load(kept, VENUE).to_json() == pay.to_json()
    raw = json.loads(path.read_text())
    raw["refunds"][0]["amount"] = "1"
    path.write_text(json.dumps(raw))
    with pytest.raises(BadPayList, match="it was changed"):
        PayList.load(path, VENUE)
    pay.save(path)
    with pytest.raises(BadPayList, match="for another venue"):
        PayList.load(path, replace(VENUE, l2_chain_id=1))


def test_every_account_has_a_statement_with_its_proof(pay: PayList, tmp_path: Path) -> None:
    public = json.loads(write_statements(pay, tmp_path, venue="test", paid=[0]).read_text())
    assert int(public["root"], 16) == pay.tree.root
    assert public["total"] == str(pay.tree.total)
    assert len(public["refunds"]) == pay.tree.count > 0
    for entry in public["refunds"]:
        claim = read_claim(tmp_path / entry["statement"])
        leaf = Refund(claim.account, claim.amount)
        assert pay.tree.verify(claim.index, leaf, claim.proof)
        page = (tmp_path / entry["page"]).read_text()
        assert "it was healthy" in page
        assert "http" not in page
    assert [entry["paid"] for entry in public["refunds"]] == [index == 0 for index in range(pay.tree.count)]


@asynccontextmanager
async def receiver(statuses: list[int]) -> AsyncIterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A ticket system on this machine; it answers with these in order, then with 200."""
    got: list[tuple[dict[str, str], bytes]] = []

    async def link(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
        got.append((headers, await reader.readexactly(int(headers["content-length"]))))
        status = statuses.pop(0) if statuses else 200
        if status:
            writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(link, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook", got


async def test_a_webhook_is_signed_tried_again_and_delivered_once_more_never(pay: PayList, tmp_path: Path) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    account = pay.tree.leaves[0].account
    async with receiver([500, 0, 429]) as (url, got):

        async def run(paid: set[int]) -> list[Any]:
            return await notify(
                pay,
                paid,
                url,
                SECRET,
                tmp_path / "sent.json",
                tickets={account: "T-7"},
                sleep=sleep,
                statements="https://x/s",
            )

        (first,) = await run({0})
        assert (first.delivered, first.tries, waited) == (True, 4, [1.0, 2.0, 4.0])
        assert len({headers["idempotency-key"] for headers, _ in got}) == 1
        for headers, body in got:
            at, mac = (part.split("=")[1] for part in headers["truemark-signature"].split(","))
            assert hmac.compare_digest(mac, hmac.new(SECRET, f"{at}.".encode() + body, sha256).hexdigest())
        said = orjson.loads(got[0][1])
        assert (said["account"], said["ticket"], said["action"]) == (hex(account), "T-7", "close")
        assert said["amount"] == str(pay.tree.leaves[0].amount)
        (again,) = await run({0})
        assert (again.before, len(got)) == (True, 4)
        both = await run(set(range(pay.tree.count)))
        assert [item.before for item in both] == [index == 0 for index in range(pay.tree.count)]
        assert len({item.key for item in both}) == pay.tree.count


async def test_what_the_receiver_refuses_is_not_written_down(pay: PayList, tmp_path: Path) -> None:
    async def sleep(seconds: float) -> None: ...

    record = tmp_path / "sent.json"
    async with receiver([400]) as (url, _):
        (refused,) = await notify(pay, {0}, url, SECRET, record, sleep=sleep)
        assert (refused.delivered, refused.tries, refused.status) == (False, 1, 400)
        assert not record.exists()
        (later,) = await notify(pay, {0}, url, SECRET, record, sleep=sleep)
        assert later.delivered
    async with serving(Answer(status=302, headers=(("Location", "http://127.0.0.1:1/"),))) as server:
        moved = await notify(pay, {0}, server.url + "/x", SECRET, tmp_path / "other.json", sleep=sleep)
        assert (moved[0].delivered, moved[0].status, len(server.asked)) == (False, 302, 1)


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "https://x.org:port/",
        "https://x.org:99999/",
        "http://example.org/x",
        "ftp://127.0.0.1/x",
        "https:///x",
        "http://127.0.0.1.example.org/",
        "https://a:b@x.org/",
    ],
)
def test_nothing_is_sent_in_the_clear(url: str) -> None:
    with pytest.raises(WebhookRefused):
        check_url(url)


def test_a_url_that_is_fine() -> None:
    for url in ("https://tickets.example.org/hook", "http://127.0.0.1:80/x", "http://[::1]/x", "http://localhost/x"):
        assert check_url(url) == url


async def test_a_short_secret_is_refused(pay: PayList, tmp_path: Path) -> None:
    with pytest.raises(WebhookRefused, match="16 bytes"):
        await notify(pay, {0}, "https://x.org", b"short", tmp_path / "sent.json")


def test_a_replay_file_says_the_median_of_its_reporters(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("holds_at,BTC-USD-PERP:1,BTC-USD-PERP:2,BTC-USD-PERP:3\n100,90,100,101\n200,110,70,120\n")
    prices = ReplayedPrices.load(path)
    assert [prices.at("BTC-USD-PERP", at) for at in (99, 100, 199, 200)] == [
        None,
        100 * 10**8,
        100 * 10**8,
        110 * 10**8,
    ]
    assert prices.at("ETH-USD-PERP", 150) is None


def test_the_wrong_takings_are_those_of_the_skewed_mark(found: Survey) -> None:
    taken = {item.taking.account: item.finding for item in found.judged if item.taking.kind != "DebtPaid"}
    assert taken == {ACCOUNTS[0]: Finding.WRONG, ACCOUNTS[1]: Finding.WRONG}


async def test_what_nobody_can_pay_is_not_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sent: list[str] = []

    class Short:
        async def missing(self, funder: int) -> int:
            return 5_000_000

        async def open(self, send: Any) -> None:
            sent.append("open")

    class Admin:
        address = 0xAD
        execute = None

    def on_chain(folder: Path, config: Path, deployment: Path | None, run: Any, *, execute: bool) -> None:
        steps.append(run(Short(), Admin(), Console(file=io.StringIO())))

    steps: list[Any] = []
    monkeypatch.setattr(refund_command, "_on_chain", on_chain)
    for execute in (False, True):
        refund_command.open_(folder=tmp_path, config=tmp_path, execute=execute)
    await steps[0]
    with pytest.raises(refund_command.NotFunded, match=r"0xad lacks 5\.000000 USD"):
        await steps[1]
    assert sent == []
