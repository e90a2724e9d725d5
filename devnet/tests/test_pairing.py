"""The in-process gateway against an operator that settles as told: acks, batches, refusals, whose fault it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from truemark.abi import Abi
from truemark.deployment import ContractInfo, Deployment, MarketInfo
from truemark.felt import PRIME, selector, short_string
from truemark.gateway import FillState, OrderRejected, OrderState, UnknownOrder
from truemark.keys import StarkKey
from truemark.orders import Order, SignedOrder
from truemark.risk import NO_TIERS
from truemark.rpc import NodeUnavailable
from truemark.transactions import Call
from truemark_devnet.order_facts import OrderFacts
from truemark_devnet.pairing import GatewayClosed, PairingGateway
from truemark_keeper.slots import Outcome, TransactionRefused

CHAIN = short_string("TRUEMARK_TEST")
VENUE, NOW = 0xC1EA, 1_000
ALICE, BOB, CARL = 0xA11CE, 0xB0B, 0xCA21
KEYS = {ALICE: StarkKey.from_private(11), BOB: StarkKey.from_private(12), CARL: StarkKey.from_private(13)}
ABI = Abi.load("Clearinghouse")
Verdict = Callable[[dict[str, Any]], str | None]


def deployment() -> Deployment:
    return Deployment(
        name="test",
        profile="test",
        l2_rpc="",
        l1_rpc="",
        l2_chain_id=CHAIN,
        l1_chain_id=1,
        contracts={"Clearinghouse": ContractInfo(VENUE, 1)},
        classes={},
        l1={},
        fee_token=1,
        account_class_hash=1,
        faucet=False,
        operators={},
        markets={"BTC-USD-PERP": MarketInfo(3, 10, 100, 0, 3, NO_TIERS)},
        vault_lock_secs=0,
    )


class Facts:
    """A chain on which every order is good, but for what a test changes."""

    def __init__(self) -> None:
        self.base = OrderFacts(now=NOW, epoch=0, account_epoch=0, key_expiry=NOW + 9, filled=0, position=0)
        self.of_account: dict[int, OrderFacts] = {}
        self.fails = False

    async def of(self, signed: SignedOrder, order_hash: int, market: int) -> OrderFacts:
        await asyncio.sleep(0)
        if self.fails:
            raise NodeUnavailable("gone")
        assert market == 3
        return self.of_account.get(signed.order.account, self.base)


class Operator:
    """Settles what `verdict` has no word against."""

    def __init__(self) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self.verdict: Verdict = lambda fill: None
        self.reverts: str | None = None
        self.raises: Exception | None = None
        self.swaps_hashes = False

    async def execute(self, calls: Sequence[Call], timeout: float | None = None) -> Outcome:
        await asyncio.sleep(0)
        (call,) = calls
        assert (call.to, call.selector) == (VENUE, selector("settle"))
        fills = ABI.decode_call(call.selector, call.calldata).arguments["fills"]
        self.batches.append(fills)
        if self.raises is not None:
            raise self.raises
        events = [] if self.reverts else [self._event(index, fill) for index, fill in enumerate(fills)]
        receipt = {
            "type": "INVOKE",
            "transaction_hash": "0x7",
            "actual_fee": {"amount": "0x1", "unit": "FRI"},
            "execution_status": "REVERTED" if self.reverts else "SUCCEEDED",
            "revert_reason": self.reverts,
            "finality_status": "ACCEPTED_ON_L2",
            "block_hash": "0x1",
            "block_number": 1,
            "messages_sent": [],
            "events": [{"from_address": "0x1", "keys": ["0x5"], "data": []}, *events],
            "execution_resources": {"l1_gas": 0, "l1_data_gas": 0, "l2_gas": 0},
        }
        return Outcome(7, 0, (7,), 1, self.reverts, receipt)

    def _event(self, index: int, fill: dict[str, Any]) -> dict[str, Any]:
        orders = [fill[side]["order"] for side in ("maker", "taker")]
        hashes = [Order.from_abi(order).hash(CHAIN) for order in orders]
        if self.swaps_hashes:
            hashes.reverse()
        reason = self.verdict(fill)
        if reason is not None:
            keys, data = [selector("FillRefused"), index], [short_string(reason), *hashes]
        else:
            keys = [selector("FillSettled"), 3, *(order["account"] for order in orders)]
            data = [*hashes, orders[1]["is_buy"], fill["size"], fill["price"], fill["price"]]
            sign = 1 if orders[1]["is_buy"] else -1
            data += [-sign * fill["size"] % PRIME, sign * fill["size"] % PRIME, 0, 30, 0, -5 % PRIME, 0]
        return {
            "from_address": hex(VENUE),
            "keys": [hex(int(key)) for key in keys],
            "data": [hex(int(felt)) for felt in data],
        }


def order(account: int, is_buy: bool, price: int, size: int, **changes: Any) -> SignedOrder:
    made = Order(
        venue=VENUE,
        account=account,
        epoch=0,
        account_epoch=0,
        market="BTC-USD-PERP",
        is_buy=is_buy,
        size=size,
        limit_price=price,
        max_fee_bps=3,
        reduce_only=False,
        post_only=False,
        expiry=NOW + 100,
        salt=1,
    )
    made = replace(made, **changes)
    key = KEYS[account]
    return SignedOrder(made, key.public_key, *key.sign(made.hash(CHAIN)))


def hash_of(signed: SignedOrder) -> int:
    return signed.order.hash(CHAIN)


@pytest.fixture
def operator() -> Operator:
    return Operator()


@pytest.fixture
def facts() -> Facts:
    return Facts()


@pytest.fixture
async def gateway(operator: Operator, facts: Facts) -> AsyncIterator[PairingGateway]:
    async with PairingGateway(deployment(), operator, facts, batch_size=3, linger=0.01) as made:
        yield made


async def test_two_orders_that_cross_settle_at_the_price_of_the_one_that_rested(gateway: PairingGateway) -> None:
    maker, taker = order(ALICE, False, 1_000, 100), order(BOB, True, 1_200, 60)
    resting = await gateway.submit(maker)
    assert (resting.state, resting.open, resting.signed) == (OrderState.OPEN, Decimal("0.000001"), maker)
    matched = await gateway.submit(taker)
    assert (matched.state, matched.matched, matched.open) == (OrderState.MATCHED, Decimal("0.0000006"), 0)
    done = await gateway.settled(hash_of(taker), 5)
    assert (done.state, done.filled, done.matched) == (OrderState.FILLED, Decimal("0.0000006"), 0)
    left = await gateway.order(hash_of(maker))
    assert (left.state, left.open, left.filled) == (OrderState.OPEN, Decimal("0.0000004"), Decimal("0.0000006"))
    (of_bob,) = await gateway.fills(BOB)
    assert (of_bob.state, of_bob.is_maker, of_bob.price) == (FillState.SETTLED, False, Decimal("0.00001"))
    assert (of_bob.fee, of_bob.funding, of_bob.position) == (
        Decimal("0.00003"),
        Decimal("-0.000005"),
        Decimal("0.0000006"),
    )
    (of_alice,) = await gateway.fills(ALICE)
    assert (of_alice.is_maker, of_alice.fee, of_alice.position) == (True, 0, Decimal("-0.0000006"))


async def test_matches_that_come_together_settle_together_and_no_batch_is_too_long(
    gateway: PairingGateway, operator: Operator
) -> None:
    for salt in range(5):
        await gateway.submit(order(ALICE, False, 1_000, 10, salt=salt))
    await gateway.submit(order(BOB, True, 1_000, 50))
    await gateway.flush()
    assert [len(batch) for batch in operator.batches] == [3, 2]
    assert len(await gateway.fills(BOB)) == 5


async def test_the_same_order_again_is_answered_and_not_taken_twice(gateway: PairingGateway) -> None:
    signed = order(ALICE, False, 1_000, 100)
    first, second = await asyncio.gather(gateway.submit(signed), gateway.submit(signed))
    assert first == second
    await gateway.submit(order(BOB, True, 1_000, 100))
    await gateway.flush()
    assert (await gateway.submit(signed)).state is OrderState.FILLED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"venue": 0xBAD}, "it is for the venue"),
        ({"market": "ETH-USD-PERP"}, "no market ETH-USD-PERP"),
        ({"size": 15}, "whole number of lots"),
        ({"size": 0}, "whole number of lots"),
        ({"limit_price": 150}, "off the tick"),
        ({"max_fee_bps": 2}, "below the market's fee"),
        ({"epoch": 1}, "of epoch 1, the venue is in 0"),
        ({"account_epoch": 1}, "account epoch 1"),
        ({"expiry": NOW}, "expired"),
        ({"reduce_only": True}, "reduce-only"),
    ],
)
async def test_what_the_chain_would_refuse_is_rejected_with_the_reason(
    gateway: PairingGateway, changes: dict[str, Any], reason: str
) -> None:
    signed = order(ALICE, True, 1_000, **{"size": 10, **changes})
    with pytest.raises(OrderRejected, match=reason) as refused:
        await gateway.submit(signed)
    assert refused.value.order_hash == hash_of(signed)
    with pytest.raises(UnknownOrder):
        await gateway.order(hash_of(signed))


async def test_a_wrong_signature_and_an_unregistered_key_are_rejected(gateway: PairingGateway, facts: Facts) -> None:
    good = order(ALICE, True, 1_000, 10)
    with pytest.raises(OrderRejected, match="wrong signature"):
        await gateway.submit(replace(good, s=good.s + 1))
    facts.of_account[ALICE] = replace(facts.base, key_expiry=NOW)
    with pytest.raises(OrderRejected, match="has not registered"):
        await gateway.submit(good)
    facts.of_account[ALICE] = replace(facts.base, filled=10)
    with pytest.raises(OrderRejected, match="filled or cancelled"):
        await gateway.submit(good)


async def test_what_settled_before_the_gateway_lived_does_not_rest_again(gateway: PairingGateway, facts: Facts) -> None:
    facts.of_account[ALICE] = replace(facts.base, filled=70)
    ack = await gateway.submit(order(ALICE, True, 1_000, 100))
    assert (ack.open, ack.filled) == (Decimal("0.0000003"), Decimal("0.0000007"))


async def test_self_trades_and_post_only_takers_are_rejected(gateway: PairingGateway) -> None:
    await gateway.submit(order(ALICE, False, 1_000, 10))
    with pytest.raises(OrderRejected, match="own account"):
        await gateway.submit(order(ALICE, True, 1_000, 10))
    with pytest.raises(OrderRejected, match="post-only"):
        await gateway.submit(order(BOB, True, 1_000, 10, post_only=True))


async def test_a_buyer_without_margin_is_busted_and_the_sellers_order_rests_as_before(
    gateway: PairingGateway, operator: Operator
) -> None:
    operator.verdict = lambda fill: "MARGIN: buyer"
    maker, taker = order(ALICE, False, 1_000, 100), order(BOB, True, 1_000, 100)
    await gateway.submit(maker)
    await gateway.submit(order(CARL, False, 1_000, 100))
    await gateway.submit(taker)
    busted = await gateway.settled(hash_of(taker), 5)
    assert (busted.state, busted.reason, busted.filled) == (OrderState.BUSTED, "MARGIN: buyer", 0)
    back = await gateway.order(hash_of(maker))
    assert (back.state, back.open, back.reason) == (OrderState.OPEN, Decimal("0.000001"), None)
    for account in (ALICE, BOB):
        (fill,) = await gateway.fills(account)
        assert (fill.state, fill.reason, fill.position) == (FillState.REFUSED, "MARGIN: buyer", None)
    # It kept its place in time before Carl's.
    operator.verdict = lambda fill: None
    await gateway.submit(order(BOB, True, 1_000, 100, salt=2))
    await gateway.flush()
    assert (await gateway.order(hash_of(maker))).state is OrderState.FILLED
    assert await gateway.fills(CARL) == ()


async def test_where_the_chains_words_do_not_tell_the_order_that_went_bad_is_found(
    gateway: PairingGateway, operator: Operator, facts: Facts
) -> None:
    operator.verdict = lambda fill: "ORDER: no such trading key"
    maker, taker = order(ALICE, False, 1_000, 100), order(BOB, True, 1_000, 40)
    await gateway.submit(maker)
    await gateway.submit(taker)
    facts.of_account[ALICE] = replace(facts.base, key_expiry=0)
    await gateway.flush()
    assert (await gateway.order(hash_of(maker))).state is OrderState.BUSTED
    assert (await gateway.order(hash_of(taker))).state is OrderState.OPEN


async def test_where_nobody_is_at_fault_the_pair_does_not_meet_again(
    gateway: PairingGateway, operator: Operator, facts: Facts
) -> None:
    operator.verdict = lambda fill: "FILL: outside the band"
    maker, taker = order(ALICE, False, 1_000, 100), order(BOB, True, 1_000, 40)
    await gateway.submit(maker)
    await gateway.submit(taker)
    facts.fails = True
    await gateway.flush()
    assert len(operator.batches) == 1
    for signed in (maker, taker):
        ack = await gateway.order(hash_of(signed))
        assert (ack.state, ack.reason, ack.open) == (OrderState.BUSTED, "FILL: outside the band", 0)


async def test_a_batch_that_reverts_busts_all_of_it_with_the_contracts_words(
    gateway: PairingGateway, operator: Operator
) -> None:
    operator.reverts = (
        "Error in contract: Execution failed. Failure reason: 0x4d4f44453a2068616c746564 ('MODE: halted')."
    )
    await gateway.submit(order(ALICE, False, 1_000, 10))
    await gateway.submit(order(BOB, True, 1_000, 10))
    await gateway.flush()
    (fill,) = await gateway.fills(BOB)
    assert (fill.state, fill.reason, fill.tx_hash) == (FillState.REFUSED, "MODE: halted", 7)


async def test_a_settlement_without_outcome_says_so(gateway: PairingGateway, operator: Operator) -> None:
    operator.raises = NodeUnavailable("gone")
    await gateway.submit(order(ALICE, False, 1_000, 10))
    await gateway.submit(order(BOB, True, 1_000, 10))
    await gateway.flush()
    (fill,) = await gateway.fills(ALICE)
    assert fill.state is FillState.UNKNOWN
    assert fill.reason is not None
    assert "gone" in fill.reason
    operator.raises = TransactionRefused(55, "no")
    await gateway.submit(order(ALICE, False, 1_000, 10, salt=2))
    await gateway.submit(order(BOB, True, 1_000, 10, salt=2))
    await gateway.flush()
    assert (await gateway.fills(ALICE))[1].state is FillState.REFUSED


async def test_events_of_other_orders_are_not_taken_for_an_answer(gateway: PairingGateway, operator: Operator) -> None:
    operator.swaps_hashes = True
    await gateway.submit(order(ALICE, False, 1_000, 10))
    await gateway.submit(order(BOB, True, 1_000, 10))
    await gateway.flush()
    assert (await gateway.fills(ALICE))[0].state is FillState.UNKNOWN


async def test_a_cancelled_order_never_comes_back(gateway: PairingGateway, operator: Operator) -> None:
    operator.verdict = lambda fill: "MARGIN: buyer"
    maker = order(ALICE, False, 1_000, 100)
    await gateway.submit(maker)
    await gateway.submit(order(BOB, True, 1_000, 100))
    assert (await gateway.cancel(hash_of(maker))).state is OrderState.CANCELLED
    await gateway.flush()
    ack = await gateway.order(hash_of(maker))
    assert (ack.state, ack.open, ack.matched) == (OrderState.CANCELLED, 0, 0)
    operator.verdict = lambda fill: None
    await gateway.submit(order(CARL, True, 1_000, 100))
    await gateway.flush()
    assert len(operator.batches) == 1


async def test_what_was_matched_before_a_cancel_can_still_fill_it(gateway: PairingGateway) -> None:
    maker = order(ALICE, False, 1_000, 100)
    await gateway.submit(maker)
    await gateway.submit(order(BOB, True, 1_000, 100))
    assert [ack.order_hash for ack in await gateway.cancel_all(ALICE)] == [hash_of(maker)]
    await gateway.flush()
    assert (await gateway.order(hash_of(maker))).state is OrderState.FILLED
    assert await gateway.cancel_all(ALICE) == []


async def test_an_expired_order_is_taken_off_when_the_next_one_comes(gateway: PairingGateway, facts: Facts) -> None:
    maker = order(ALICE, False, 1_000, 100)
    await gateway.submit(maker)
    facts.base = replace(facts.base, now=NOW + 100, key_expiry=NOW + 900)
    ack = await gateway.submit(order(BOB, True, 1_000, 100, expiry=NOW + 200))
    assert (ack.state, ack.matched) == (OrderState.OPEN, 0)
    assert (await gateway.order(hash_of(maker))).state is OrderState.EXPIRED


async def test_closing_settles_what_is_matched_and_takes_no_more(operator: Operator, facts: Facts) -> None:
    gateway = PairingGateway(deployment(), operator, facts, linger=30)
    with pytest.raises(GatewayClosed, match="not started"):
        await gateway.submit(order(ALICE, False, 1_000, 10))
    async with gateway:
        await gateway.submit(order(ALICE, False, 1_000, 10))
        await gateway.submit(order(BOB, True, 1_000, 10))
    assert (await gateway.fills(BOB))[0].settled
    with pytest.raises(GatewayClosed, match="closed"):
        await gateway.submit(order(ALICE, False, 1_000, 10, salt=2))


async def test_a_fault_of_the_gateway_itself_leaves_nobody_waiting(operator: Operator, facts: Facts) -> None:
    operator.raises = KeyError("a bug")
    async with PairingGateway(deployment(), operator, facts) as gateway:
        await gateway.submit(order(ALICE, False, 1_000, 10))
        taker = order(BOB, True, 1_000, 10)
        await gateway.submit(taker)
        with pytest.raises(GatewayClosed, match="a bug"):
            await gateway.settled(hash_of(taker), 5)
        with pytest.raises(GatewayClosed, match="a bug"):
            await gateway.flush()
