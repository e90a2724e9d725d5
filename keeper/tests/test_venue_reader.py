"""The venue reader: all of one block, every account and only those of this chain, whatever the chain does meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from fake_venue import (
    CLEARINGHOUSE,
    ORACLE,
    STRANGER,
    FakeAccount,
    FakeMarket,
    FakeNode,
    deposited,
    event,
    filled,
    liquidated,
    mode_changed,
)
from hypothesis import given
from hypothesis import strategies as st
from truemark.felt import selector, short_string
from truemark.risk import NO_TIER, Margin, MarginTier
from truemark.rpc import NodeUnavailable
from truemark_keeper.accounts import BadEvents
from truemark_keeper.book import Book, Liquidated, LiquidationRefused, OpenPosition
from truemark_keeper.pinned import ChainUnsteady
from truemark_keeper.venue import VenueReader, VenueUnreadable


def reader_of(node: FakeNode, **options: int) -> VenueReader:
    return VenueReader(node, oracle=ORACLE, clearinghouse=CLEARINGHOUSE, **options)


def book_of(node: FakeNode) -> Book:
    return asyncio.run(reader_of(node).book())


def addresses(book: Book) -> list[int]:
    return [account.address for account in book.accounts]


def scans(node: FakeNode) -> list[tuple[int, int]]:
    return [
        (params["filter"]["from_block"]["block_number"], params["filter"]["to_block"]["block_number"])
        for method, params in node.asked
        if method == "starknet_getEvents"
    ]


@pytest.fixture
def node() -> FakeNode:
    node = FakeNode(
        markets=[
            FakeMarket("BTC-USD-PERP", 9_500_000_000_000, checkpoint=9_400_000_000_000, funding_index=-5),
            FakeMarket("ETH-USD-PERP", 0, status="Pending", listed=False),
            FakeMarket("SOL-USD-PERP", 14_000_000_000, status="Suspect", candidate=13, anchor=15, funding_index=2**100),
        ],
        accounts={
            0xA: FakeAccount(-7, ((0, -3, 11), (2, 2**40, -(2**90))), margin=(-1, 5, 3)),
            0xB: FakeAccount(9),
        },
    )
    node.mine(deposited(0xA), deposited(0xB))
    node.mine(filled(0xA, 0xC))
    return node


def test_a_book_holds_what_the_contracts_say(node: FakeNode) -> None:
    book = book_of(node)
    assert (book.block, book.epoch, book.full) == (2, 2, True)
    assert sorted(book.markets) == [0, 2]
    btc, sol = book.markets[0], book.markets[2]
    assert (btc.name, btc.valid, btc.price, btc.checkpoint) == ("BTC-USD-PERP", True, 95_000 * 10**8, 94_000 * 10**8)
    assert btc.tiers == (MarginTier(1_000_000, 500, 300), MarginTier(0, 1_000, 600), NO_TIER)
    assert (btc.funding_index, sol.funding_index) == (-5, 2**100)
    assert (sol.valid, sol.price, sol.candidate, sol.anchor) == (False, 140 * 10**8, 13, 15)
    first, second, third = book.accounts
    assert (first.address, first.collateral) == (0xA, -7)
    assert first.positions == (OpenPosition(0, -3, 11), OpenPosition(2, 2**40, -(2**90)))
    assert (second.address, second.collateral, second.positions) == (0xB, 9, ())
    assert (third.address, third.positions) == (0xC, ())


def test_a_book_knows_since_when_the_venue_is_full_on_the_chain_as_it_stands(node: FakeNode) -> None:
    reader = reader_of(node)

    def seen() -> tuple[int, int, int]:
        book = asyncio.run(reader.book())
        return book.timestamp, book.full_since, book.grace_secs

    assert seen() == (102, 0, 60)
    node.mine(mode_changed("Full"))
    node.mine(mode_changed("CancelOnly"))
    assert seen() == (104, 103, 60)
    node.mine(mode_changed("Full"))
    assert seen() == (105, 105, 60)
    node.roll_back(4)
    assert seen() == (104, 103, 60)


@pytest.mark.parametrize(
    ("mode", "full"), [("Halted", False), ("CancelOnly", False), ("PostOnly", False), ("Full", True)]
)
def test_only_full_is_full(node: FakeNode, mode: str, full: bool) -> None:
    node.mode = mode
    assert book_of(node).full is full


@pytest.mark.parametrize("status", ["Pending", "Stale", "Suspect", "Frozen", "Settling", "Settled"])
def test_no_status_but_valid_is_valid(node: FakeNode, status: str) -> None:
    node.markets[0].status = status
    assert not book_of(node).markets[0].valid


def test_every_read_names_the_same_block(node: FakeNode) -> None:
    book_of(node)
    blocks = {str(params["block_id"]) for method, params in node.asked if method == "starknet_call"}
    assert blocks == {"{'block_number': 2}"}
    assert scans(node) == [(0, 2)]


def test_margins_are_the_contracts_own(node: FakeNode) -> None:
    margins = asyncio.run(reader_of(node).margins([0xB, 0xA]))
    assert margins == {0xA: Margin(value=-1, initial=5, maintenance=3), 0xB: Margin(0, 0, 0)}


def test_the_epoch_of_a_report_is_the_oracles(node: FakeNode) -> None:
    assert asyncio.run(reader_of(node).epoch()) == 12


def test_a_venue_without_markets_and_accounts_is_an_empty_book() -> None:
    book = book_of(FakeNode())
    assert (book.block, dict(book.markets), list(book.accounts)) == (0, {}, [])


def test_later_scans_read_new_blocks_only(node: FakeNode) -> None:
    async def read() -> None:
        reader = reader_of(node)
        await reader.book()
        await reader.book()
        node.mine(liquidated(0xA, 0, 0xD, -3))
        assert addresses(await reader.book()) == [0xA, 0xB, 0xC, 0xD]

    asyncio.run(read())
    assert scans(node) == [(0, 2), (3, 3)]


def test_a_replaced_block_with_the_same_hash_is_noticed(node: FakeNode) -> None:
    async def read() -> None:
        reader = reader_of(node)
        await reader.book()
        before = node.header({"block_number": 2})["block_hash"]
        node.roll_back(1)
        node.mine(filled(0xB, 0xE))
        assert node.header({"block_number": 2})["block_hash"] == before
        assert addresses(await reader.book()) == [0xA, 0xB, 0xE]
        node.roll_back(1)
        assert addresses(await reader.book()) == [0xA, 0xB]
        node.mine()
        node.mine()
        assert addresses(await reader.book()) == [0xA, 0xB]

    asyncio.run(read())


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("mine"), st.lists(st.integers(1, 30), max_size=3)),
            st.tuples(st.just("back"), st.integers(0, 4)),
            st.just(("read", 0)),
        ),
        max_size=25,
    ),
    st.integers(1, 3),
)
def test_the_accounts_are_those_of_the_chain_whatever_became_of_it(steps: list[tuple[str, object]], page: int) -> None:
    node = FakeNode()

    async def read() -> None:
        reader = reader_of(node)
        reader._scan._page = page
        for step, value in [*steps, ("read", 0)]:
            if step == "mine":
                assert isinstance(value, list)
                node.mine(*(filled(account, account + 1) for account in value))
            elif step == "back":
                assert isinstance(value, int)
                node.roll_back(max(len(node.chain) - 1 - value, 0))
            else:
                named = [int(key, 16) for block in node.chain for item in block.events for key in item["keys"][2:]]
                assert addresses(await reader.book()) == sorted(set(named))

    asyncio.run(read())


def test_a_chain_that_goes_back_while_it_is_read_is_read_again(node: FakeNode) -> None:
    falls = [1]

    def back(method: str) -> None:
        if method == "starknet_call" and falls:
            node.roll_back(falls.pop())

    node.before = back
    book = book_of(node)
    assert (book.block, addresses(book)) == (1, [0xA, 0xB])


def test_a_block_that_was_replaced_meanwhile_is_no_result(node: FakeNode) -> None:
    left = [3]

    def replace(method: str) -> None:
        if method == "starknet_call" and left[0]:
            left[0] -= 1
            node.roll_back(1)
            node.mine(filled(0xE, 0xF + left[0]))

    node.before = replace
    assert addresses(book_of(node)) == [0xA, 0xB, 0xE, 0xF]


def test_a_chain_that_never_stands_still_is_given_up(node: FakeNode) -> None:
    def replace(method: str) -> None:
        if method == "starknet_call":
            node.roll_back(1)
            node.mine(filled(0xE, 0xF))

    node.before = replace
    with pytest.raises(ChainUnsteady, match="5 attempts"):
        book_of(node)


def test_a_failed_scan_leaves_nothing_half_read(node: FakeNode) -> None:
    for account in range(0x100, 0x100 + 5):
        node.mine(deposited(account))
    breaks = [True]

    def lose(method: str) -> None:
        if method == "starknet_getEvents" and len(scans(node)) == 2 and breaks:
            breaks.pop()
            raise NodeUnavailable("lost")

    node.before = lose

    async def read() -> None:
        reader = reader_of(node)
        reader._scan._page = 2
        with pytest.raises(NodeUnavailable):
            await reader.book()
        assert addresses(await reader.book()) == [0xA, 0xB, 0xC, *range(0x100, 0x105)]

    asyncio.run(read())


def test_what_others_emit_makes_no_account(node: FakeNode) -> None:
    nameless = {"from_address": hex(CLEARINGHOUSE), "keys": [], "data": []}
    node.mine(foreign=[event("Deposited", 0x666, by=STRANGER), nameless, event("OrderCancelled", 0x777, 1)])
    assert addresses(book_of(node)) == [0xA, 0xB, 0xC]


def test_events_that_cannot_be_right_are_named(node: FakeNode) -> None:
    node.mine(event("FillSettled", 0, 0xA))
    with pytest.raises(BadEvents, match="3 keys"):
        book_of(node)
    node.roll_back(2)
    node.page_token = lambda start: "0x"
    reader = reader_of(node)
    reader._scan._page = 1
    with pytest.raises(BadEvents, match="twice"):
        asyncio.run(reader.book())


def test_a_broken_seal_costs_its_market_and_not_the_book(node: FakeNode) -> None:
    node.broken = {2}
    book = book_of(node)
    assert (book.markets[0].valid, book.markets[0].broken) == (True, False)
    assert (book.markets[2].valid, book.markets[2].broken) == (False, True)
    assert addresses(book) == [0xA, 0xB, 0xC]


def test_a_market_that_came_back_is_in_grace_for_as_long_as_the_venue_says(node: FakeNode) -> None:
    # The newest block is of second 102, and grace lasts 60.
    for since, grace in ((0, False), (42, False), (43, True), (102, True)):
        node.markets[0].valid_since = since
        assert book_of(node).markets[0].in_grace is grace


def test_a_view_that_reverts_is_named_with_its_reason(node: FakeNode) -> None:
    node.revert["marks"] = f'["{short_string("FUNDING: broken"):#x}"]'
    with pytest.raises(VenueUnreadable, match=r"Oracle.marks\(5\) fails at block 2.*FUNDING: broken"):
        book_of(node)


def test_a_position_in_a_market_that_is_not_listed_is_an_error(node: FakeNode) -> None:
    node.markets[2].listed = False
    with pytest.raises(VenueUnreadable, match="market 2, which is not listed"):
        book_of(node)


def test_an_account_that_is_not_a_contract_of_the_venue_is_an_error(node: FakeNode) -> None:
    reader = VenueReader(node, oracle=CLEARINGHOUSE, clearinghouse=CLEARINGHOUSE)
    with pytest.raises(VenueUnreadable, match="market_count"):
        asyncio.run(reader.book())


def test_a_receipt_says_what_became_of_each_request(node: FakeNode) -> None:
    refused = event("LiquidationRefused", 0xB, 2, data=[short_string("LIQ: healthy")])
    garbled = event("LiquidationRefused", 0xC, 2, data=[2**250])
    receipt = {
        "events": [
            event("Transfer", 1, 2, by=STRANGER),
            event("Liquidated", 0xBAD, 0, 1, data=range(15), by=STRANGER),
            liquidated(0xA, 0, 0xD, -3),
            refused,
            event("FillSettled", 0, 1, 2),
            garbled,
        ]
    }
    assert list(reader_of(node).outcomes(receipt)) == [
        Liquidated(0xA, 0, -3),
        LiquidationRefused(0xB, 2, "LIQ: healthy"),
        LiquidationRefused(0xC, 2, hex(2**250)),
    ]
    assert selector("Liquidated") != selector("LiquidationRefused")
