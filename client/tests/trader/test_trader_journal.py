"""The journal of money under way: atomic, private, one version, and no step taken twice."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from truemark.account import DEFAULT_FEES, Prepared
from truemark.trader import BadJournal, Journal, MovedElsewhere, NoJournal, Step, UnknownFlow
from truemark.trader.flows import Kind
from truemark.trader.flows.flow import prepared_json, prepared_of
from truemark.transactions import Call


def test_a_movement_is_found_as_it_was_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "journal")
    record = journal.begin(Kind.DEPOSIT, "venue", 0xACC, {"amount": "10"})
    signed = journal.save(record, Step.SIGNED, {"tx": {"nonce": 3}})
    assert Journal(journal.path).load(record.id) == signed
    assert (signed.step, signed.data, signed.version) == (Step.SIGNED, {"amount": "10", "tx": {"nonce": 3}}, 1)
    assert [step for step, _ in journal.history(record.id)] == [Step.PLANNED, Step.SIGNED]
    assert journal.path.stat().st_mode & 0o77 == 0


def test_of_two_that_hold_the_same_step_the_second_is_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    record = journal.begin(Kind.WITHDRAWAL, "venue", 1, {})
    journal.save(record, Step.SIGNED, {"by": "first"})
    with pytest.raises(MovedElsewhere, match=record.id):
        journal.save(record, Step.SIGNED, {"by": "second"})
    assert journal.load(record.id).data == {"by": "first"}


def test_movements_are_of_one_account_at_one_venue_and_oldest_first(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    mine = [journal.begin(Kind.DEPOSIT, "venue", 1, {"number": number}) for number in range(3)]
    journal.begin(Kind.DEPOSIT, "venue", 2, {})
    journal.begin(Kind.DEPOSIT, "elsewhere", 1, {})
    journal.save(mine[1], Step.FAILED, {"reason": "no"})
    assert [record.data["number"] for record in journal.records("venue", 1)] == [0, 1, 2]
    assert [record.data["number"] for record in journal.records("venue", 1, open_only=True)] == [0, 2]
    with pytest.raises(UnknownFlow, match="no movement abc"):
        journal.load("abc")


def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("not a database, and longer than the header of one, which has a hundred bytes" * 3)
    before = text.read_bytes()
    with pytest.raises(BadJournal, match="cannot be used"):
        Journal(text)
    assert text.read_bytes() == before
    newer = tmp_path / "newer"
    Journal(newer)
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version = 7")
    db.close()
    with pytest.raises(BadJournal, match="version 7"):
        Journal(newer)


def test_a_signed_transaction_is_written_without_its_signature_and_read_back() -> None:
    prepared = Prepared((Call(1, 2, (3, 2**250)), Call(4, 5, ())), DEFAULT_FEES, 7, 2**249)
    assert prepared_of(prepared_json(prepared)) == prepared
    assert set(prepared_json(prepared)) == {"hash", "nonce", "calls", "fees", "tip"}


async def test_without_a_journal_nothing_is_begun(stage: Any) -> None:
    for begin in (stage.trader.begin_deposit, stage.trader.begin_redemption, stage.trader.begin_vault_deposit):
        with pytest.raises(NoJournal, match="journal=PATH"):
            await begin(10)


async def test_what_is_planned_is_checked_before_it_is_written(make_stage: Any, tmp_path: Path) -> None:
    stage = make_stage(journal=tmp_path / "journal")
    for amount in (0, "-1", "0.0000001"):
        with pytest.raises(ValueError, match=r"amount|finer|above"):
            await stage.trader.begin_withdrawal(amount)
    with pytest.raises(ValueError, match="no L1 address"):
        await stage.trader.begin_withdrawal(10, "0x12")
    with pytest.raises(ValueError, match="nowhere"):
        await stage.trader.begin_deposit(10, "nowhere")
    assert await stage.trader.movements(open_only=False) == []
    flow = await stage.trader.begin_deposit(10, "vault")
    assert "10.000000 USD from L1 to the vault: nothing sent yet" in flow.progress.says
    (same,) = await stage.trader.movements()
    assert same.record == flow.record
