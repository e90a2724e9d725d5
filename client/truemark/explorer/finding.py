"""Search by anything: a block's number, a hash, an address, a label, the name of an event or of a market."""

from __future__ import annotations

from typing import Final

from truemark.explorer.context import Context, off_loop
from truemark.explorer.views import Hit
from truemark.felt import PRIME
from truemark.index import Unindexed

_MOST: Final = 50
_WORD: Final = 2**256


class Finder:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._index = context.index
        self._lookups = context.lookups

    async def search(self, text: str) -> tuple[Hit, ...]:
        """What a text may mean, the likeliest first; nothing where it means nothing here."""
        text = text.strip()
        if not text:
            return ()
        number = _number(text)
        if number is not None:
            return await off_loop(self._by_number, number, text[:2].lower() != "0x")
        return await off_loop(self._by_name, text)

    def _by_number(self, number: int, decimal: bool) -> tuple[Hit, ...]:
        hits: list[Hit] = []
        if number < 2**63 and (decimal or number < 2**32):
            try:
                block = self._index.block(number)
                hits.append(Hit("block", str(number), f"block {number}, {block.transaction_count} transactions"))
            except Unindexed:
                hits += [
                    Hit("block", str(number), f"block {number}, orphaned", orphaned=True)
                    for _ in self._index.versions(number)[:1]
                ]
        if decimal and number < 2**64:
            return tuple(hits)
        for message in self._lookups.messages(None, 1, message_hash=number, orphaned=None):
            way = "L2 to L1" if message.direction == "to_l1" else "L1 to L2"
            orphaned = message.reorg is not None
            hits.append(Hit("message", f"{number:#x}", f"a message from {way}, block {message.number}", orphaned))
        if number >= PRIME:
            return tuple(hits)
        places = self._lookups.transaction_hashes(number)
        if places:
            hits.append(Hit("transaction", f"{number:#x}", "a transaction", orphaned=places[0]))
        found = self._lookups.block_by_hash(number)
        if found is not None and number:
            hits.append(Hit("block", str(found.number), f"block {found.number}, by its hash", found.orphaned))
        name = self._context.name(number)
        if name is not None or (number and self._lookups.knows_address(number)):
            hits.append(Hit("contract", f"{number:#x}", name or "a contract or account"))
        if self._lookups.knows_class(number):
            hits.append(Hit("class", f"{number:#x}", self._context.class_name(number) or "a class"))
        return tuple(hits)

    def _by_name(self, text: str) -> tuple[Hit, ...]:
        wanted = text.lower()
        hits = [
            Hit("contract", f"{address:#x}", name)
            for address, name in self._context.directory.labels().items()
            if wanted in name.lower()
        ]
        deployment = self._context.deployment
        if deployment is not None:
            hits += [
                Hit("market", str(info.index), name)
                for name, info in deployment.markets.items()
                if wanted in name.lower()
            ]
            hits += [
                Hit("class", f"{class_hash:#x}", f"class {name}")
                for name, class_hash in deployment.classes.items()
                if wanted in name.lower()
            ]
        hits += [Hit("event", name, f"events {name}") for name in self._lookups.event_names() if wanted in name.lower()]
        # What is called exactly so comes first, then what begins so.
        hits.sort(
            key=lambda hit: (
                hit.title.lower() != wanted and hit.target.lower() != wanted,
                not hit.title.lower().startswith(wanted),
            )
        )
        return tuple(hits[:_MOST])


def _number(text: str) -> int | None:
    try:
        number = int(text, 16) if text[:2].lower() == "0x" else int(text.replace(",", ""))
    except ValueError:
        return None
    return number if 0 <= number < _WORD else None
