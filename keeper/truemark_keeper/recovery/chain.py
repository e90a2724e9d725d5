"""What a rollback needs of the node that it rolls back: one protocol, an adapter for each kind of node.

An adapter is found through the entry point group `truemark.recovery`; truemark-devnet brings "devnet". What Madara and
Katana have for each method is in docs/recovery-adapters.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from truemark.l1 import L1Bridge, L1Deposit


class RecoveryChain(Protocol):
    """One appchain and its settlement layer, as the operator has power over them.

    Every method may be called again after it was cut short, with the same result.
    """

    @property
    def l1(self) -> L1Bridge:
        """The bridge on L1, with a key that sends there."""
        ...

    async def close_admission(self, allowed: Iterable[int] = ()) -> None:
        """From its return on no transaction lands but those of the allowed accounts (addresses)."""
        ...

    async def open_admission(self) -> None:
        """Everybody's transactions pass again."""
        ...

    async def carry(self) -> None:
        """Delivers all messages that wait between the layers, both ways."""
        ...

    async def deliver(self, deposit: L1Deposit) -> None:
        """Hands a deposit's message to L2 once more, with its nonce: L1 has it as consumed, and the block of its
        handler was erased. The bridge on L2 takes each nonce once, so nothing happens if it was there after all."""
        ...

    async def erase_after(self, block: int) -> None:
        """Takes the chain back: `block` is the newest one then. Nothing happens if it is already."""
        ...

    async def fill_to(self, block: int) -> None:
        """Makes empty blocks until there is one with that number."""
        ...

    async def l1_epoch(self) -> int:
        """The epoch that the bridge on L1 counts; no rollback of L2 can take it back."""
        ...

    async def new_epoch(self) -> None:
        """Raises the epoch on L1 by one, and sends L2 the message that tells it."""
        ...
