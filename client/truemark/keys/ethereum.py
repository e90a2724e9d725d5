"""Who signs with an Ethereum key: a key held here, or anything else that can answer for an address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from truemark.errors import TruemarkError

#: Of the group of Ethereum's curve.
SECP256K1_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class NotDeterministic(TruemarkError, ValueError):
    """A signer gave two signatures of one message: no key can be derived from it, the next one would be another."""


class WrongSigner(TruemarkError, ValueError):
    """A signature is not by the address that was to give it."""


class BadSignature(TruemarkError, ValueError):
    """Bytes that are no Ethereum signature."""


class SignerRefused(TruemarkError, PermissionError):
    """The person or the policy behind an external signer said no: nothing was signed."""


class SignerTimeout(TruemarkError, TimeoutError):
    """An external signer did not answer in time."""


class BadEthKey(TruemarkError, ValueError):
    """What is no Ethereum private key. The message never shows it."""


class EthSigner(Protocol):
    """An Ethereum account that signs EIP-712 typed data: a wallet, a hardware device, a key service."""

    @property
    def address(self) -> str:
        """0x and 40 hex digits, in any case."""
        ...

    def sign_typed_data(self, typed_data: dict[str, Any]) -> bytes:
        """The 65 bytes r, s, v of a full EIP-712 message (types with EIP712Domain, primaryType, domain, message). It
        may wait for a person; one who says no is a SignerRefused.
        """
        ...


class LocalEthSigner:
    """An Ethereum private key held in this process."""

    __slots__ = ("__account",)

    def __init__(self, private_key: int | str | bytes) -> None:
        """
        Raises:
            BadEthKey: it is no private key.
        """
        # Its import takes most of a second, and an account with a STARK key needs none of it.
        from eth_account import Account

        data = _key_bytes(private_key)
        # Checked here: the library takes 0, and quotes the key in what it says of others.
        if data is None or not 1 <= int.from_bytes(data, "big") < SECP256K1_ORDER:
            raise BadEthKey("an Ethereum private key is 32 bytes, above 0 and below the curve's order; this is not")
        self.__account = Account.from_key(data)

    @property
    def address(self) -> str:
        return str(self.__account.address)

    def sign_typed_data(self, typed_data: dict[str, Any]) -> bytes:
        return bytes(self.__account.sign_typed_data(full_message=typed_data).signature)

    def __repr__(self) -> str:
        return f"LocalEthSigner(address={self.address!r}, private_key=<hidden>)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a LocalEthSigner is not pickled: that would write the private key out")


def sign_twice(signer: EthSigner, typed_data: Mapping[str, Any]) -> bytes:
    """The signature of a message, asked for twice and checked: 65 bytes, v 27 or 28.

    Raises:
        BadSignature: the signer gave no signature of 65 bytes.
        NotDeterministic: it gave two different ones, as threshold and contract wallets do.
        WrongSigner: it is not by the signer's address.
    """
    message = dict(typed_data)
    first, second = (_normal(signer.sign_typed_data(message)) for _ in range(2))
    if first != second:
        raise NotDeterministic(
            f"{signer.address} signs the same message differently each time (a threshold or contract wallet?): "
            "no key can be derived from it. Use a STARK key of its own instead"
        )
    recovered = recover(message, first)
    if int(recovered, 16) != int(signer.address, 16):
        raise WrongSigner(f"the signature is by {recovered}, not by {signer.address}")
    return first


def recover(typed_data: Mapping[str, Any], signature: bytes) -> str:
    """The address that signed.

    Raises:
        BadSignature: nobody did.
    """
    from eth_account import Account
    from eth_account.messages import encode_typed_data
    from eth_keys.exceptions import BadSignature as NoPoint
    from eth_utils.exceptions import ValidationError

    try:
        return str(
            Account.recover_message(encode_typed_data(full_message=dict(typed_data)), signature=_normal(signature))
        )
    except (NoPoint, ValidationError) as error:
        raise BadSignature("these 65 bytes are no signature") from error


def _normal(signature: bytes) -> bytes:
    if len(signature) != 65:
        raise BadSignature(f"an Ethereum signature has 65 bytes, this has {len(signature)}")
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    if v not in (0, 1, 27, 28):
        raise BadSignature(f"the last byte of an Ethereum signature is 27 or 28 (or 0 or 1), this is {v}")
    odd = v % 2 == 0 if v >= 27 else v == 1
    # Of the two s that sign the same, the lower one is the canonical: which of them a device gives is no difference.
    if SECP256K1_ORDER // 2 < s < SECP256K1_ORDER:
        s, odd = SECP256K1_ORDER - s, not odd
    return bytes(r) + s.to_bytes(32, "big") + bytes([27 + odd])


def _key_bytes(private_key: object) -> bytes | None:
    try:
        if isinstance(private_key, bool):
            return None
        if isinstance(private_key, int):
            return private_key.to_bytes(32, "big")
        if isinstance(private_key, str):
            data = bytes.fromhex(private_key.removeprefix("0x"))
        elif isinstance(private_key, bytes | bytearray):
            data = bytes(private_key)
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return data if len(data) == 32 else None
