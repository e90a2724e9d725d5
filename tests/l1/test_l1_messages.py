"""The messaging contract: the hashes and layouts of Starknet's, who plays the proof, what is consumed once."""

from __future__ import annotations

import pytest
from eth_utils import keccak

from tests.l1.side import (
    DELAY,
    FEE,
    L1,
    L2_BRIDGE,
    L2_RECIPIENT,
    MARGIN,
    SOURCE,
    USDC,
    ZERO_ADDRESS,
    deploy,
    events,
    hash_from_l2,
    hash_to_l2,
    reverts,
    selector,
    source_of,
)

pytestmark = pytest.mark.node


def test_the_message_hashes_are_those_of_starknet() -> None:
    # A message of the Goerli test network, and its hash there.
    payload = [0x689EAD7D814E51ED93644BC145F0754839B8DCB340027CE0C30953F38F55D7, 0x2C68AF0BB140000, 0]
    sender = 0xC3511006C04EF1D78AF4C8E0E74EC18A6E64FF9E
    to = 0x73314940630FD6DCDA0D772D4C972C4E0A9946BEF9DABF4EF84EDA8EF542B82
    entry = 0x2D757788A8D8D6F21D1CD40BCE38A8222D70654214E96FF95D8086E684FBEE5
    expected = "c51a543ef9563ad2545342b390b67edfcddf9886aa36846cf70382362fc5fab3"
    assert hash_to_l2(sender, to, entry, payload, 775_628).hex() == expected


def test_the_event_is_the_one_that_the_postman_filters_for(l1: L1) -> None:
    receipt = l1.send(l1.messaging.functions.sendMessageToL2(7, 8, [9, 10]), l1.alice, FEE)
    (log,) = receipt["logs"]
    words = [int(word.hex(), 16) for word in log["topics"]]
    assert words[0] == int.from_bytes(keccak(text="LogMessageToL2(address,uint256,uint256,uint256[],uint256,uint256)"))
    assert words[1:] == [int(l1.alice, 16), 7, 8]
    data = bytes(log["data"])
    assert [int.from_bytes(data[at : at + 32]) for at in range(0, len(data), 32)] == [0x60, 0, FEE, 2, 9, 10]


@pytest.mark.parametrize("payload", [[], [1], [2**255, 0, 3], list(range(64))])
def test_a_message_to_l2_is_kept_under_its_hash(l1: L1, payload: list[int]) -> None:
    functions = l1.messaging.functions
    l1.send(functions.sendMessageToL2(7, 8, payload), l1.alice, FEE)
    l1.send(functions.sendMessageToL2(7, 8, payload), l1.alice, FEE + 1)
    for nonce in (0, 1):
        message = hash_to_l2(int(l1.alice, 16), 7, 8, payload, nonce)
        assert functions.l1ToL2Messages(message).call() == FEE + nonce + 1
    assert functions.l1ToL2MessageNonce().call() == 2


def test_the_bridge_knows_the_hashes_of_its_messages(l1: L1) -> None:
    nonce = l1.deposit(5 * USDC)
    token, bridge, alice = (int(a, 16) for a in (l1.token.address, l1.bridge.address, l1.alice))
    payload = [token, alice, MARGIN, L2_RECIPIENT, 5 * USDC]
    functions = l1.bridge.functions
    told = functions.deposit_message_hash(l1.alice, MARGIN, L2_RECIPIENT, 5 * USDC, nonce).call()
    assert told == hash_to_l2(bridge, L2_BRIDGE, selector("handle_deposit"), payload, nonce)
    told = functions.withdrawal_message_hash(l1.alice, 7, 3, 4, SOURCE).call()
    assert told == hash_from_l2(L2_BRIDGE, bridge, [token, alice, 7, 3, 4, SOURCE])


@pytest.mark.parametrize("fee", [0, 10**18 + 1])
def test_a_message_needs_a_fee_within_bounds(l1: L1, fee: int) -> None:
    with reverts("MESSAGING: bad fee"):
        l1.send(l1.messaging.functions.sendMessageToL2(7, 8, []), l1.alice, fee)
    assert l1.messaging.functions.getMaxL1MsgFee().call() == 10**18


def test_a_message_from_l2_is_consumed_as_often_as_it_was_sent(l1: L1) -> None:
    functions = l1.messaging.functions
    for _ in range(2):
        l1.send(functions.mockSendMessageFromL2(5, int(l1.alice, 16), [1, 2]), l1.owner)
    message = hash_from_l2(5, int(l1.alice, 16), [1, 2])
    assert functions.l2ToL1Messages(message).call() == 2
    l1.send(functions.consumeMessageFromL2(5, [1, 2]), l1.alice)
    l1.send(functions.mockConsumeMessageFromL2(5, int(l1.alice, 16), [1, 2]), l1.owner)
    with reverts("MESSAGING: no such message from L2"):
        l1.send(functions.consumeMessageFromL2(5, [1, 2]), l1.alice)


def test_only_its_recipient_consumes_a_message_from_l2(l1: L1) -> None:
    l1.send(l1.messaging.functions.mockSendMessageFromL2(5, int(l1.alice, 16), [1]), l1.owner)
    with reverts("MESSAGING: no such message from L2"):
        l1.send(l1.messaging.functions.consumeMessageFromL2(5, [1]), l1.bob)


def test_only_the_owner_plays_the_proof(l1: L1) -> None:
    functions = l1.messaging.functions
    calls = (
        functions.mockSendMessageFromL2(5, 6, []),
        functions.mockConsumeMessageFromL2(5, 6, []),
        functions.mockConsumeMessageToL2(5, 6, 7, [], 0),
    )
    for call in calls:
        with reverts("MESSAGING: not the owner"):
            l1.send(call, l1.alice)


def test_a_mock_message_names_an_l1_address(l1: L1) -> None:
    functions = l1.messaging.functions
    calls = (
        functions.mockSendMessageFromL2(5, 2**160, []),
        functions.mockConsumeMessageFromL2(5, 2**160, []),
        functions.mockConsumeMessageToL2(2**160, 6, 7, [], 0),
    )
    for call in calls:
        with reverts("MESSAGING: not an L1 address"):
            l1.send(call, l1.owner)


def test_a_message_to_l2_is_consumed_once(l1: L1) -> None:
    functions = l1.messaging.functions
    l1.send(functions.sendMessageToL2(7, 8, [9]), l1.alice, FEE)
    call = functions.mockConsumeMessageToL2(int(l1.alice, 16), 7, 8, [9], 0)
    l1.send(call, l1.owner)
    message = hash_to_l2(int(l1.alice, 16), 7, 8, [9], 0)
    assert functions.consumed(message).call() is True
    assert functions.l1ToL2Messages(message).call() == 0
    with reverts("MESSAGING: no such message to L2"):
        l1.send(call, l1.owner)


def test_only_its_sender_cancels_a_message(l1: L1) -> None:
    functions = l1.messaging.functions
    l1.send(functions.sendMessageToL2(7, 8, [9]), l1.alice, FEE)
    with reverts("MESSAGING: no such message to L2"):
        l1.send(functions.startL1ToL2MessageCancellation(7, 8, [9], 0), l1.bob)
    l1.send(functions.startL1ToL2MessageCancellation(7, 8, [9], 0), l1.alice)
    l1.later(DELAY)
    with reverts("MESSAGING: no such message to L2"):
        l1.send(functions.cancelL1ToL2Message(7, 8, [9], 0), l1.bob)
    receipt = l1.send(functions.cancelL1ToL2Message(7, 8, [9], 0), l1.alice)
    assert events(l1.messaging.events.MessageToL2Canceled, receipt)[0]["nonce"] == 0
    with reverts("MESSAGING: no such message to L2"):
        l1.send(functions.cancelL1ToL2Message(7, 8, [9], 0), l1.alice)


def test_the_messaging_contract_needs_an_owner(l1: L1) -> None:
    with reverts("MESSAGING: zero owner"):
        deploy(l1.w3, source_of("Messaging"), ZERO_ADDRESS, DELAY)
