"""Signs the transactions of one account with its STARK key, natively."""

from __future__ import annotations

from collections.abc import Sequence

from truemark.keys import StarkKey
from truemark.transactions import Call, Fees, invoke_v3, with_signature

from truemark_keeper.slots import Signed


class StarkWallet:
    """An account whose contract takes one STARK signature (r, s), as OpenZeppelin's does; a slots.Wallet.

    Args:
        address: the account.
        key: its key; kept, never shown.
        chain_id: the chain that the signatures are for.
    """

    __slots__ = ("_address", "_chain_id", "_key")

    def __init__(self, address: int, key: StarkKey, chain_id: int) -> None:
        self._address = address
        self._key = key
        self._chain_id = chain_id

    def __repr__(self) -> str:
        return f"StarkWallet(address={self._address:#x}, chain_id={self._chain_id:#x}, key=<hidden>)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a StarkWallet is not pickled: it holds a key")

    @property
    def address(self) -> int:
        return self._address

    @property
    def chain_id(self) -> int:
        return self._chain_id

    def sign(self, calls: Sequence[Call], nonce: int, fees: Fees) -> Signed:
        """An invoke of version 3 with these calls, ready to be sent.

        Raises:
            BadFelt: a call or the nonce holds no felt.
        """
        tx_hash, unsigned = invoke_v3(calls, self._address, nonce, self._chain_id, fees)
        return Signed(tx_hash, with_signature(unsigned, self._key.sign(tx_hash)))
