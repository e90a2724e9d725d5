# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Collateral bridge, L1 side
@license Apache-2.0
@notice Locks collateral for L2 and pays what L2 released. Locked = L2 supply + deposits in flight + withdrawals not yet
        paid. It also counts the epochs of the appchain: no rollback of L2 can rewind it.
        Amounts are in the token's own unit, 1e-6 USD.
"""

from ethereum.ercs import IERC20

interface IMessaging:
    def sendMessageToL2(
        toAddress: uint256, selector: uint256, payload: DynArray[uint256, 5]
    ) -> (bytes32, uint256): payable
    def consumeMessageFromL2(fromAddress: uint256, payload: DynArray[uint256, 5]) -> bytes32: nonpayable
    def startL1ToL2MessageCancellation(
        toAddress: uint256, selector: uint256, payload: DynArray[uint256, 5], nonce: uint256
    ) -> bytes32: nonpayable
    def cancelL1ToL2Message(
        toAddress: uint256, selector: uint256, payload: DynArray[uint256, 5], nonce: uint256
    ) -> bytes32: nonpayable
    def l1ToL2Messages(message: bytes32) -> uint256: view
    def l2ToL1Messages(message: bytes32) -> uint256: view

event DepositSent:
    depositor: indexed(address)
    l2_recipient: indexed(uint256)
    nonce: indexed(uint256)
    destination: uint256
    amount: uint256
    message_hash: bytes32

event DepositCancelStarted:
    depositor: indexed(address)
    nonce: indexed(uint256)
    amount: uint256

event DepositReclaimed:
    depositor: indexed(address)
    nonce: indexed(uint256)
    amount: uint256

event WithdrawalPaid:
    recipient: indexed(address)
    epoch: indexed(uint256)
    counter: indexed(uint256)
    amount: uint256

event EpochAnnounced:
    epoch: indexed(uint256)
    nonce: uint256

event Connected:
    l2_bridge: indexed(uint256)

event LimitsChanged:
    max_locked: uint256
    max_deposit: uint256

event OwnerProposed:
    account: indexed(address)

event OwnerChanged:
    account: indexed(address)

# starknet_keccak of the handlers' names: keccak256 cut to 250 bits.
HANDLE_DEPOSIT: constant(uint256) = 1285101517810983806491589552491143496277809242732141897358598292095611420389
HANDLE_EPOCH: constant(uint256) = 818117104793111071206023625478944682810797244475002763855834594327887781142
# The destinations that L2 knows: 0 wallet, 1 margin account, 2 vault.
LAST_DESTINATION: constant(uint256) = 2
# Contract addresses of Starknet are below this.
ADDRESS_BOUND: constant(uint256) = 2**251 - 256
# Amounts are below this: a payment's record is recipient x AMOUNT_BOUND + amount, and L2 counts in 128 bits.
AMOUNT_BOUND: constant(uint256) = 2**96

messaging: public(immutable(IMessaging))
token: public(immutable(IERC20))

owner: public(address)
proposed_owner: public(address)
l2_bridge: public(uint256)
max_locked: public(uint256)
max_deposit: public(uint256)
# What L2, deposits in flight and withdrawals not yet paid have a claim on.
locked: public(uint256)
epoch: public(uint256)
# By the message's nonce; empty once reclaimed.
depositor_of: public(HashMap[uint256, address])
# By epoch and counter: recipient x AMOUNT_BOUND + amount; 0: not paid.
payments: HashMap[uint256, HashMap[uint256, uint256]]


@deploy
def __init__(messaging_: address, token_: address, max_locked_: uint256, max_deposit_: uint256):
    assert messaging_ != empty(address) and token_ != empty(address), "BRIDGE: zero address"
    messaging = IMessaging(messaging_)
    token = IERC20(token_)
    self.owner = msg.sender
    log OwnerChanged(account=msg.sender)
    self._set_limits(max_locked_, max_deposit_)


@external
@payable
def deposit(destination: uint256, l2_recipient: uint256, amount: uint256) -> uint256:
    """
    @notice Locks `amount` of the caller's tokens and tells L2. The value is the message's fee.
    @param destination 0 wallet, 1 margin account, 2 vault.
    @return The message's nonce: what a cancellation needs.
    """
    assert self.l2_bridge != 0, "BRIDGE: not connected"
    assert destination <= LAST_DESTINATION, "BRIDGE: bad destination"
    assert l2_recipient != 0 and l2_recipient < ADDRESS_BOUND, "BRIDGE: bad L2 recipient"
    assert amount != 0, "BRIDGE: amount is zero"
    assert amount <= self.max_deposit, "BRIDGE: above max_deposit"
    assert self.locked + amount <= self.max_locked, "BRIDGE: above max_locked"
    self.locked += amount

    # A token that keeps a fee of each transfer would leave less than L2 mints.
    before: uint256 = staticcall token.balanceOf(self)
    assert extcall token.transferFrom(
        msg.sender, self, amount, default_return_value=True
    ), "BRIDGE: token transfer failed"
    assert staticcall token.balanceOf(self) == before + amount, "BRIDGE: token transfer failed"

    message: bytes32 = empty(bytes32)
    nonce: uint256 = 0
    message, nonce = extcall messaging.sendMessageToL2(
        self.l2_bridge,
        HANDLE_DEPOSIT,
        self._deposit_payload(msg.sender, destination, l2_recipient, amount),
        value=msg.value,
    )
    self.depositor_of[nonce] = msg.sender
    log DepositSent(
        depositor=msg.sender,
        l2_recipient=l2_recipient,
        nonce=nonce,
        destination=destination,
        amount=amount,
        message_hash=message,
    )
    return nonce


@external
def withdraw(recipient: address, amount: uint256, epoch: uint256, counter: uint256):
    """
    @notice Pays what L2 released to `recipient`. Anyone may call it; once for each (epoch, counter).
    """
    assert recipient != empty(address), "BRIDGE: zero recipient"
    assert amount != 0 and amount < AMOUNT_BOUND, "BRIDGE: bad amount"
    assert self.payments[epoch][counter] == 0, "BRIDGE: already paid"
    self.payments[epoch][counter] = convert(recipient, uint256) * AMOUNT_BOUND + amount
    extcall messaging.consumeMessageFromL2(
        self.l2_bridge, self._withdrawal_payload(recipient, amount, epoch, counter)
    )
    assert self.locked >= amount, "BRIDGE: more than is locked"
    self.locked -= amount
    self._pay(recipient, amount)
    log WithdrawalPaid(recipient=recipient, epoch=epoch, counter=counter, amount=amount)


@external
def cancel_deposit(destination: uint256, l2_recipient: uint256, amount: uint256, nonce: uint256):
    """
    @notice The depositor, while the deposit was not consumed: starts the delay before `reclaim_deposit`.
    """
    assert msg.sender == self.depositor_of[nonce], "BRIDGE: not the depositor"
    extcall messaging.startL1ToL2MessageCancellation(
        self.l2_bridge,
        HANDLE_DEPOSIT,
        self._deposit_payload(msg.sender, destination, l2_recipient, amount),
        nonce,
    )
    log DepositCancelStarted(depositor=msg.sender, nonce=nonce, amount=amount)


@external
def reclaim_deposit(destination: uint256, l2_recipient: uint256, amount: uint256, nonce: uint256):
    """
    @notice The depositor, after the delay: the deposit back, if L2 has not consumed it.
    """
    assert msg.sender == self.depositor_of[nonce], "BRIDGE: not the depositor"
    self.depositor_of[nonce] = empty(address)
    extcall messaging.cancelL1ToL2Message(
        self.l2_bridge,
        HANDLE_DEPOSIT,
        self._deposit_payload(msg.sender, destination, l2_recipient, amount),
        nonce,
    )
    self.locked -= amount
    self._pay(msg.sender, amount)
    log DepositReclaimed(depositor=msg.sender, nonce=nonce, amount=amount)


@external
@payable
def new_epoch() -> uint256:
    """
    @notice Owner: the appchain was rolled back. Orders, reports and withdrawals of the epoch before end on L2 with the
            message that this sends. The value is the message's fee.
    @return The new epoch.
    """
    self._only_owner()
    assert self.l2_bridge != 0, "BRIDGE: not connected"
    new: uint256 = self.epoch + 1
    self.epoch = new
    message: bytes32 = empty(bytes32)
    nonce: uint256 = 0
    message, nonce = extcall messaging.sendMessageToL2(self.l2_bridge, HANDLE_EPOCH, [new], value=msg.value)
    log EpochAnnounced(epoch=new, nonce=nonce)
    return new


@external
def connect(l2_bridge: uint256):
    """
    @notice Owner, once: the bridge contract on L2.
    """
    self._only_owner()
    assert self.l2_bridge == 0, "BRIDGE: already connected"
    assert l2_bridge != 0 and l2_bridge < ADDRESS_BOUND, "BRIDGE: bad L2 address"
    self.l2_bridge = l2_bridge
    log Connected(l2_bridge=l2_bridge)


@external
def set_limits(max_locked: uint256, max_deposit: uint256):
    """
    @notice Owner: the most that may be locked in all and deposited at once. What is locked can always leave.
    """
    self._only_owner()
    self._set_limits(max_locked, max_deposit)


@external
def propose_owner(account: address):
    """
    @notice Owner. Takes effect when `account` calls `accept_owner`; the zero address takes a proposal back.
    """
    self._only_owner()
    self.proposed_owner = account
    log OwnerProposed(account=account)


@external
def accept_owner():
    assert msg.sender == self.proposed_owner, "BRIDGE: not the proposed owner"
    self.owner = msg.sender
    self.proposed_owner = empty(address)
    log OwnerChanged(account=msg.sender)


@external
@view
def paid(epoch: uint256, counter: uint256) -> bool:
    return self.payments[epoch][counter] != 0


@external
@view
def payment(epoch: uint256, counter: uint256) -> (address, uint256):
    """
    @return Recipient and amount of a withdrawal that was paid; zeros of one that was not.
    """
    record: uint256 = self.payments[epoch][counter]
    return convert(record // AMOUNT_BOUND, address), record % AMOUNT_BOUND


@external
@view
def claimable(recipient: address, amount: uint256, epoch: uint256, counter: uint256) -> bool:
    """
    @notice Whether `withdraw` with these arguments would pay.
    """
    if self.payments[epoch][counter] != 0:
        return False
    message: bytes32 = self._withdrawal_hash(recipient, amount, epoch, counter)
    return staticcall messaging.l2ToL1Messages(message) != 0


@external
@view
def deposit_pending(
    depositor: address, destination: uint256, l2_recipient: uint256, amount: uint256, nonce: uint256
) -> bool:
    """
    @notice Whether the deposit was sent and neither consumed by L2 nor reclaimed.
    """
    message: bytes32 = self._deposit_hash(depositor, destination, l2_recipient, amount, nonce)
    return staticcall messaging.l1ToL2Messages(message) != 0


@external
@view
def deposit_message_hash(
    depositor: address, destination: uint256, l2_recipient: uint256, amount: uint256, nonce: uint256
) -> bytes32:
    return self._deposit_hash(depositor, destination, l2_recipient, amount, nonce)


@external
@view
def withdrawal_message_hash(recipient: address, amount: uint256, epoch: uint256, counter: uint256) -> bytes32:
    return self._withdrawal_hash(recipient, amount, epoch, counter)


@internal
@view
def _only_owner():
    assert msg.sender == self.owner, "BRIDGE: not the owner"


@internal
def _set_limits(max_locked: uint256, max_deposit: uint256):
    assert max_locked < AMOUNT_BOUND and max_deposit < AMOUNT_BOUND, "BRIDGE: limit too large"
    self.max_locked = max_locked
    self.max_deposit = max_deposit
    log LimitsChanged(max_locked=max_locked, max_deposit=max_deposit)


@internal
def _pay(recipient: address, amount: uint256):
    assert extcall token.transfer(recipient, amount, default_return_value=True), "BRIDGE: token transfer failed"


@internal
@view
def _deposit_payload(
    depositor: address, destination: uint256, l2_recipient: uint256, amount: uint256
) -> DynArray[uint256, 5]:
    return [convert(token.address, uint256), convert(depositor, uint256), destination, l2_recipient, amount]


@internal
@view
def _withdrawal_payload(
    recipient: address, amount: uint256, epoch: uint256, counter: uint256
) -> DynArray[uint256, 5]:
    return [convert(token.address, uint256), convert(recipient, uint256), amount, epoch, counter]


# Message hashes as the messaging contract makes them: keccak256 over packed 32-byte words.


@internal
@view
def _deposit_hash(
    depositor: address, destination: uint256, l2_recipient: uint256, amount: uint256, nonce: uint256
) -> bytes32:
    return keccak256(
        concat(
            convert(self, bytes32),
            convert(self.l2_bridge, bytes32),
            convert(nonce, bytes32),
            convert(HANDLE_DEPOSIT, bytes32),
            abi_encode(self._deposit_payload(depositor, destination, l2_recipient, amount), ensure_tuple=False),
        )
    )


@internal
@view
def _withdrawal_hash(recipient: address, amount: uint256, epoch: uint256, counter: uint256) -> bytes32:
    return keccak256(
        concat(
            convert(self.l2_bridge, bytes32),
            convert(self, bytes32),
            abi_encode(self._withdrawal_payload(recipient, amount, epoch, counter), ensure_tuple=False),
        )
    )
