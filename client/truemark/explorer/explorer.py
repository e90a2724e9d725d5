"""Reads a chain as a block explorer does: blocks, transactions with decoded calls and events, contracts.

A node is enough for these. With an index (`truemark.index`) it shows what no node tells: lists, histories, call trees,
writes with before and after, what was rolled back, and whether the data is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from truemark._portal import SyncTwin, sync
from truemark.abi import Abi
from truemark.contract import NO_BLOCK, BlockRef, Contract, ContractError, block_id
from truemark.deployment import Deployment
from truemark.explorer.directory import Directory, Known
from truemark.explorer.reading import (
    Parsed,
    decode_transaction,
    parse_block,
    parse_state_update,
    parse_transaction,
    transactions_of,
)
from truemark.explorer.records import Block, NotFound, StateDiff, Transaction
from truemark.felt import BadFelt, hex_of
from truemark.rpc import AsyncRpc, BadAnswer, RpcError

if TYPE_CHECKING:
    # The index brings SQLAlchemy, which reading a node does not need.
    from truemark.explorer.indexed import Indexed
    from truemark.explorer.judgement import Limits
    from truemark.explorer.views import (
        AccountView,
        ActivityPoint,
        BlockSummary,
        BlockView,
        CallRow,
        CallTree,
        ClassView,
        Comparison,
        ContractView,
        Health,
        Hit,
        MessageLife,
        Replacement,
        SlotWrite,
        Timeline,
        TransactionSummary,
        TransactionView,
        Transfer,
    )
    from truemark.index import EventFilter, EventRow, Index, Page

HASH_NOT_FOUND: Final = 29
INVALID_PARAMS: Final = -32602
#: Blocks asked for in one request.
_CHUNK: Final = 25


class AsyncExplorer:
    """Use as `async with`, or call `aclose`.

    Args:
        source: a deployment, or the URL of a node: then no contract has a name, and every ABI comes from the node.
        abis: ABIs of contracts by address, for those whose class has none of use.
        names: names of addresses, beside the deployment's.
        rpc: a client to use and leave open, instead of one of its own.
        index: an opened index to use and leave open, or a file or database URL to open; None: the node alone is read.

    Raises:
        BadIndex: the index cannot be opened.
    """

    def __init__(
        self,
        source: Deployment | str,
        *,
        abis: Mapping[int, Abi] | None = None,
        names: Mapping[int, str] | None = None,
        rpc: AsyncRpc | None = None,
        index: Index | str | Path | None = None,
    ) -> None:
        self.deployment = source if isinstance(source, Deployment) else None
        url = source.l2_rpc if isinstance(source, Deployment) else source
        self._rpc = rpc if rpc is not None else AsyncRpc(url)
        self._owns_rpc = rpc is None
        self._directory = Directory(self._rpc, self.deployment, abis=abis, names=names)
        self._indexed: Indexed | None = None
        if index is not None:
            from truemark.explorer.indexed import Indexed

            self._indexed = Indexed(index, self._rpc, self._directory, self.deployment)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections that it opened itself."""
        if self._owns_rpc:
            await self._rpc.aclose()
        if self._indexed is not None:
            self._indexed.close()

    @property
    def index(self) -> Index | None:
        """The index that it reads."""
        return None if self._indexed is None else self._indexed.index

    async def head(self) -> int:
        """The number of the latest block.

        Raises:
            NodeUnavailable: the node does not answer.
        """
        return int(await self._rpc.call("starknet_blockNumber"))

    async def block(self, block: BlockRef = "latest") -> Block:
        """A block by number, hash or tag ("latest", "pre_confirmed", "l1_accepted"), with its transactions decoded.

        Raises:
            NotFound: the node has none.
            BadBlock: `block` names none.
            NodeUnavailable: the node does not answer, or not with a block.
        """
        if self._indexed is not None:
            indexed = await self._indexed.block(block)
            if indexed is not None:
                return indexed
        (found,) = await self._blocks([block])
        return found

    async def blocks(self, numbers: range) -> tuple[Block, ...]:
        """Blocks by number, in the order of the range.

        Raises:
            NotFound: the node does not have all of them.
            NodeUnavailable: the node does not answer, or not with blocks.
        """
        found: list[Block] = []
        for start in range(0, len(numbers), _CHUNK):
            found += await self._blocks(numbers[start : start + _CHUNK])
        return tuple(found)

    async def transaction(self, tx_hash: int | str) -> Transaction:
        """A transaction by its hash, with its calls and events decoded.

        Raises:
            NotFound: the node has none.
            NodeUnavailable: the node does not answer, or not with a transaction.
        """
        wanted = {"transaction_hash": _hash(tx_hash)}
        if self._indexed is not None:
            indexed = await self._indexed.transaction(int(wanted["transaction_hash"], 16))
            if indexed is not None:
                return indexed
        raw, receipt = await self._rpc.batch(
            [("starknet_getTransactionByHash", wanted), ("starknet_getTransactionReceipt", wanted)]
        )
        for answer in (raw, receipt):
            if isinstance(answer, RpcError):
                if answer.code == HASH_NOT_FOUND:
                    raise NotFound(f"no transaction {wanted['transaction_hash']}")
                raise answer
        parsed = parse_transaction(raw, receipt)
        at: BlockRef = "pre_confirmed" if parsed.receipt.block_number is None else parsed.receipt.block_number
        known = await self._directory.resolve((address, at) for address in parsed.addresses())
        return _decoded(parsed, None, at, known)

    async def pre_confirmed(self) -> Block | None:
        """The block that the node is making, read whole each time, its transactions decoded and marked PRE_CONFIRMED.
        None: the node has none, or what it has is in the chain by now. Nothing of it is kept: it may never come.

        Raises:
            NodeUnavailable: the node does not answer, or not with a block.
        """
        try:
            (found,) = await self._blocks(["pre_confirmed"])
        except NotFound:
            return None
        except RpcError as error:
            if error.code == INVALID_PARAMS:
                # It does not know the tag.
                return None
            raise
        if found.hash is not None:
            return None
        head = await self.head() if self._indexed is None else await self._indexed.head()
        return None if found.number <= head else found

    async def diff(self, block: BlockRef = "latest") -> StateDiff:
        """What a block changed.

        Raises:
            NotFound, NodeUnavailable: as `block`.
        """
        try:
            raw = await self._rpc.call("starknet_getStateUpdate", {"block_id": block_id(block)})
        except RpcError as error:
            raise _missing(error, block) from None
        return parse_state_update(raw)

    async def abi(self, contract: str | int, block: BlockRef = "latest") -> Abi:
        """The ABI of the class that a contract had at `block`.

        Raises:
            NotFound: there is no such contract, or none with an ABI.
            NodeUnavailable: the node does not answer.
        """
        return (await self.contract(contract, block)).abi

    async def contract(self, contract: str | int, block: BlockRef = "latest") -> Contract:
        """A contract by its name in the deployment or its address, with the ABI of its class at `block`.

        Raises:
            NotFound: there is none, or none with an ABI.
            NodeUnavailable: the node does not answer.
        """
        address = self.address(contract)
        known = (await self._directory.resolve([(address, block)]))[address, block]
        if known.abi is None:
            raise NotFound(f"{contract if isinstance(contract, str) else hex(contract)} cannot be read: {known.reason}")
        return Contract(self._rpc, address, known.abi)

    async def read(
        self, contract: str | int, function: str, /, *args: Any, block: BlockRef = "latest", **kwargs: Any
    ) -> Any:
        """What a contract's function returns on the state after `block`.

        Raises:
            NotFound: there is no such contract.
            AbiError: it has no such function, or an argument does not fit.
            ContractError: it reverts.
            NodeUnavailable: the node does not answer.
        """
        found = await self.contract(contract, block)
        try:
            return await found.read(function, *args, block=block, **kwargs)
        except ContractError as error:
            name = self._directory.name(found.address) or hex(found.address)
            raise ContractError(f"{name}.{function}", error.reason) from None

    def name(self, address: int) -> str | None:
        """What the deployment calls an address."""
        return self._directory.name(address)

    def address(self, contract: str | int) -> int:
        """The address of a contract or an operator by its name in the deployment, or as it is.

        Raises:
            NotFound: the deployment has no such name.
        """
        if isinstance(contract, int):
            return contract
        if contract[:2].lower() == "0x":
            return int(_hash(contract), 16)
        address = self._directory.address(contract)
        if address is None:
            raise NotFound(
                f"nothing is called {contract!r}; there are {', '.join(self._directory.names()) or 'no names'}"
            )
        return address

    # What takes an index. All raise NoIndex without one.

    async def latest_blocks(self, cursor: str | None = None, limit: int = 25) -> Page[BlockSummary]:
        """The newest blocks, newest first; `cursor` is that of the page before."""
        return await self._with_index().latest_blocks(cursor, limit)

    async def latest_transactions(
        self,
        cursor: str | None = None,
        limit: int = 25,
        *,
        sender: int | str | None = None,
        failed: bool = False,
        kind: str | None = None,
    ) -> Page[TransactionSummary]:
        """The newest transactions, newest first.

        Args:
            sender: only those of an account.
            failed: only those that were reverted.
            kind: INVOKE, DECLARE, DEPLOY_ACCOUNT, L1_HANDLER.
        """
        return await self._with_index().latest_transactions(
            cursor, limit, sender=self._address_or_none(sender), failed=failed, kind=kind
        )

    async def block_view(self, block: BlockRef = "latest", *, orphaned: int | None = None) -> BlockView:
        """A block with what it wrote and what became of it, by number, hash or "latest"; with `orphaned` the one of
        that rollback.

        Raises:
            NotFound: the index has none.
        """
        return await self._with_index().block_view(block, orphaned)

    async def transaction_view(self, tx_hash: int | str) -> TransactionView:
        """A transaction with its call tree, its writes and its messages; as the chain has it, else as it was orphaned.

        Raises:
            NotFound: the index has none.
        """
        return await self._with_index().transaction_view(int(_hash(tx_hash), 16))

    async def call_tree(self, tx_hash: int | str) -> CallTree:
        """What a transaction called.

        Raises:
            NotFound: the index has none.
        """
        return await self._with_index().call_tree(int(_hash(tx_hash), 16))

    async def writes(self, block: BlockRef) -> tuple[SlotWrite, ...]:
        """What a block wrote, by variable, with before and after.

        Raises:
            NotFound: the index has none.
        """
        return await self._with_index().writes(block)

    async def account_view(self, account: int | str, block: int | None = None) -> AccountView:
        """An address after a block: its class, nonce, tokens, and margin where it has some."""
        return await self._with_index().people.account(self.address(account), block)

    async def contract_view(self, contract: int | str, block: int | None = None) -> ContractView:
        """A contract after a block: what can be read and called, its events, the classes that it had."""
        return await self._with_index().people.contract(self.address(contract), block)

    async def class_view(self, class_hash: int | str) -> ClassView:
        """
        Raises:
            NotFound: neither the index nor the node knows it.
        """
        return await self._with_index().class_view(int(_hash(class_hash), 16))

    async def events(
        self,
        wanted: EventFilter | None = None,
        cursor: str | None = None,
        limit: int = 100,
        *,
        newest_first: bool = True,
    ) -> Page[EventRow]:
        """Events by contract, name, keys, address in a field, blocks."""
        return await self._with_index().events(wanted, cursor, limit, newest_first)

    async def calls_to(self, contract: int | str, cursor: str | None = None, limit: int = 25) -> Page[CallRow]:
        """The calls that a contract took, newest first."""
        return await self._with_index().chain.calls_to(self.address(contract), cursor, limit)

    async def transfers(
        self,
        cursor: str | None = None,
        limit: int = 25,
        *,
        token: int | str | None = None,
        account: int | str | None = None,
    ) -> Page[Transfer]:
        """Tokens that moved, newest first."""
        return await self._with_index().people.transfers(
            cursor, limit, token=self._address_or_none(token), account=self._address_or_none(account)
        )

    async def tokens(self) -> tuple[int, ...]:
        """The contracts that may move tokens: they emitted events, and their class has one of the name Transfer."""
        return await self._with_index().people.tokens()

    async def messages(
        self, cursor: str | None = None, limit: int = 25, *, direction: str | None = None, orphaned: bool = False
    ) -> Page[MessageLife]:
        """Messages between L1 and L2, newest first; `direction` "to_l1" or "to_l2". L1 is not asked."""
        return await self._with_index().mail.page(cursor, limit, direction=direction, orphaned=orphaned)

    async def message(self, message_hash: int | str) -> tuple[MessageLife, ...]:
        """The life of a message by its hash, also on L1 where its node answers; each time that it was on its way.

        Raises:
            NotFound: the index has none.
        """
        return await self._with_index().message(message_hash)

    async def compare(
        self, before: int, after: int, *, contract: int | str | None = None, account: int | str | None = None
    ) -> Comparison:
        """What differs between the states after two blocks, by contract, account and variable.

        Raises:
            NotFound: the index lacks one of them.
        """
        return await self._with_index().compare(
            before, after, self._address_or_none(contract), self._address_or_none(account)
        )

    async def unattributed(
        self, first: int = 0, last: int | None = None, *, orphaned: bool = False
    ) -> tuple[SlotWrite, ...]:
        """Writes that no transaction explains, oldest first."""
        return await self._with_index().differences.unattributed(first, last, orphaned=orphaned)

    async def replacements(self, reorg: int | None = None, limit: int = 100) -> tuple[Replacement, ...]:
        """Orphaned blocks beside what took their place, newest rollback first; of one rollback, or all; as many as
        `limit` at most."""
        return await self._with_index().differences.replacements(reorg, limit)

    async def timeline(
        self, market: int | str, first: int = 0, last: int | None = None, *, limits: Limits | None = None
    ) -> Timeline:
        """Marks and funding of a market, by its index or name, with what is strange about them.

        Raises:
            NotFound: the deployment has no market of that name.
        """
        return await self._with_index().timeline(market, first, last, limits)

    async def health(self, *, limits: Limits | None = None, now: float | None = None) -> Health:
        """Whether the chain goes on, the index is with it, and the data is right.

        Args:
            now: seconds since 1970, for a chain whose clock is not the wall's.
        """
        return await self._with_index().health(limits, now)

    async def search(self, text: str) -> tuple[Hit, ...]:
        """What a text may mean: a block, a hash, an address, a label, the name of an event or a market."""
        return await self._with_index().finder.search(text)

    async def activity(self, first: int = 0, last: int | None = None, points: int = 100) -> tuple[ActivityPoint, ...]:
        """Blocks summed up for charts, in at most so many stretches, oldest first."""
        return await self._with_index().activity(first, last, points)

    async def export(
        self,
        kind: str,
        path: Path | str,
        *,
        first: int = 0,
        last: int | None = None,
        orphaned: bool = False,
        form: str | None = None,
    ) -> int:
        """Writes what blocks `first` to `last` hold as CSV or Parquet into a file; how many rows.

        Args:
            kind: blocks, transactions, events, calls, storage, nonces, contracts, messages, marks, funding, balances,
                positions.
            orphaned: what was rolled back, instead of what the chain holds.
            form: "csv" or "parquet"; by default what the file's name ends with.

        Raises:
            BadExport: no such kind or form; or Parquet, and pyarrow is not installed.
        """
        return await self._with_index().export(kind, Path(path), first, last, orphaned, form)

    def _with_index(self) -> Indexed:
        if self._indexed is None:
            from truemark.explorer.views import NoIndex

            raise NoIndex("this takes an index: Explorer(..., index=...); `truemark index run` makes one")
        return self._indexed

    def _address_or_none(self, contract: int | str | None) -> int | None:
        return None if contract is None else self.address(contract)

    async def _blocks(self, blocks: Sequence[BlockRef]) -> list[Block]:
        answers = await self._rpc.batch(
            [("starknet_getBlockWithReceipts", {"block_id": block_id(block)}) for block in blocks]
        )
        parsed: list[tuple[BlockRef, Mapping[str, Any], list[Parsed]]] = []
        for block, raw in zip(blocks, answers, strict=True):
            if isinstance(raw, RpcError):
                raise _missing(raw, block)
            if not isinstance(raw, dict) or not isinstance(raw.get("block_number"), int):
                raise BadAnswer(f"the node gave what is no block for {block}")
            # By number, not by the tag it was asked for: the chain goes on meanwhile.
            at: BlockRef = raw["block_number"] if "block_hash" in raw else "pre_confirmed"
            parsed.append((at, raw, transactions_of(raw)))
        known = await self._directory.resolve(
            (address, at) for at, _, transactions in parsed for tx in transactions for address in tx.addresses()
        )
        return [
            parse_block(raw, tuple(_decoded(tx, index, at, known) for index, tx in enumerate(transactions)))
            for at, raw, transactions in parsed
        ]


class Explorer(SyncTwin[AsyncExplorer]):
    """AsyncExplorer without an event loop: the same methods, each waits. Use as `with`, or call `close`."""

    def __init__(
        self,
        source: Deployment | str,
        *,
        abis: Mapping[int, Abi] | None = None,
        names: Mapping[int, str] | None = None,
        index: Index | str | Path | None = None,
    ) -> None:
        self._twin = AsyncExplorer(source, abis=abis, names=names, index=index)

    @property
    def index(self) -> Index | None:
        """The index that it reads."""
        return self._twin.index

    @property
    def deployment(self) -> Deployment | None:
        return self._twin.deployment

    def name(self, address: int) -> str | None:
        """What the deployment calls an address."""
        return self._twin.name(address)

    def address(self, contract: str | int) -> int:
        """The address of a contract or an operator by its name in the deployment, or as it is.

        Raises:
            NotFound: the deployment has no such name.
        """
        return self._twin.address(contract)

    head = sync(AsyncExplorer.head)
    block = sync(AsyncExplorer.block)
    blocks = sync(AsyncExplorer.blocks)
    transaction = sync(AsyncExplorer.transaction)
    pre_confirmed = sync(AsyncExplorer.pre_confirmed)
    diff = sync(AsyncExplorer.diff)
    abi = sync(AsyncExplorer.abi)
    read = sync(AsyncExplorer.read)
    latest_blocks = sync(AsyncExplorer.latest_blocks)
    latest_transactions = sync(AsyncExplorer.latest_transactions)
    block_view = sync(AsyncExplorer.block_view)
    transaction_view = sync(AsyncExplorer.transaction_view)
    call_tree = sync(AsyncExplorer.call_tree)
    writes = sync(AsyncExplorer.writes)
    account_view = sync(AsyncExplorer.account_view)
    contract_view = sync(AsyncExplorer.contract_view)
    class_view = sync(AsyncExplorer.class_view)
    events = sync(AsyncExplorer.events)
    calls_to = sync(AsyncExplorer.calls_to)
    transfers = sync(AsyncExplorer.transfers)
    tokens = sync(AsyncExplorer.tokens)
    messages = sync(AsyncExplorer.messages)
    message = sync(AsyncExplorer.message)
    compare = sync(AsyncExplorer.compare)
    unattributed = sync(AsyncExplorer.unattributed)
    replacements = sync(AsyncExplorer.replacements)
    timeline = sync(AsyncExplorer.timeline)
    health = sync(AsyncExplorer.health)
    search = sync(AsyncExplorer.search)
    activity = sync(AsyncExplorer.activity)
    export = sync(AsyncExplorer.export)


def _decoded(
    parsed: Parsed, index: int | None, at: BlockRef, known: Mapping[tuple[int, BlockRef], Known]
) -> Transaction:
    return decode_transaction(parsed, index, lambda address: known[address, at])


def _missing(error: RpcError, block: BlockRef) -> Exception:
    return NotFound(f"no block {block}") if error.code == NO_BLOCK else error


def _hash(value: int | str) -> str:
    try:
        return hex_of(int(value, 16) if isinstance(value, str) else value)
    except (BadFelt, ValueError):
        raise NotFound(f"{value} is no hash and no address: 0x and at most 64 hexadecimal digits are") from None
