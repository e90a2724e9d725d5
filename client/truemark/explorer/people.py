"""Accounts, contracts, classes and tokens: who is at an address, what it holds, what it moved."""

from __future__ import annotations

from typing import Any, Final

from truemark.abi import Abi, AbiError
from truemark.contract import Contract, ContractError
from truemark.explorer.context import Context, is_token, is_venue, number_field, off_loop
from truemark.explorer.views import (
    AccountView,
    ClassPeriod,
    ClassView,
    ContractView,
    Margin,
    Token,
    TokenBalance,
    Transfer,
)
from truemark.felt import BadShortString, short_string_text
from truemark.index.records import BalanceRow, Cause, EventFilter, EventRow, Page
from truemark.index.values import number, optional_number
from truemark.rpc import NodeUnavailable, RpcError

_TRANSFER: Final = "Transfer"
_SENDERS: Final = ("from", "from_", "sender")
_RECIPIENTS: Final = ("to", "recipient")
_AMOUNTS: Final = ("value", "amount")
_IDS: Final = ("token_id", "tokenId")
_UNREADABLE: Final = (ContractError, AbiError, RpcError, NodeUnavailable)


class PeopleReader:
    """Addresses and classes of an index; balances and token names are read from the node."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._index = context.index
        self._lookups = context.lookups
        self._tokens: dict[int, Token] = {}

    async def account(self, address: int, block: int | None = None) -> AccountView:
        """After a block; by default now."""
        known = (await self._context.shelf.resolve([address], await self._record(block)))[address]
        abi = known.abi
        return AccountView(
            address=address,
            name=self._context.name(address),
            class_hash=known.class_hash,
            class_name=self._context.class_name(known.class_hash),
            reason=known.reason,
            nonce=await off_loop(self._lookups.nonce_at, address, block),
            balances=await self.balances(address, block),
            margins=await off_loop(self._margins, address, block),
            is_account=abi is not None and "__execute__" in abi.functions,
            is_token=is_token(abi),
            is_venue=is_venue(abi),
            sent=await off_loop(self._lookups.sent, address),
            first_block=await off_loop(self._lookups.first_seen, address),
        )

    async def contract(self, address: int, block: int | None = None) -> ContractView:
        account = await self.account(address, block)
        known = (await self._context.shelf.resolve([address], await self._record(block)))[address]
        functions = [] if known.abi is None else sorted(known.abi.functions.values(), key=lambda each: each.name)
        return ContractView(
            account=account,
            abi=known.abi,
            views=tuple(each for each in functions if each.is_view),
            writes=tuple(each for each in functions if not each.is_view and each.kind == "function"),
            event_names=() if known.abi is None else known.abi.event_names(),
            classes=tuple(
                ClassPeriod(row.number, number(row.class_hash), row.how, optional_number(row.hash), Cause(row.cause))
                for row in await off_loop(self._lookups.class_periods, address)
            ),
        )

    async def a_class(self, class_hash: int) -> ClassView | None:
        """None: neither the index nor the node knows it."""
        abi = await self._context.shelf.abi_of(class_hash)
        declared = await off_loop(self._lookups.declaration, class_hash)
        contracts = await off_loop(self._lookups.contracts_of, class_hash)
        if isinstance(abi, str) and declared is None and not contracts:
            return None
        now = await off_loop(self._lookups.classes_at, contracts, None)
        return ClassView(
            class_hash=class_hash,
            name=self._context.class_name(class_hash),
            abi=None if isinstance(abi, str) else abi,
            reason=abi if isinstance(abi, str) else None,
            compiled_class_hash=None if declared is None else optional_number(declared.compiled_class_hash),
            declared_block=None if declared is None else declared.number,
            declared_tx=None if declared is None else optional_number(declared.hash),
            contracts=tuple(
                (address, self._context.name(address))
                for address in contracts
                if now.get(address, (None,))[0] == class_hash
            ),
        )

    async def transfers(
        self,
        cursor: str | None,
        limit: int,
        *,
        token: int | None = None,
        account: int | None = None,
        newest_first: bool = True,
    ) -> Page[Transfer]:
        """Tokens that moved. Events of the name Transfer whose fields are none are left out, so a page may be short."""
        wanted = EventFilter(address=token, name=_TRANSFER, mentions=account)
        page = await off_loop(self._index.events, wanted, cursor, limit, newest_first=newest_first)
        found = []
        for row in page.rows:
            transfer = await self._transfer(row)
            if transfer is not None:
                found.append(transfer)
        return Page(tuple(found), page.cursor)

    async def tokens(self) -> tuple[int, ...]:
        """The contracts that emitted events and whose class has one of the name Transfer."""
        known = await self._context.shelf.resolve(await off_loop(self._lookups.emitters))
        return tuple(
            address for address, each in known.items() if each.abi is not None and _TRANSFER in each.abi.event_names()
        )

    async def token(self, address: int) -> Token:
        """What a token says of itself."""
        known = self._tokens.get(address)
        if known is None:
            abi = (await self._context.shelf.resolve([address]))[address].abi
            try:
                known = Token(
                    address,
                    _text(await self._read(address, abi, ("name",))),
                    _text(await self._read(address, abi, ("symbol",))),
                    _small(await self._read(address, abi, ("decimals",))),
                )
            except NodeUnavailable:
                # Asked again next time.
                return Token(address, None, None, None)
            self._tokens[address] = known
        return known

    async def balances(self, address: int, block: int | None = None) -> tuple[TokenBalance, ...]:
        """Of each token that ever moved to or from an address."""
        found = []
        for token in await off_loop(self._lookups.tokens_of, address):
            abi = (await self._context.shelf.resolve([token]))[token].abi
            if not is_token(abi):
                continue
            amount, reason = None, None
            try:
                read = await self._read(token, abi, ("balance_of", "balanceOf"), address, block=block)
                amount = read if isinstance(read, int) else None
                reason = None if amount is not None else "the token does not say"
            except NodeUnavailable as error:
                reason = str(error)
            found.append(TokenBalance(await self.token(token), amount, reason))
        return tuple(found)

    async def _read(
        self, address: int, abi: Abi | None, names: tuple[str, ...], *args: Any, block: int | None = None
    ) -> Any:
        """The first of these functions that the contract has; None: it has none, or refuses.

        Raises:
            NodeUnavailable: the node does not answer.
        """
        if abi is None:
            return None
        for name in names:
            if name in abi.functions:
                try:
                    at = "latest" if block is None else block
                    return await Contract(self._context.rpc, address, abi).read(name, *args, block=at)
                except NodeUnavailable:
                    raise
                except _UNREADABLE:
                    return None
        return None

    async def _transfer(self, row: EventRow) -> Transfer | None:
        fields = row.fields or {}
        sender, recipient = number_field(fields, *_SENDERS), number_field(fields, *_RECIPIENTS)
        amount, token_id = number_field(fields, *_AMOUNTS), number_field(fields, *_IDS)
        if sender is None or recipient is None or (amount is None and token_id is None):
            return None
        return Transfer(
            token=await self.token(row.address),
            sender=sender,
            sender_name=self._context.name(sender),
            recipient=recipient,
            recipient_name=self._context.name(recipient),
            amount=amount,
            token_id=token_id,
            block_number=row.block_number,
            timestamp=row.timestamp,
            tx_hash=row.tx_hash,
            tx_index=row.tx_index,
            event_index=row.index,
            orphaned=row.orphaned,
        )

    def _margins(self, address: int, block: int | None) -> tuple[Margin, ...]:
        newest: dict[int, BalanceRow] = {}
        for row in self._index.balance_history(address, last_block=block):
            newest[row.venue] = row
        positions = self._index.positions(address, block)
        return tuple(
            Margin(
                venue=venue,
                venue_name=self._context.name(venue),
                balance=balance,
                positions=tuple(each for each in positions if each.venue == venue),
            )
            for venue, balance in newest.items()
        )

    async def _record(self, block: int | None) -> Any:
        return None if block is None else await off_loop(self._index.block, block)


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and value:
        try:
            return short_string_text(value)
        except BadShortString:
            return None
    return None


def _small(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 256 else None
