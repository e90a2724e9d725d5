"""Names for storage slots, and what they hold: Truemark's own layout, and for any contract the names that most
contracts give to their owner, their keys and their balances. A slot's key is a hash, so a name is found by hashing what
may be it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from truemark.felt import selector
from truemark.index.layout import Slot, base_of
from truemark.index.naming import Naming
from truemark.index.packed import opened

#: As OpenZeppelin's components, StarkGate's tokens and many others call them.
_SCALARS: Final = (
    "Account_public_key",
    "Ownable_owner",
    "Ownable_pending_owner",
    "Pausable_paused",
    "Initializable_initialized",
    "ERC20_name",
    "ERC20_symbol",
    "ERC20_decimals",
    "ERC20_total_supply",
    "ERC721_name",
    "ERC721_symbol",
    "_name",
    "_symbol",
    "_owner",
    "name",
    "symbol",
    "decimals",
    "owner",
    "admin",
    "governor",
    "paused",
    "total_supply",
    "balance",
    "counter",
    "value",
)
_BALANCES: Final = ("ERC20_balances", "balances", "_balances")
#: Integers of 256 bits take two slots.
_WIDE: Final = frozenset({"ERC20_total_supply", "total_supply"})


class SlotNames:
    """
    Args:
        naming: that of the index, with the keys that the blocks in question tell.
        addresses: that may be keys of balances: who took part in a block.
        tokens: the contracts that may have balances; None: any.
    """

    def __init__(self, naming: Naming, addresses: Iterable[int] = (), tokens: Iterable[int] | None = None) -> None:
        self._addresses = sorted(set(addresses))
        self._naming = naming
        self._ours = set(naming.laid_out())
        self._tokens = None if tokens is None else set(tokens)
        #: Hashed when they are needed: most tokens use the first name.
        self._balances: list[dict[int, Slot]] = []

    def slot(self, address: int, key: int) -> Slot | None:
        if address in self._ours:
            return self._naming.slot(address, key)
        known = _scalars().get(key)
        if known is not None or (self._tokens is not None and address not in self._tokens):
            return known
        for place, name in enumerate(_BALANCES):
            if place == len(self._balances):
                self._balances.append(self._hashed(name))
            known = self._balances[place].get(key)
            if known is not None:
                return known
        return None

    def _hashed(self, name: str) -> dict[int, Slot]:
        found = {}
        for address in self._addresses:
            base = base_of((name,), address)
            found[base] = Slot(f"{name}[{address:#x}].low", address)
            found[base + 1] = Slot(f"{name}[{address:#x}].high", address)
        return found

    def shown(self, address: int, slot: Slot | None, value: int | None) -> Mapping[str, str] | None:
        """What a slot holds, by name, where that is more than one number."""
        if slot is None or value is None:
            return None
        return opened(self._naming.contract(address) or "", slot.variable, value)


@cache
def _scalars() -> Mapping[int, Slot]:
    found = {selector(name): Slot(name) for name in _SCALARS}
    for name in _WIDE:
        found[selector(name)] = Slot(f"{name}.low")
        found[selector(name) + 1] = Slot(f"{name}.high")
    return found
