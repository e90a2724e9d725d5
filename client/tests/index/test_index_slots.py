"""Names of slots by their bases, and what packed slots hold; that both are the contracts' own is shown on a real node
in tests/test_index_venue.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from truemark.felt import PRIME, selector, short_string
from truemark.index.keys import FIXED, KINDS, TOLD, told_by
from truemark.index.layout import LAYOUTS, account_base, first_slot
from truemark.index.packed import PACKED, opened
from truemark.index.places import Places
from truemark.reports import Entry, pack_entries

ALICE, BOB = 0xA11CE, 0xB0B
FELTS = st.integers(0, PRIME - 1)
#: Every variable that has a packing, with keys as names have them.
VARIABLES = [
    *(
        (contract, variable.replace("trading_keys[]", "trading_keys[0x1,0x2]").replace("[]", "[3]"))
        for contract, variables in PACKED.items()
        for variable in variables
    ),
    ("Oracle", "entries[2,3].seat[0]"),
    ("Clearinghouse", "accounts[0xb0b]"),
    ("Clearinghouse", "accounts[0xb0b].position[2]"),
]


@pytest.mark.parametrize(("contract", "variable"), VARIABLES, ids=lambda each: str(each))
@given(value=st.one_of(FELTS, st.integers(0, 2**128), st.integers(0, 2**64), st.integers(0, 250).map(lambda n: 1 << n)))
def test_no_value_of_a_slot_makes_its_packing_raise(contract: str, variable: str, value: int) -> None:
    shown = opened(contract, variable, value)
    assert shown is None or all(isinstance(text, str) and text for text in shown.values())


def test_what_no_packing_made_shows_nothing() -> None:
    mark = 95_475 * 10**8 + (95_000 * 10**8 << 56) + (1_768_773_600 << 128)
    assert opened("Oracle", "markets[0].mark", mark) == {
        "price": "95475",
        "checkpoint": "95000",
        "status": "Valid",
        "stale_at": "2026-01-18 22:00:00",
        "round_at": "never",
        "round": "none",
        "valid_since": "never",
    }
    assert (opened("Oracle", "markets[0].mark", 0) or {})["status"] == "Pending"
    assert (opened("Oracle", "markets[0].mark", mark + (2 << 112)) or {})["status"] == "Suspect"
    # No status has this code: the contract reads it as one that stops the market.
    assert (opened("Oracle", "markets[0].mark", mark + (7 << 112)) or {})["status"] == "Frozen"
    assert opened("Clearinghouse", "orders[0x5]", 10**8 + 2**64) == {"filled": "1", "approved": "yes"}
    assert opened("Clearinghouse", "orders[0x5]", 2**65) is None
    assert opened("Clearinghouse", "venue", 4 << 96) is None
    assert opened("Clearinghouse", "books", 2**64 - 10**6) == {"insurance": "-1", "fees": "0", "funding": "0"}
    assert opened("Clearinghouse", "epoch", 7) is None
    assert opened("STRK", "books", 7) is None


def test_tiers_that_are_used_and_what_a_reporter_said_of_both_markets() -> None:
    first, second, third = (
        500 + (300 << 16) + (10**6 << 32),
        1_000 + (600 << 16) + (5 * 10**6 << 32),
        2_000 + (900 << 16),
    )
    one = {"first.initial": "500 bps", "first.maintenance": "300 bps", "first.upto": "1000000 USD"}
    assert opened("Clearinghouse", "markets[2].tiers", first << 128) == one
    three = opened("Clearinghouse", "markets[2].tiers", (first << 128) + second + (third << 72)) or {}
    assert three == one | {
        "second.initial": "1000 bps",
        "second.maintenance": "600 bps",
        "second.upto": "5000000 USD",
        "third.initial": "2000 bps",
        "third.maintenance": "900 bps",
    }
    even, odd = Entry(0, 5 * 10**7, 7, 1_768_773_600, -3), Entry(1, 10**8, 0, 1_768_773_601, 4)
    (both,), (only,) = pack_entries([even, odd]), pack_entries([odd])
    of_odd = {
        "1.price": "1",
        "1.confidence": "0 bps",
        "1.observed_at": "2026-01-18 22:00:01",
        "1.rate": "4 ppm",
    }
    assert opened("Oracle", "entries[0,1].seat[2]", only) == of_odd
    assert opened("Oracle", "entries[0,1].seat[2]", both) == of_odd | {
        "0.price": "0.5",
        "0.confidence": "7 bps",
        "0.observed_at": "2026-01-18 22:00:00",
        "0.rate": "-3 ppm",
    }
    # The pair's number travels with a report and is not kept.
    assert opened("Oracle", "entries[2,3].seat[2]", both + (1 << 121)) is None


def test_a_slot_is_found_by_where_its_value_begins() -> None:
    places = Places("Clearinghouse")
    base = account_base(ALICE)
    assert places.at(base) is None
    places.add("account", [(ALICE,)])
    names = [slot.variable if (slot := places.at(base + number)) else None for number in (-1, 0, 1, 128, 129, 130)]
    account = f"accounts[{ALICE:#x}]"
    assert names == [None, account, f"{account}.position[0]", f"{account}.position[127]", f"{account}.seen", None]
    places.add("account", [(who,) for who in range(1_000, 1_100)])
    places.add("account", [(ALICE,), (BOB,)])
    for who in (ALICE, BOB, 1_050):
        assert places[account_base(who)].account == who
    # Each key that it gives leads to what it gives for it.
    assert len(places) == len(dict(places.items()))
    assert 0 not in places
    assert Places("STRK").at(base) is None


def test_the_oracle_gives_a_pair_of_markets_addresses_of_its_own() -> None:
    places, book = Places("Oracle"), selector("truemark.oracle.markets")
    named = {number: slot.variable if (slot := places.at(book + number)) else None for number in range(512 + 1)}
    assert [named[number] for number in (0, 15, 16, 22, 23, 31, 32, 38, 39, 256, 256 + 33)] == [
        "entries[0,1].seat[0]",
        "entries[0,1].seat[15]",
        "markets[0].mark",
        "markets[0].rules",
        None,
        None,
        "markets[1].mark",
        "markets[1].rules",
        None,
        "entries[2,3].seat[0]",
        "markets[3].calm",
    ]


def test_every_kind_of_key_is_fixed_or_told_and_shown() -> None:
    used = {variable.key for variables in LAYOUTS.values() for variable in variables} - {None}
    told = {kind for rules in TOLD.values() for kind, _ in rules}
    assert used == set(KINDS)
    assert used == told | set(FIXED) - {None}
    for variables in LAYOUTS.values():
        # Two values at one place would take each other's name.
        bases = [
            first_slot(variable, (1,) * (0 if variable.key is None else len(KINDS[variable.key][0])))
            for variable in variables
        ]
        assert len(bases) == len(set(bases))


def test_events_tell_keys_and_what_is_no_such_event_tells_none() -> None:
    fill = {"maker_order": "0x5", "taker_order": "0x6", "size": 1}
    assert list(told_by("FillSettled", fill)) == [("order", (5,)), ("order", (6,))]
    assert list(told_by("FillSettled", {"maker_order": "0x5", "taker_order": [1]})) == [("order", (5,))]
    assert list(told_by("Refunded", {"incident": "0x9", "index": 130})) == [("incident", (9,)), ("claims", (9, 1))]
    asked = {"controller": hex(ALICE), "request_id": "2"}
    assert list(told_by("RedeemRequest", asked))[2:] == [("place", (ALICE, 0)), ("place", (ALICE, 1))]
    returned = {"epoch": 1, "counter": 2, "source": hex(2**251 + 7)}
    assert list(told_by("WithdrawalAttested", returned)) == [("withdrawal", (1, 2)), ("nonce", (7,))]
    for fields in ({}, {"name": "x" * 40}, {"name": -1}, {"name": PRIME}, {"name": None}):
        assert list(told_by("MarketListed", fields)) == []
    assert list(told_by("MarketListed", {"name": hex(short_string("BTC"))})) == [("name", (short_string("BTC"),))]
    assert list(told_by("Nothing", fill)) == []
