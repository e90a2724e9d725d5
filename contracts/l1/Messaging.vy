# pragma version 0.4.3
"""
@title Starknet messaging for a local appchain
@license Apache-2.0
@notice The messaging part of the Starknet core contract, with the names and message hashes of the real one. What a
        proof does there is done here by the owner, the account that carries the messages: it registers messages
        from L2 and marks messages to L2 as consumed. A consumed message is cleared, so it can no longer be cancelled.
"""

MAX_PAYLOAD: constant(uint256) = 64
MAX_FEE: constant(uint256) = 10**18

event LogMessageToL2:
    fromAddress: indexed(address)
    toAddress: indexed(uint256)
    selector: indexed(uint256)
    payload: DynArray[uint256, MAX_PAYLOAD]
    nonce: uint256
    fee: uint256

event ConsumedMessageToL2:
    fromAddress: indexed(address)
    toAddress: indexed(uint256)
    selector: indexed(uint256)
    payload: DynArray[uint256, MAX_PAYLOAD]
    nonce: uint256

event MessageToL2CancellationStarted:
    fromAddress: indexed(address)
    toAddress: indexed(uint256)
    selector: indexed(uint256)
    payload: DynArray[uint256, MAX_PAYLOAD]
    nonce: uint256

event MessageToL2Canceled:
    fromAddress: indexed(address)
    toAddress: indexed(uint256)
    selector: indexed(uint256)
    payload: DynArray[uint256, MAX_PAYLOAD]
    nonce: uint256

event LogMessageToL1:
    fromAddress: indexed(uint256)
    toAddress: indexed(address)
    payload: DynArray[uint256, MAX_PAYLOAD]

event ConsumedMessageToL1:
    fromAddress: indexed(uint256)
    toAddress: indexed(address)
    payload: DynArray[uint256, MAX_PAYLOAD]

# Who plays the proof.
owner: public(immutable(address))
messageCancellationDelay: public(immutable(uint256))

l1ToL2MessageNonce: public(uint256)
# Fee + 1 of a message that waits; 0: never sent, consumed or cancelled.
l1ToL2Messages: public(HashMap[bytes32, uint256])
# When the cancellation of a message was started.
l1ToL2MessageCancellations: public(HashMap[bytes32, uint256])
# How often a message from L2 can still be consumed.
l2ToL1Messages: public(HashMap[bytes32, uint256])
# Messages to L2 that were delivered.
consumed: public(HashMap[bytes32, bool])


@deploy
def __init__(owner_: address, cancellation_delay: uint256):
    """
    @param owner_ The account that carries the messages.
    @param cancellation_delay Seconds between the start of a cancellation and its end.
    """
    assert owner_ != empty(address), "MESSAGING: zero owner"
    owner = owner_
    messageCancellationDelay = cancellation_delay


@external
@pure
def getMaxL1MsgFee() -> uint256:
    return MAX_FEE


@external
@payable
def sendMessageToL2(
    toAddress: uint256, selector: uint256, payload: DynArray[uint256, MAX_PAYLOAD]
) -> (bytes32, uint256):
    """
    @notice Sends a message; the value is its fee.
    @return The message's hash and its nonce.
    """
    assert msg.value > 0 and msg.value <= MAX_FEE, "MESSAGING: bad fee"
    nonce: uint256 = self.l1ToL2MessageNonce
    self.l1ToL2MessageNonce = nonce + 1
    message: bytes32 = self._hash_to_l2(msg.sender, toAddress, selector, payload, nonce)
    self.l1ToL2Messages[message] = msg.value + 1
    log LogMessageToL2(
        fromAddress=msg.sender, toAddress=toAddress, selector=selector, payload=payload, nonce=nonce, fee=msg.value
    )
    return message, nonce


@external
def consumeMessageFromL2(fromAddress: uint256, payload: DynArray[uint256, MAX_PAYLOAD]) -> bytes32:
    """
    @notice Consumes a message that L2 sent to the caller.
    """
    return self._consume_from_l2(fromAddress, msg.sender, payload)


@external
def startL1ToL2MessageCancellation(
    toAddress: uint256, selector: uint256, payload: DynArray[uint256, MAX_PAYLOAD], nonce: uint256
) -> bytes32:
    """
    @notice The message's sender only: the hash holds it.
    """
    message: bytes32 = self._hash_to_l2(msg.sender, toAddress, selector, payload, nonce)
    assert self.l1ToL2Messages[message] != 0, "MESSAGING: no such message to L2"
    self.l1ToL2MessageCancellations[message] = block.timestamp
    log MessageToL2CancellationStarted(
        fromAddress=msg.sender, toAddress=toAddress, selector=selector, payload=payload, nonce=nonce
    )
    return message


@external
def cancelL1ToL2Message(
    toAddress: uint256, selector: uint256, payload: DynArray[uint256, MAX_PAYLOAD], nonce: uint256
) -> bytes32:
    """
    @notice The message's sender only, after the delay, if the message was not consumed in the meantime.
    """
    message: bytes32 = self._hash_to_l2(msg.sender, toAddress, selector, payload, nonce)
    assert self.l1ToL2Messages[message] != 0, "MESSAGING: no such message to L2"
    started: uint256 = self.l1ToL2MessageCancellations[message]
    assert started != 0, "MESSAGING: cancellation not started"
    assert block.timestamp >= started + messageCancellationDelay, "MESSAGING: cancellation delay not over"
    self.l1ToL2Messages[message] = 0
    log MessageToL2Canceled(
        fromAddress=msg.sender, toAddress=toAddress, selector=selector, payload=payload, nonce=nonce
    )
    return message


@external
def mockSendMessageFromL2(fromAddress: uint256, toAddress: uint256, payload: DynArray[uint256, MAX_PAYLOAD]):
    """
    @notice Owner: a message that an L2 block sent.
    """
    self._only_owner()
    recipient: address = self._address(toAddress)
    self.l2ToL1Messages[self._hash_from_l2(fromAddress, recipient, payload)] += 1
    log LogMessageToL1(fromAddress=fromAddress, toAddress=recipient, payload=payload)


@external
def mockConsumeMessageFromL2(fromAddress: uint256, toAddress: uint256, payload: DynArray[uint256, MAX_PAYLOAD]):
    """
    @notice Owner: consumes a message from L2 in the name of its recipient.
    """
    self._only_owner()
    self._consume_from_l2(fromAddress, self._address(toAddress), payload)


@external
def mockConsumeMessageToL2(
    fromAddress: uint256,
    toAddress: uint256,
    selector: uint256,
    payload: DynArray[uint256, MAX_PAYLOAD],
    nonce: uint256,
):
    """
    @notice Owner: a message to L2 that was delivered. From here on it cannot be cancelled.
    """
    self._only_owner()
    sender: address = self._address(fromAddress)
    message: bytes32 = self._hash_to_l2(sender, toAddress, selector, payload, nonce)
    assert self.l1ToL2Messages[message] != 0, "MESSAGING: no such message to L2"
    self.l1ToL2Messages[message] = 0
    self.consumed[message] = True
    log ConsumedMessageToL2(
        fromAddress=sender, toAddress=toAddress, selector=selector, payload=payload, nonce=nonce
    )


@internal
def _consume_from_l2(from_address: uint256, to: address, payload: DynArray[uint256, MAX_PAYLOAD]) -> bytes32:
    message: bytes32 = self._hash_from_l2(from_address, to, payload)
    left: uint256 = self.l2ToL1Messages[message]
    assert left != 0, "MESSAGING: no such message from L2"
    self.l2ToL1Messages[message] = left - 1
    log ConsumedMessageToL1(fromAddress=from_address, toAddress=to, payload=payload)
    return message


@internal
@view
def _only_owner():
    assert msg.sender == owner, "MESSAGING: not the owner"


@internal
@pure
def _address(word: uint256) -> address:
    assert word < 2**160, "MESSAGING: not an L1 address"
    return convert(word, address)


# The hashes are keccak256 over packed 32-byte words, as the Starknet core has them. The encoding of a bare dynamic
# array is its length followed by its words.


@internal
@pure
def _hash_to_l2(
    sender: address, to: uint256, selector: uint256, payload: DynArray[uint256, MAX_PAYLOAD], nonce: uint256
) -> bytes32:
    return keccak256(
        concat(
            convert(sender, bytes32),
            convert(to, bytes32),
            convert(nonce, bytes32),
            convert(selector, bytes32),
            abi_encode(payload, ensure_tuple=False),
        )
    )


@internal
@pure
def _hash_from_l2(from_address: uint256, to: address, payload: DynArray[uint256, MAX_PAYLOAD]) -> bytes32:
    return keccak256(
        concat(
            convert(from_address, bytes32),
            convert(to, bytes32),
            abi_encode(payload, ensure_tuple=False),
        )
    )
