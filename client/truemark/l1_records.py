"""What the L1 side is told in: deposits, amounts, addresses, and what can go wrong there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from eth_typing import ChecksumAddress
from eth_utils.address import is_checksum_address, is_hex_address, to_checksum_address

from truemark.errors import TruemarkError
from truemark.models import Destination
from truemark.units import Amount, BadAmount, from_collateral, to_collateral

#: Amounts are below this, on both sides of the bridge.
AMOUNT_BOUND: Final = 2**96


class L1Reverted(TruemarkError, RuntimeError):
    """A call or transaction on L1 was reverted.

    Attributes:
        reason: the contract's words, e.g. 'BRIDGE: above max_deposit'.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what}: {reason}")
        self.reason = reason


class AlreadyClaimed(L1Reverted):
    """The withdrawal was paid before: each is paid once."""


class NotClaimable(L1Reverted):
    """L1 knows no such withdrawal: L2's message did not arrive yet, or a field of it is another."""


class OverQuota(L1Reverted):
    """The quota of withdrawals has no room for it now: the same claim works later."""


class L1Refused(TruemarkError, RuntimeError):
    """The L1 node did not take a transaction (no ether for gas, wrong nonce, ...); the message says why."""


class L1Unavailable(TruemarkError, ConnectionError):
    """The L1 node does not answer."""


class BadL1Address(TruemarkError, ValueError):
    """What is no address on L1."""


class NoL1Signer(TruemarkError, RuntimeError):
    """Sending on L1 needs an Ethereum key; this bridge was opened without one."""


@dataclass(frozen=True, slots=True)
class L1Deposit:
    """A deposit as the L1 bridge logged it. `nonce` is the message's: L2 names the deposit by it."""

    nonce: int
    depositor: str
    #: The L2 address.
    recipient: int
    destination: Destination
    #: USD.
    amount: Decimal
    message_hash: str
    tx_hash: str
    block: int


@dataclass(frozen=True, slots=True)
class L1Prepared:
    """An L1 transaction as it was signed, without the signature: enough to sign and send the very same one again."""

    nonce: int
    hash: str
    #: The fields that are signed, as eth-account takes them.
    fields: Mapping[str, Any]


#: Told of an L1 transaction before it is sent; what it raises keeps the transaction back.
BeforeL1 = Callable[[L1Prepared], None]


def money(amount: Amount) -> int:
    """An amount that moves, as 1e-6 USD.

    Raises:
        BadAmount: not above 0, finer than 1e-6, or more than the bridge counts.
    """
    units = to_collateral(amount)
    if not 0 < units < AMOUNT_BOUND:
        raise BadAmount(f"amount {amount} must be above 0 and below {from_collateral(AMOUNT_BOUND)}")
    return units


def checked_l1_address(text: str) -> ChecksumAddress:
    """An L1 address with its checksum: 0x and 40 hex digits, in one case, or in the mixed case of its checksum.

    Raises:
        BadL1Address: it is none, or a digit or a letter's case is mistyped.
    """
    if not is_hex_address(text) or not text.startswith("0x"):
        raise BadL1Address(f"{text!r} is no L1 address: it has 0x and 40 hex digits")
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and not is_checksum_address(text):
        raise BadL1Address(f"{text!r} is no L1 address: its checksum is wrong, so something in it is mistyped")
    return to_checksum_address(text)
