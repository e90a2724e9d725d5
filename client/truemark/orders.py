"""Orders as they are signed: SNIP-12 revision 1, every field that matters in the hash.

`Order.hash` is written out by hand for speed; `Order.typed_data` is the same message for a wallet, or for any library
that knows the standard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from truemark.errors import TruemarkError
from truemark.felt import PRIME, BadShortString, selector, short_string, short_string_text
from truemark.hashing import poseidon_many
from truemark.units import U16_MAX, U32_MAX, U64_MAX

DOMAIN_NAME: Final = "Truemark"
#: Not "1": wallets read a number as a number, the contract would write it as text.
DOMAIN_VERSION: Final = "v1"

_DOMAIN_TYPES: Final = tuple((name, "shortstring") for name in ("name", "version", "chainId", "revision"))
_ORDER_TYPES: Final = (
    ("venue", "ContractAddress"),
    ("account", "ContractAddress"),
    ("epoch", "u128"),
    ("account_epoch", "u128"),
    ("market", "shortstring"),
    ("is_buy", "bool"),
    ("size", "u128"),
    ("limit_price", "u128"),
    ("max_fee_bps", "u128"),
    ("reduce_only", "bool"),
    ("post_only", "bool"),
    ("expiry", "timestamp"),
    ("salt", "felt"),
)


def _type_string(name: str, fields: tuple[tuple[str, str], ...]) -> str:
    return f'"{name}"(' + ",".join(f'"{field}":"{kind}"' for field, kind in fields) + ")"


DOMAIN_TYPE: Final = _type_string("StarknetDomain", _DOMAIN_TYPES)
ORDER_TYPE: Final = _type_string("Order", _ORDER_TYPES)
DOMAIN_TYPE_HASH: Final = selector(DOMAIN_TYPE)
ORDER_TYPE_HASH: Final = selector(ORDER_TYPE)
_PREFIX: Final = short_string("StarkNet Message")

_ADDRESS_MAX: Final = 2**251 - 1
#: The integers of the contract's Order and their least and most.
_RANGES: Final = (
    ("venue", 1, _ADDRESS_MAX),
    ("account", 1, _ADDRESS_MAX),
    ("epoch", 0, U64_MAX),
    ("account_epoch", 0, U32_MAX),
    ("size", 0, U64_MAX),
    ("limit_price", 0, U64_MAX),
    ("max_fee_bps", 0, U16_MAX),
    ("expiry", 0, U64_MAX),
    ("salt", 0, PRIME - 1),
)


class BadOrder(TruemarkError, ValueError):
    """An order that the contract could not read, or that a wallet would sign as another one."""


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def is_buy(self) -> bool:
        return self is Side.BUY

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a trader signs, in the contract's units.

    Raises:
        BadOrder: a field is out of the contract's range, or the market's name is no name.
    """

    #: Address of the clearinghouse.
    venue: int
    account: int
    epoch: int
    #: Raised by `cancel_all`.
    account_epoch: int
    #: The market's name, e.g. BTC-USD-PERP.
    market: str
    is_buy: bool
    #: 1e-8 of the base asset.
    size: int
    #: 1e-8 USD for one whole base unit.
    limit_price: int
    max_fee_bps: int
    reduce_only: bool
    post_only: bool
    #: Seconds of block time.
    expiry: int
    salt: int

    def __post_init__(self) -> None:
        for name, least, most in _RANGES:
            value = getattr(self, name)
            if not isinstance(value, int) or not least <= value <= most:
                raise BadOrder(f"{name} {value} of an order must be an integer from {least} to {most}")
        for name in ("is_buy", "reduce_only", "post_only"):
            if not isinstance(getattr(self, name), bool):
                raise BadOrder(f"{name} of an order must be a bool, it is {getattr(self, name)!r}")
        check_market_name(self.market)

    @property
    def side(self) -> Side:
        return Side.BUY if self.is_buy else Side.SELL

    def hash(self, chain_id: int) -> int:
        """The message hash: what a trading key signs and `order_hash` of the contract returns."""
        message = poseidon_many(
            (
                ORDER_TYPE_HASH,
                self.venue,
                self.account,
                self.epoch,
                self.account_epoch,
                short_string(self.market),
                self.is_buy,
                self.size,
                self.limit_price,
                self.max_fee_bps,
                self.reduce_only,
                self.post_only,
                self.expiry,
                self.salt,
            )
        )
        return poseidon_many((_PREFIX, domain_hash(chain_id), self.account, message))

    def typed_data(self, chain_id: int) -> dict[str, Any]:
        """The order as SNIP-12 typed data: JSON for a wallet. Numbers are text, since JavaScript loses digits."""
        return {
            "types": {
                "StarknetDomain": [{"name": name, "type": kind} for name, kind in _DOMAIN_TYPES],
                "Order": [{"name": name, "type": kind} for name, kind in _ORDER_TYPES],
            },
            "primaryType": "Order",
            "domain": {
                "name": DOMAIN_NAME,
                "version": DOMAIN_VERSION,
                "chainId": _chain_text(chain_id),
                "revision": "1",
            },
            "message": {
                "venue": hex(self.venue),
                "account": hex(self.account),
                "epoch": str(self.epoch),
                "account_epoch": str(self.account_epoch),
                "market": self.market,
                "is_buy": self.is_buy,
                "size": str(self.size),
                "limit_price": str(self.limit_price),
                "max_fee_bps": str(self.max_fee_bps),
                "reduce_only": self.reduce_only,
                "post_only": self.post_only,
                "expiry": str(self.expiry),
                "salt": hex(self.salt),
            },
        }

    def to_abi(self) -> dict[str, Any]:
        """The contract's `Order`, for the ABI codec."""
        return {
            "venue": self.venue,
            "account": self.account,
            "epoch": self.epoch,
            "account_epoch": self.account_epoch,
            "market": short_string(self.market),
            "is_buy": self.is_buy,
            "size": self.size,
            "limit_price": self.limit_price,
            "max_fee_bps": self.max_fee_bps,
            "reduce_only": self.reduce_only,
            "post_only": self.post_only,
            "expiry": self.expiry,
            "salt": self.salt,
        }

    @classmethod
    def from_abi(cls, fields: Mapping[str, Any]) -> Order:
        """An order out of decoded calldata, where the market is a felt.

        Raises:
            BadOrder: it is none that could have been signed.
        """
        values = dict(fields)
        try:
            values["market"] = short_string_text(values["market"])
            return cls(**values)
        except (KeyError, TypeError, BadShortString) as error:
            raise BadOrder(f"these fields are no order: {error}") from error


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order with the signature of a trading key that its account registered."""

    order: Order
    #: Public key; 0: the account approved the order on chain instead, and r and s are 0.
    key: int
    r: int
    s: int

    @classmethod
    def approved(cls, order: Order) -> SignedOrder:
        """An order that its account approves by `approve_order`."""
        return cls(order, 0, 0, 0)

    def to_abi(self) -> dict[str, Any]:
        """The contract's `SignedOrder`, for the ABI codec."""
        return {"order": self.order.to_abi(), "signature": {"key": self.key, "r": self.r, "s": self.s}}


@lru_cache(maxsize=64)
def domain_hash(chain_id: int) -> int:
    """The hash of Truemark's SNIP-12 domain on a chain.

    Raises:
        BadFelt: the chain id is no felt.
    """
    return poseidon_many([DOMAIN_TYPE_HASH, short_string(DOMAIN_NAME), short_string(DOMAIN_VERSION), chain_id, 1])


@lru_cache(maxsize=1024)
def check_market_name(name: str) -> None:
    """
    Raises:
        BadOrder: it does not fit one felt, or a wallet would take it for a number.
    """
    try:
        felt = short_string(name)
        if felt == 0 or short_string_text(felt) != name:
            raise BadOrder(f"{name!r} is no name of a market")
    except BadShortString as error:
        raise BadOrder(f"{name!r} is no name of a market: {error}") from error
    if _reads_as_number(name):
        raise BadOrder(f"{name!r} is no name of a market: a wallet would sign it as a number")


def _reads_as_number(text: str) -> bool:
    # JavaScript's BigInt, which wallets read felts with, takes more than digits: 0b, 0o and surrounding spaces too.
    return text.strip() == "" or text.strip().isdecimal() or text.strip()[:2].lower() in ("0x", "0b", "0o")


@lru_cache(maxsize=64)
def _chain_text(chain_id: int) -> str:
    """The chain id as wallets show it, its name, where that reads back as the same felt; else hex."""
    try:
        text = short_string_text(chain_id)
    except BadShortString:
        return hex(chain_id)
    return hex(chain_id) if _reads_as_number(text) else text
