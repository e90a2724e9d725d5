# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Collateral bridge, L1 side
@license Apache-2.0
@notice Locks collateral for L2 and pays what L2 released. Locked = L2 supply + deposits in flight + withdrawals not yet
        paid. It also counts the epochs of the appchain: no rollback of L2 can rewind it.
        Amounts are in the token's own unit, 1e-6 USD.
        What stops or tightens takes effect at once, what loosens after a delay in which everyone can see it coming.
"""

from ethereum.ercs import IERC20

from . import bucket

interface IMessaging:
    def sendMessageToL2(
        toAddress: uint256, selector: uint256, payload: DynArray[uint256, 7]
    ) -> (bytes32, uint256): payable
    def consumeMessageFromL2(fromAddress: uint256, payload: DynArray[uint256, 7]) -> bytes32: nonpayable
    def startL1ToL2MessageCancellation(
        toAddress: uint256, selector: uint256, payload: DynArray[uint256, 7], nonce: uint256
    ) -> bytes32: nonpayable
    def cancelL1ToL2Message(
        toAddress: uint256, selector: uint256, payload: DynArray[uint256, 7], nonce: uint256
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
    source: uint256

event WithdrawalAttested:
    recipient: indexed(address)
    epoch: indexed(uint256)
    counter: indexed(uint256)
    amount: uint256
    source: uint256
    paid: bool
    nonce: uint256

event EpochAnnounced:
    epoch: indexed(uint256)
    nonce: uint256

event Connected:
    l2_bridge: indexed(uint256)

event LimitsChanged:
    max_locked: uint256
    max_deposit: uint256

event QuotaChanged:
    limit: uint256
    window: uint256

event Stopped:
    account: indexed(address)
    what: uint256

event Resumed:
    account: indexed(address)

event GuardianChanged:
    account: indexed(address)

event CallAnnounced:
    id: indexed(bytes32)
    call: Bytes[MAX_CALL]
    ready_at: uint256

event CallRetracted:
    id: indexed(bytes32)

event OwnerProposed:
    account: indexed(address)
    ready_at: uint256

event OwnerChanged:
    account: indexed(address)

# starknet_keccak of the handlers' names: keccak256 cut to 250 bits.
HANDLE_DEPOSIT: constant(uint256) = 1285101517810983806491589552491143496277809242732141897358598292095611420389
HANDLE_EPOCH: constant(uint256) = 818117104793111071206023625478944682810797244475002763855834594327887781142
HANDLE_ATTESTATION: constant(uint256) = 1410871192942403393463836521678119607125988622868999113667796796334632775243
# The destinations that L2 knows: 0 wallet, 1 margin account, 2 vault.
LAST_DESTINATION: constant(uint256) = 2
# Contract addresses of Starknet are below this.
ADDRESS_BOUND: constant(uint256) = 2**251 - 256
# Amounts are below this: a payment's record is recipient x AMOUNT_BOUND + amount, and L2 counts in 128 bits.
AMOUNT_BOUND: constant(uint256) = 2**96
# What can be stopped.
DEPOSITS: constant(uint256) = 1
WITHDRAWALS: constant(uint256) = 2
# The longest calldata that is announced: a selector and two words.
MAX_CALL: constant(uint256) = 68
# The delay is within these; seconds.
MIN_DELAY: constant(uint256) = 60
MAX_DELAY: constant(uint256) = 30 * 86_400

messaging: public(immutable(IMessaging))
token: public(immutable(IERC20))
# Seconds from the announcement of what loosens until it can be done.
delay: public(immutable(uint256))

owner: public(address)
proposed_owner: public(address)
# When the proposed owner can accept.
owner_ready_at: public(uint256)
# It only stops; the zero address: there is none.
guardian: public(address)
# Sum of what is stopped: 1 deposits, 2 withdrawals.
stopped: public(uint256)
# When an announced call can be made, by the hash of its calldata; 0: not announced.
ready_at: public(HashMap[bytes32, uint256])
l2_bridge: public(uint256)
max_locked: public(uint256)
max_deposit: public(uint256)
# What all withdrawals may take from L1: `limit` in `window` seconds, rolling.
quota: public(bucket.Limit)
outflow: public(bucket.Bucket)
# What L2, deposits in flight and withdrawals not yet paid have a claim on.
locked: public(uint256)
epoch: public(uint256)
# By the message's nonce; empty once reclaimed.
depositor_of: public(HashMap[uint256, address])
# By epoch and counter: recipient x AMOUNT_BOUND + amount; 0: not paid.
payments: HashMap[uint256, HashMap[uint256, uint256]]
# Of what was paid, by epoch and counter: whom L2 took it from.
sources: HashMap[uint256, HashMap[uint256, uint256]]


@deploy
def __init__(
    messaging_: address,
    token_: address,
    max_locked_: uint256,
    max_deposit_: uint256,
    quota_: bucket.Limit,
    guardian_: address,
    delay_: uint256,
):
    """
    @param delay_ Seconds between the announcement of what loosens and its effect.
    """
    assert messaging_ != empty(address) and token_ != empty(address), "BRIDGE: zero address"
    messaging = IMessaging(messaging_)
    assert delay_ >= MIN_DELAY and delay_ <= MAX_DELAY, "BRIDGE: bad delay"
    token = IERC20(token_)
    delay = delay_
    self.owner = msg.sender
    log OwnerChanged(account=msg.sender)
    self.guardian = guardian_
    log GuardianChanged(account=guardian_)
    self._set_quota(quota_)
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
    assert self.stopped & DEPOSITS == 0, "BRIDGE: deposits are stopped"
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
def withdraw(recipient: address, amount: uint256, epoch: uint256, counter: uint256, source: uint256):
    """
    @notice Pays what L2 released to `recipient`. Anyone may call it; once for each (epoch, counter). What is over the
            quota stays claimable: the same call works once enough has run out.
    @param source Whom L2 took it from: an account, or 2**251 + the nonce of a parked deposit that goes back.
    """
    assert self.stopped & WITHDRAWALS == 0, "BRIDGE: withdrawals are stopped"
    assert recipient != empty(address), "BRIDGE: zero recipient"
    assert amount != 0 and amount < AMOUNT_BOUND, "BRIDGE: bad amount"
    assert self.payments[epoch][counter] == 0, "BRIDGE: already paid"
    self.payments[epoch][counter] = convert(recipient, uint256) * AMOUNT_BOUND + amount
    self.sources[epoch][counter] = source
    extcall messaging.consumeMessageFromL2(
        self.l2_bridge, self._withdrawal_payload(recipient, amount, epoch, counter, source)
    )
    assert self.locked >= amount, "BRIDGE: more than is locked"
    self.locked -= amount
    fits: bool = False
    after: bucket.Bucket = empty(bucket.Bucket)
    fits, after = bucket._pour(self.outflow, self.quota, block.timestamp, amount)
    assert fits, "BRIDGE: over the quota"
    self.outflow = after
    self._pay(recipient, amount)
    log WithdrawalPaid(recipient=recipient, epoch=epoch, counter=counter, amount=amount, source=source)


@external
@payable
def attest_payment(epoch: uint256, counter: uint256) -> uint256:
    """
    @notice Tells L2 of a withdrawal of an earlier epoch that was paid: if a rollback erased it there, L2 debits it
            again, once. Anyone; the value is the message's fee.
    @return The message's nonce.
    """
    record: uint256 = self.payments[epoch][counter]
    assert record != 0, "BRIDGE: not paid"
    recipient: address = convert(record // AMOUNT_BOUND, address)
    return self._attest(recipient, record % AMOUNT_BOUND, epoch, counter, self.sources[epoch][counter], True)


@external
@payable
def attest_registered(
    recipient: address, amount: uint256, epoch: uint256, counter: uint256, source: uint256
) -> uint256:
    """
    @notice As `attest_payment`, for a withdrawal that L2 released and nobody has claimed yet: it can be, at any time.
    @return The message's nonce.
    """
    assert self._is_registered(recipient, amount, epoch, counter, source), "BRIDGE: not registered"
    return self._attest(recipient, amount, epoch, counter, source, False)


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
    @notice Owner: the most that may be locked in all and deposited at once. What is locked can always leave. Announced
            if it raises one of them.
    """
    self._only_owner()
    if max_locked > self.max_locked or max_deposit > self.max_deposit:
        self._announced(abi_encode(max_locked, max_deposit, method_id=method_id("set_limits(uint256,uint256)")))
    self._set_limits(max_locked, max_deposit)


@external
def set_quota(limit: uint256, window: uint256):
    """
    @notice Owner: what withdrawals may take in all, `limit` in `window` seconds, rolling. Announced if it lets more out,
            at once or in time.
    """
    self._only_owner()
    old: bucket.Limit = self.quota
    assert limit < AMOUNT_BOUND, "BRIDGE: limit too large"
    if limit > old.limit or limit * old.window > old.limit * window:
        self._announced(abi_encode(limit, window, method_id=method_id("set_quota(uint256,uint256)")))
    # What has run out so far did so under the old terms.
    self.outflow = bucket._leaked(self.outflow, old, block.timestamp)
    self._set_quota(bucket.Limit(limit=limit, window=window))


@external
def stop(what: uint256):
    """
    @notice The guardian or the owner, at once. A resumption that was announced has to be announced again.
    @param what 1 deposits, 2 withdrawals, 3 both. What was deposited and not consumed can still be reclaimed.
    """
    assert msg.sender == self.guardian or msg.sender == self.owner, "BRIDGE: may not stop"
    assert what != 0 and what <= DEPOSITS + WITHDRAWALS, "BRIDGE: bad argument"
    self.stopped |= what
    self.ready_at[keccak256(method_id("resume()", output_type=Bytes[4]))] = 0
    log Stopped(account=msg.sender, what=what)


@external
def resume():
    """
    @notice Owner, announced: deposits and withdrawals both.
    """
    self._only_owner()
    self._announced(method_id("resume()", output_type=Bytes[4]))
    self.stopped = 0
    log Resumed(account=msg.sender)


@external
def set_guardian(account: address):
    """
    @notice Owner, announced.
    """
    self._only_owner()
    self._announced(abi_encode(account, method_id=method_id("set_guardian(address)")))
    self.guardian = account
    log GuardianChanged(account=account)


@external
def announce(call: Bytes[MAX_CALL]) -> bytes32:
    """
    @notice Owner: the calldata of a call to this contract that needs an announcement. It can be made once, when the
            delay is over; announced again, the delay begins again.
    """
    self._only_owner()
    id: bytes32 = keccak256(call)
    ready_at: uint256 = block.timestamp + delay
    self.ready_at[id] = ready_at
    log CallAnnounced(id=id, call=call, ready_at=ready_at)
    return id


@external
def retract(id: bytes32):
    """
    @notice Owner: takes an announcement back.
    """
    self._only_owner()
    assert self.ready_at[id] != 0, "BRIDGE: not announced"
    self.ready_at[id] = 0
    log CallRetracted(id=id)


@external
def propose_owner(account: address):
    """
    @notice Owner. Takes effect when `account` calls `accept_owner`, after the delay; the zero address takes a proposal
            back.
    """
    self._only_owner()
    ready_at: uint256 = block.timestamp + delay
    self.proposed_owner = account
    self.owner_ready_at = ready_at
    log OwnerProposed(account=account, ready_at=ready_at)


@external
def accept_owner():
    assert msg.sender == self.proposed_owner, "BRIDGE: not the proposed owner"
    assert block.timestamp >= self.owner_ready_at, "BRIDGE: delay not over"
    self.owner = msg.sender
    self.proposed_owner = empty(address)
    log OwnerChanged(account=msg.sender)


@external
@view
def paid(epoch: uint256, counter: uint256) -> bool:
    return self.payments[epoch][counter] != 0


@external
@view
def payment(epoch: uint256, counter: uint256) -> (address, uint256, uint256):
    """
    @return Recipient, amount and source of a withdrawal that was paid; zeros of one that was not.
    """
    record: uint256 = self.payments[epoch][counter]
    return convert(record // AMOUNT_BOUND, address), record % AMOUNT_BOUND, self.sources[epoch][counter]


@external
@view
def registered(recipient: address, amount: uint256, epoch: uint256, counter: uint256, source: uint256) -> bool:
    """
    @notice Whether L2 released it and it was not paid.
    """
    return self._is_registered(recipient, amount, epoch, counter, source)


@external
@view
def claimable(recipient: address, amount: uint256, epoch: uint256, counter: uint256, source: uint256) -> bool:
    """
    @notice Whether `withdraw` with these arguments would pay now.
    """
    if self.stopped & WITHDRAWALS != 0 or amount > self._withdrawable():
        return False
    return self._is_registered(recipient, amount, epoch, counter, source)


@external
@view
def withdrawable() -> uint256:
    """
    @notice What the quota leaves to withdrawals now.
    """
    return self._withdrawable()


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
def withdrawal_message_hash(
    recipient: address, amount: uint256, epoch: uint256, counter: uint256, source: uint256
) -> bytes32:
    return self._withdrawal_hash(recipient, amount, epoch, counter, source)


@internal
@view
def _only_owner():
    assert msg.sender == self.owner, "BRIDGE: not the owner"


@internal
def _announced(call: Bytes[MAX_CALL]):
    """
    @notice The call was announced and the delay is over; the announcement is used up.
    """
    id: bytes32 = keccak256(call)
    ready_at: uint256 = self.ready_at[id]
    assert ready_at != 0, "BRIDGE: not announced"
    assert block.timestamp >= ready_at, "BRIDGE: delay not over"
    self.ready_at[id] = 0


@internal
@payable
def _attest(
    recipient: address, amount: uint256, epoch: uint256, counter: uint256, source: uint256, paid: bool
) -> uint256:
    # Of the current epoch L2 itself knows best: nothing of it was erased, or its end was not announced yet.
    assert epoch < self.epoch, "BRIDGE: epoch not over"
    message: bytes32 = empty(bytes32)
    nonce: uint256 = 0
    payload: DynArray[uint256, 7] = self._withdrawal_payload(recipient, amount, epoch, counter, source)
    payload.append(convert(paid, uint256))
    message, nonce = extcall messaging.sendMessageToL2(
        self.l2_bridge, HANDLE_ATTESTATION, payload, value=msg.value
    )
    log WithdrawalAttested(
        recipient=recipient, epoch=epoch, counter=counter, amount=amount, source=source, paid=paid, nonce=nonce
    )
    return nonce


@internal
def _set_quota(quota: bucket.Limit):
    assert quota.limit < AMOUNT_BOUND, "BRIDGE: limit too large"
    assert quota.window != 0 and quota.window < 2**64, "BRIDGE: bad window"
    # A parked deposit goes back as one payment.
    assert self.max_deposit <= quota.limit, "BRIDGE: quota below max_deposit"
    self.quota = quota
    log QuotaChanged(limit=quota.limit, window=quota.window)


@internal
def _set_limits(max_locked: uint256, max_deposit: uint256):
    assert max_locked < AMOUNT_BOUND and max_deposit < AMOUNT_BOUND, "BRIDGE: limit too large"
    assert max_deposit <= self.quota.limit, "BRIDGE: quota below max_deposit"
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
) -> DynArray[uint256, 7]:
    return [convert(token.address, uint256), convert(depositor, uint256), destination, l2_recipient, amount]


@internal
@view
def _withdrawal_payload(
    recipient: address, amount: uint256, epoch: uint256, counter: uint256, source: uint256
) -> DynArray[uint256, 7]:
    return [convert(token.address, uint256), convert(recipient, uint256), amount, epoch, counter, source]


@internal
@view
def _is_registered(
    recipient: address, amount: uint256, epoch: uint256, counter: uint256, source: uint256
) -> bool:
    if self.payments[epoch][counter] != 0:
        return False
    message: bytes32 = self._withdrawal_hash(recipient, amount, epoch, counter, source)
    return staticcall messaging.l2ToL1Messages(message) != 0


@internal
@view
def _withdrawable() -> uint256:
    return bucket._room(self.outflow, self.quota, block.timestamp)


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
def _withdrawal_hash(
    recipient: address, amount: uint256, epoch: uint256, counter: uint256, source: uint256
) -> bytes32:
    return keccak256(
        concat(
            convert(self.l2_bridge, bytes32),
            convert(self, bytes32),
            abi_encode(self._withdrawal_payload(recipient, amount, epoch, counter, source), ensure_tuple=False),
        )
    )
