"""Paradex: its keys, its account addresses, and the messages that its API and its full nodes want signed.

Messages are returned as SNIP-12 typed data; `message_hash` hashes one. Its signatures leave reduce-only, post-only and
expiry of an order out, which Truemark's own orders do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from truemark.felt import selector, starknet_keccak
from truemark.hashing import pedersen, pedersen_many, poseidon_many
from truemark.keys import derivation
from truemark.keys.address import contract_address
from truemark.keys.ethereum import EthSigner, sign_twice
from truemark.keys.stark import StarkKey
from truemark.orders import Side
from truemark.snip12 import TypedData, byte_array
from truemark.units import to_price, to_size

DOMAIN_NAME: Final = "Paradex"
DOMAIN_VERSION: Final = "1"
_FELT_DOMAIN: Final = ("name", "chainId", "version")
_REVISION_1_DOMAIN: Final = ("name", "version", "chainId", "revision")
#: Signer variant of its Ethereum-keyed account class, and "no guardian".
_EIP191_SIGNER: Final = 3
_NO_GUARDIAN: Final = 1
VAULT_OPERATOR: Final = starknet_keccak(b"paradex.child.vault_operator")

_TRADE_FIELDS: Final = (
    ("market", "shortstring"),
    ("price", "felt"),
    ("size", "felt"),
    ("maker_order", "BlockTradeOrder"),
    ("taker_order", "BlockTradeOrder"),
    ("min_size", "felt"),
    ("max_size", "felt"),
    ("min_price", "felt"),
    ("max_price", "felt"),
    ("oracle_tolerance", "felt"),
)
_TRADE_ORDER_FIELDS: Final = (
    ("account", "felt"),
    ("side", "shortstring"),
    ("type", "shortstring"),
    ("size", "felt"),
    ("price", "felt"),
)

# --- keys


def typed_data(l1_chain_id: int) -> dict[str, Any]:
    """What the Ethereum key signs to give its Paradex key: 1 in production, 11155111 on the testnet."""
    return derivation.typed_data(l1_chain_id, name=DOMAIN_NAME, version=DOMAIN_VERSION)


def derive(signer: EthSigner, l1_chain_id: int) -> StarkKey:
    """The Paradex key of an Ethereum account.

    Raises:
        NotDeterministic, WrongSigner, BadSignature: as `truemark.keys.derive`.
    """
    return derivation.key_of(sign_twice(signer, typed_data(l1_chain_id)))


# --- addresses


def proxy_calldata(public_key: int, account_class: int) -> list[int]:
    """What the constructor of its account proxy takes."""
    return [account_class, selector("initialize"), 2, public_key, 0]


def account_address(public_key: int, proxy_class: int, account_class: int) -> int:
    """The address of an account with a STARK key."""
    return contract_address(proxy_class, proxy_calldata(public_key, account_class), public_key)


def eip191_calldata(eth_address: str) -> list[int]:
    """What the constructor of its Ethereum-keyed account takes."""
    return [_EIP191_SIGNER, int(eth_address, 16), _NO_GUARDIAN]


def eip191_account_address(eth_address: str, class_hash: int) -> int:
    """The address of an account with an Ethereum key."""
    return contract_address(class_hash, eip191_calldata(eth_address), int(eth_address, 16))


def vault_operator_salt(owner: int, index: int) -> int:
    return pedersen(pedersen(owner, VAULT_OPERATOR), index)


def vault_operator_address(eth_address: str, owner: int, index: int, class_hash: int) -> int:
    """The address of the operator `index` of the vaults of the account `owner`, with the same Ethereum key."""
    return contract_address(class_hash, eip191_calldata(eth_address), vault_operator_salt(owner, index))


# --- messages


def message_hash(message: Mapping[str, Any], account: int) -> int:
    """What `account` signs: the main account on L2, even when a subkey signs for it.

    Raises:
        BadTypedData: the message is not well formed.
    """
    return TypedData(message).message_hash(account)


def onboarding(chain_id: int) -> dict[str, Any]:
    """The message that opens an account."""
    return _message(chain_id, "Constant", ["action"], {"action": "Onboarding"})


def auth(chain_id: int, timestamp: int, expiration: int) -> dict[str, Any]:
    """The request for a token, from `timestamp` to `expiration` in seconds; the same for /v1/auth/<public key>."""
    message = {"method": "POST", "path": "/v1/auth", "body": "", "timestamp": timestamp, "expiration": expiration}
    return _message(chain_id, "Request", list(message), message)


def order(
    chain_id: int,
    *,
    timestamp_ms: int,
    market: str,
    side: Side,
    order_type: str,
    size: Decimal,
    price: Decimal | None,
    order_id: str | None = None,
) -> dict[str, Any]:
    """An order, or with `order_id` the change of one. No price: a market order, which signs 0.

    Raises:
        BadAmount: size or price is finer than 1e-8; Paradex's own SDK cuts it and signs another order than it sends.
    """
    message = {
        "timestamp": str(timestamp_ms),
        "market": market,
        "side": "1" if side is Side.BUY else "2",
        "orderType": order_type,
        "size": str(to_size(size)),
        "price": "0" if price is None else str(to_price(price)),
    }
    if order_id is None:
        return _message(chain_id, "Order", list(message), message)
    message["id"] = order_id
    return _message(chain_id, "ModifyOrder", list(message), message)


def full_node_request(chain_id: int, account: int, body: str, timestamp: int) -> dict[str, Any]:
    """A JSON-RPC request to a full node; `body` is the exact text that is sent, its spaces count."""
    message = {
        "account": hex(account),
        "payload": hex(full_node_payload(body)),
        "timestamp": timestamp,
        "version": "1.0.0",
    }
    return _message(chain_id, "Request", list(message), message)


def full_node_payload(body: str) -> int:
    return poseidon_many(byte_array(body))


def block_trade(
    chain_id: int, *, nonce: str, expiration_ms: int, trades: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """A trade in many markets at once, as one Merkle root. Values of `trades` are the text that Paradex's API takes."""
    return _block_trade(chain_id, "BlockTrade", {"nonce": nonce, "expiration": str(expiration_ms)}, trades)


def block_trade_offer(
    chain_id: int, *, nonce: str, expiration_ms: int, block_trade_id: str, trades: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """An offer on the block trade `block_trade_id`; the side that is not ours is all "0"."""
    fields = {"nonce": nonce, "expiration": str(expiration_ms), "block_trade_id": block_trade_id}
    return _block_trade(chain_id, "BlockTradeOffer", fields, trades)


def subkey_registration_hash(account: int, subkey: int, timestamp: int, expiry: int) -> int:
    """What the account's main key signs so that the public key `subkey` may sign for it."""
    return pedersen_many([account, subkey, timestamp, expiry])


def subkey_activation_hash(timestamp: int, ephemeral_public_key: int) -> int:
    return pedersen(timestamp, ephemeral_public_key)


# --- signatures


def signature_text(r: int, s: int) -> str:
    """A STARK signature as its API takes it."""
    return f'["{r}","{s}"]'


def eip191_signature(eth_address: str, signature: bytes) -> list[int]:
    """The 65 bytes of an EIP-191 signature of a hash as the calldata of its Ethereum-keyed account."""
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:64]))
    low = 2**128 - 1
    return [1, _EIP191_SIGNER, int(eth_address, 16), r & low, r >> 128, s & low, s >> 128, 1 - signature[64] % 2]


def _message(chain_id: int, name: str, fields: Sequence[str], message: dict[str, Any]) -> dict[str, Any]:
    return {
        "domain": {"name": DOMAIN_NAME, "chainId": hex(chain_id), "version": DOMAIN_VERSION},
        "primaryType": name,
        "types": {
            "StarkNetDomain": [{"name": field, "type": "felt"} for field in _FELT_DOMAIN],
            name: [{"name": field, "type": "felt"} for field in fields],
        },
        "message": message,
    }


def _block_trade(
    chain_id: int, name: str, fields: dict[str, str], trades: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "domain": {"name": DOMAIN_NAME, "chainId": hex(chain_id), "version": DOMAIN_VERSION, "revision": "1"},
        "primaryType": name,
        "types": {
            "StarknetDomain": [{"name": field, "type": "shortstring"} for field in _REVISION_1_DOMAIN],
            name: [
                {"name": "version", "type": "shortstring"},
                *({"name": field, "type": "felt"} for field in fields),
                {"name": "trades", "type": "merkletree", "contains": "Trade"},
            ],
            "Trade": [{"name": field, "type": kind} for field, kind in _TRADE_FIELDS],
            "BlockTradeOrder": [{"name": field, "type": kind} for field, kind in _TRADE_ORDER_FIELDS],
        },
        "message": {"version": "2", **fields, "trades": sorted(trades, key=lambda trade: str(trade["market"]))},
    }
