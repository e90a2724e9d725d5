"""Extended (x10): its keys, its settlement messages and its onboarding.

Its message types bend SNIP-12 (types not sorted, integers of 32 and 64 bits, one type that is declared and not used),
so that no SNIP-12 library makes these hashes: each has its hasher here, its type string beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal
from typing import Any, Final

from truemark.felt import PRIME, selector, short_string
from truemark.hashing import pedersen, poseidon_many
from truemark.keys import derivation
from truemark.keys.ethereum import EthSigner, sign_twice
from truemark.keys.stark import StarkKey
from truemark.orders import DOMAIN_TYPE_HASH, Side

#: Renamed once: who onboarded under the old name has the key that it gave.
LEGACY_SIGNING_DOMAIN: Final = "x10.exchange"
MAINNET_SIGNING_DOMAIN: Final = "extended.exchange"
TESTNET_SIGNING_DOMAIN: Final = "starknet.sepolia.extended.exchange"

_POSITION_ID: Final = '"PositionId"("value":"u32")'
_ASSET_ID: Final = '"AssetId"("value":"felt")'
_TIMESTAMP: Final = '"Timestamp"("seconds":"u64")'
_AMOUNTS: Final = (
    '"base_asset_id":"AssetId","base_amount":"i64","quote_asset_id":"AssetId","quote_amount":"i64",'
    '"fee_asset_id":"AssetId","fee_amount":"u64","expiration":"Timestamp","salt":"felt"'
)
_PARTS: Final = _POSITION_ID + _ASSET_ID + _TIMESTAMP
ORDER_TYPE: Final = f'"Order"("position_id":"felt",{_AMOUNTS}){_PARTS}'
LIMIT_ORDER_TYPE: Final = (
    f'"LimitOrder"("source_position":"PositionId","receive_position":"PositionId",{_AMOUNTS}){_PARTS}'
)
_TRANSFER: Final = (
    '"position_id":"PositionId","collateral_id":"AssetId","amount":"u64","expiration":"Timestamp","salt":"felt"'
)
TRANSFER_TYPE: Final = f'"TransferArgs"("recipient":"PositionId",{_TRANSFER}){_PARTS}'
WITHDRAW_TYPE: Final = f'"WithdrawArgs"("recipient":"ContractAddress",{_TRANSFER}){_PARTS}'

_PREFIX: Final = short_string("StarkNet Message")
#: An order is signed for this long beyond its own expiry: settlement comes later.
_SETTLEMENT_ALLOWANCE: Final = timedelta(days=14)
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
#: Wide enough for any product of two amounts.
_EXACT: Final = Context(prec=200)


# --- keys


def typed_data(wallet: str, account_index: int, signing_domain: str) -> dict[str, Any]:
    """What the Ethereum key signs to give the key of one account under one domain."""
    return {
        "types": {
            "EIP712Domain": [{"name": "name", "type": "string"}],
            "AccountCreation": [
                {"name": "accountIndex", "type": "int8"},
                {"name": "wallet", "type": "address"},
                {"name": "tosAccepted", "type": "bool"},
            ],
        },
        "primaryType": "AccountCreation",
        "domain": {"name": signing_domain},
        "message": {"accountIndex": account_index, "wallet": wallet, "tosAccepted": True},
    }


def derive(signer: EthSigner, account_index: int = 0, signing_domain: str = MAINNET_SIGNING_DOMAIN) -> StarkKey:
    """The Extended key of an Ethereum account.

    Raises:
        NotDeterministic, WrongSigner, BadSignature: as `truemark.keys.derive`.
    """
    return derivation.key_of(sign_twice(signer, typed_data(signer.address, account_index, signing_domain)))


# --- messages


@dataclass(frozen=True, slots=True)
class Domain:
    """Where its messages are good. The chain id is SN_SEPOLIA, SN_MAIN, or SN_MAINNET in the branch of July 2025."""

    chain_id: str
    name: str = "Perpetuals"
    version: str = "v0"
    revision: int = 1

    def hash(self) -> int:
        texts = map(short_string, (self.name, self.version, self.chain_id))
        return poseidon_many([DOMAIN_TYPE_HASH, *texts, self.revision])


@dataclass(frozen=True, slots=True)
class Order:
    """Amounts in the assets' own units; below 0 what is given away."""

    position_id: int
    base_asset_id: int
    base_amount: int
    quote_asset_id: int
    quote_amount: int
    fee_asset_id: int
    fee_amount: int
    #: Seconds, the settlement allowance included.
    expiration: int
    salt: int

    def struct_hash(self) -> int:
        return poseidon_many([selector(ORDER_TYPE), self.position_id, *_amounts(self)])


@dataclass(frozen=True, slots=True)
class LimitOrder:
    """As Order, from one position to another."""

    source_position: int
    receive_position: int
    base_asset_id: int
    base_amount: int
    quote_asset_id: int
    quote_amount: int
    fee_asset_id: int
    fee_amount: int
    expiration: int
    salt: int

    def struct_hash(self) -> int:
        positions = (self.source_position, self.receive_position)
        return poseidon_many([selector(LIMIT_ORDER_TYPE), *positions, *_amounts(self)])


@dataclass(frozen=True, slots=True)
class Transfer:
    """Collateral from the position `position_id` to the position `recipient`."""

    recipient: int
    position_id: int
    collateral_id: int
    amount: int
    expiration: int
    salt: int

    def struct_hash(self) -> int:
        return _transfer_hash(TRANSFER_TYPE, self)


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Collateral from the position `position_id` to the address `recipient`."""

    recipient: int
    position_id: int
    collateral_id: int
    amount: int
    expiration: int
    salt: int

    def struct_hash(self) -> int:
        return _transfer_hash(WITHDRAW_TYPE, self)


Message = Order | LimitOrder | Transfer | Withdraw


def message_hash(message: Message, public_key: int, domain: Domain) -> int:
    """What is signed. Where the standard has the account, Extended has the STARK public key."""
    return poseidon_many([_PREFIX, domain.hash(), public_key, message.struct_hash()])


def order_of(
    *,
    position_id: int,
    side: Side,
    quantity: Decimal,
    price: Decimal,
    taker_fee_rate: Decimal,
    base_asset_id: int,
    base_resolution: int,
    quote_asset_id: int,
    quote_resolution: int,
    expires: datetime,
    salt: int,
) -> Order:
    """The order that Extended signs for these amounts: a buyer's are rounded up, a seller's down, the fee up. Of a
    buyer the quote is given away, of a seller the base. A resolution is units of an asset in one whole.

    Raises:
        ValueError: `expires` has no time zone.
    """
    rounding = ROUND_UP if side is Side.BUY else ROUND_DOWN
    worth = _EXACT.multiply(quantity, price)
    base = _units(quantity, base_resolution, rounding)
    quote = _units(worth, quote_resolution, rounding)
    return Order(
        position_id=position_id,
        base_asset_id=base_asset_id,
        base_amount=base if side is Side.BUY else -base,
        quote_asset_id=quote_asset_id,
        quote_amount=-quote if side is Side.BUY else quote,
        fee_asset_id=quote_asset_id,
        fee_amount=_units(_EXACT.multiply(worth, taker_fee_rate), quote_resolution, ROUND_UP),
        expiration=settlement_expiration(expires),
        salt=salt,
    )


def settlement_expiration(expires: datetime) -> int:
    """The seconds that are signed for an expiry: 14 days later, rounded up.

    Raises:
        ValueError: `expires` has no time zone.
    """
    if expires.tzinfo is None:
        raise ValueError(f"{expires} has no time zone")
    return -((_EPOCH - expires - _SETTLEMENT_ALLOWANCE) // timedelta(seconds=1))


# --- onboarding


def registration(
    wallet: str, account_index: int, time: datetime, signing_domain: str, host: str | None = None
) -> dict[str, Any]:
    """What the Ethereum key signs to register an account; newer versions of the API also want the `host`."""
    fields = [("accountIndex", "int8"), ("wallet", "address"), ("tosAccepted", "bool"), ("time", "string")]
    message: dict[str, Any] = {
        "accountIndex": account_index,
        "wallet": wallet,
        "tosAccepted": True,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "action": "REGISTER",
    }
    fields.append(("action", "string"))
    if host is not None:
        fields.append(("host", "string"))
        message["host"] = host
    return {
        "types": {
            "EIP712Domain": [{"name": "name", "type": "string"}],
            "AccountRegistration": [{"name": name, "type": kind} for name, kind in fields],
        },
        "primaryType": "AccountRegistration",
        "domain": {"name": signing_domain},
        "message": message,
    }


def registration_hash(wallet: str, public_key: int) -> int:
    """What the STARK key signs to register: it belongs to this wallet."""
    return pedersen(int(wallet, 16), public_key)


def _amounts(order: Order | LimitOrder) -> tuple[int, ...]:
    return (
        order.base_asset_id,
        order.base_amount % PRIME,
        order.quote_asset_id,
        order.quote_amount % PRIME,
        order.fee_asset_id,
        order.fee_amount,
        order.expiration,
        order.salt,
    )


def _transfer_hash(type_string: str, message: Transfer | Withdraw) -> int:
    return poseidon_many(
        [
            selector(type_string),
            message.recipient,
            message.position_id,
            message.collateral_id,
            message.amount,
            message.expiration,
            message.salt,
        ]
    )


def _units(amount: Decimal, resolution: int, rounding: str) -> int:
    return int(_EXACT.multiply(amount, Decimal(resolution)).to_integral_value(rounding=rounding))
