"""The follower on chains that no development node makes: with state roots, with holes, changing while they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
from truemark.felt import selector
from truemark.index import BadIndex, Cause, EventFilter, Follower, Index, IndexConflict
from truemark.index.layout import AccountSlot, PositionSlot, unpack_account, unpack_position
from truemark.index.reader import BlockChanged
from truemark.rpc import RpcError

EMITTER = 0xE
PING = selector("Ping")
ABI = [
    {
        "type": "event",
        "name": "t::Ping",
        "kind": "struct",
        "members": [
            {"name": "who", "type": "core::starknet::contract_address::ContractAddress", "kind": "key"},
            {"name": "amount", "type": "core::integer::u64", "kind": "data"},
        ],
    },
    {
        "type": "event",
        "name": "t::Event",
        "kind": "enum",
        "variants": [{"name": "Ping", "type": "t::Ping", "kind": "nested"}],
    },
]


def digest(*parts: Any) -> str:
    return hex(int.from_bytes(sha256(repr(parts).encode()).digest(), "big") >> 8)


class Chain:
    """Stands in for AsyncRpc: blocks of constructed JSON; `strong`: hashes and state roots stand for the content."""

    url = "constructed"

    def __init__(self, *, strong: bool = True) -> None:
        self.strong = strong
        self.contents: list[tuple[Any, ...]] = []
        self.transactions: list[list[dict[str, Any]]] = []
        self.diffs: list[dict[str, Any]] = []
        self.traces: list[list[dict[str, Any]]] | None = []
        self.asked: list[str] = []
        #: Called before each request.
        self.before: Callable[[], None] = lambda: None
        self.pad = False

    def add(
        self,
        content: Any = None,
        *,
        events: Sequence[tuple[list[int], list[int]]] = (),
        writes: Sequence[tuple[int, int]] = (),
        traced: Sequence[Sequence[tuple[int, int]]] | None = None,
        classes: Sequence[tuple[int, int]] = (),
    ) -> None:
        """A block with one transaction for each member of `traced`, by default one that wrote all of `writes`."""
        traced = [writes] if traced is None else traced
        number = len(self.contents)
        self.contents.append((content, repr((events, writes))))
        hashes = [digest("tx", number, content, place) for place in range(len(traced))]
        self.transactions.append(
            [transaction(tx_hash, events if place == 0 else ()) for place, tx_hash in enumerate(hashes)]
        )
        diff = difference(writes)
        diff["deployed_contracts"] = [{"address": hex(at), "class_hash": hex(of)} for at, of in classes]
        self.diffs.append(diff)
        if self.traces is not None:
            self.traces.append(
                [
                    {
                        "transaction_hash": tx_hash,
                        "trace_root": {
                            "state_diff": {**difference(mine), "deployed_contracts": diff["deployed_contracts"]}
                        },
                    }
                    for tx_hash, mine in zip(hashes, traced, strict=True)
                ]
            )

    def cut(self, above: int) -> None:
        for part in (self.contents, self.transactions, self.diffs, self.traces or []):
            del part[above + 1 :]

    def header(self, number: int) -> dict[str, Any]:
        def hash_of(upto: int) -> str:
            return digest(self.contents[: upto + 1]) if self.strong else hex(upto + 1)

        transactions = self.transactions[number]
        return {
            "status": "ACCEPTED_ON_L2",
            "block_hash": self._felt(hash_of(number)),
            "parent_hash": self._felt(hash_of(number - 1) if number else "0x0"),
            "block_number": number,
            "sequencer_address": "0x1000",
            "new_root": self._felt(hash_of(number) if self.strong else "0x0"),
            "timestamp": 1_000 + number,
            "starknet_version": "0.14.4",
            **{
                f"{name}_price": {"price_in_fri": "0x1", "price_in_wei": "0x1"}
                for name in ("l1_gas", "l1_data_gas", "l2_gas")
            },
            "transaction_count": len(transactions),
            "transactions": transactions,
        }

    def _felt(self, text: str) -> str:
        return f"0x{int(text, 16):064x}" if self.pad else text

    async def call(self, method: str, params: Any = None) -> Any:
        (answer,) = await self.batch([(method, params)])
        if isinstance(answer, RpcError):
            raise answer
        return answer

    async def batch(self, calls: Sequence[tuple[str, Any]]) -> list[Any]:
        self.before()
        self.asked += [method for method, _ in calls]
        return [self._answer(method, params) for method, params in calls]

    def _answer(self, method: str, params: Any) -> Any:
        if method == "starknet_chainId":
            return "0x5"
        if method == "starknet_blockNumber":
            return len(self.contents) - 1
        if method == "starknet_getClassHashAt":
            return RpcError(20, "Contract not found")
        if method == "starknet_getClass":
            return {"abi": orjson.dumps(ABI).decode()}
        if params["block_id"] == "l1_accepted":
            return RpcError(24, "Block not found")
        number = params["block_id"]["block_number"]
        if number >= len(self.contents):
            return RpcError(24, "Block not found")
        if method == "starknet_getStateUpdate":
            return {"block_hash": self.header(number)["block_hash"], "state_diff": self.diffs[number]}
        if method == "starknet_traceBlockTransactions":
            return RpcError(-32601, "Method not found") if self.traces is None else self.traces[number]
        header = self.header(number)
        if method == "starknet_getBlockWithTxHashes":
            header["transactions"] = [item["receipt"]["transaction_hash"] for item in header["transactions"]]
        return header


def difference(writes: Sequence[tuple[int, int]]) -> dict[str, Any]:
    empty: dict[str, Any] = {
        name: [] for name in ("nonces", "deployed_contracts", "replaced_classes", "declared_classes")
    }
    entries = [{"key": hex(key), "value": hex(value)} for key, value in writes]
    return {**empty, "storage_diffs": [{"address": hex(EMITTER), "storage_entries": entries}] if entries else []}


def transaction(tx_hash: str, events: Sequence[tuple[list[int], list[int]]]) -> dict[str, Any]:
    return {
        "transaction": {
            "type": "INVOKE",
            "version": "0x3",
            "sender_address": "0xa",
            "nonce": "0x0",
            "calldata": [],
            "signature": [],
        },
        "receipt": {
            "transaction_hash": tx_hash,
            "execution_status": "SUCCEEDED",
            "actual_fee": {"amount": hex(2**100), "unit": "FRI"},
            "execution_resources": {"l1_gas": 0, "l1_data_gas": 1, "l2_gas": 2},
            "messages_sent": [],
            "events": [
                {"from_address": hex(EMITTER), "keys": [hex(key) for key in keys], "data": [hex(part) for part in data]}
                for keys, data in events
            ],
        },
    }


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.open(tmp_path / "index.sqlite") as opened:
        yield opened


@pytest.mark.parametrize("fork", [0, 50, 98, 99])
@pytest.mark.parametrize("regrown", [-3, 3])
@pytest.mark.parametrize("strong", [True, False])
async def test_the_fork_is_found_wherever_it_is(index: Index, fork: int, regrown: int, strong: bool) -> None:
    chain = Chain(strong=strong)
    for number in range(100):
        chain.add(number)
    follower = Follower(chain, index)
    await follower.backfill()
    chain.cut(fork)
    for number in range(fork + 1, 100 + regrown):
        chain.add(-number)
    chain.asked.clear()
    height = await follower.backfill()
    assert height == max(fork, 99 + regrown)
    gone = [orphan.block.number for orphan in index.orphans()]
    assert gone == list(range(fork + 1, 100))
    if strong:
        again = chain.asked.count("starknet_getBlockWithTxHashes")
        # The window, two steps a doubling, and each new block once with the one under it.
        assert again <= 64 + 20 + 2 * (height - fork) + 2


async def test_a_block_deep_below_others_that_look_the_same_is_found_by_and_by(index: Index) -> None:
    chain = Chain(strong=False)
    for number in range(100):
        chain.add(number)
    follower = Follower(chain, index, audit=0.0)
    await follower.backfill()
    below = (list(chain.contents[11:]), list(chain.transactions[11:]), list(chain.diffs[11:]), list(chain.traces or []))
    chain.cut(9)
    chain.add("other")
    chain.contents += below[0]
    chain.transactions += below[1]
    chain.diffs += below[2]
    chain.traces = [*(chain.traces or []), *below[3][11:]]
    await follower.backfill()
    assert [orphan.block.number for orphan in index.orphans()] == list(range(10, 100))
    assert [reorg.cause for reorg in index.reorgs()] == ["a block differs"]


async def test_a_block_that_is_replaced_while_it_is_read_is_never_written(index: Index) -> None:
    chain = Chain()
    for number in range(30):
        chain.add(number)
    left = 12

    def meddle() -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            above = len(chain.contents) - 1
            chain.cut(above - 8)
            for number in range(above - 7, above + 2):
                chain.add((left, number))

    chain.before = meddle
    follower = Follower(chain, index)
    while left > 0:
        await follower.backfill()
    await follower.backfill()
    found = [block.hash for block in index.blocks(0, 1_000)]
    assert found == [int(chain.header(number)["block_hash"], 16) for number in range(len(chain.contents))]


async def test_a_chain_that_never_stands_still_is_an_error(index: Index) -> None:
    chain = Chain()
    chain.add("first")
    turn = 0

    def meddle() -> None:
        nonlocal turn
        turn += 1
        chain.cut(-1)
        chain.add(turn)

    chain.before = meddle
    with pytest.raises(BlockChanged, match="replaced while it was read"):
        await Follower(chain, index).backfill()
    assert index.head() is None


async def test_leading_zeros_make_no_other_block(index: Index) -> None:
    chain = Chain()
    chain.add("a")
    follower = Follower(chain, index)
    await follower.backfill()
    chain.pad = True
    await follower.backfill()
    assert index.reorgs() == ()


async def test_events_that_are_not_understood_are_kept_with_the_reason(index: Index) -> None:
    chain = Chain()
    chain.add(events=[([PING, 7], [5])])
    chain.add(classes=[(EMITTER, 0xC)], events=[([PING, 7], [5]), ([PING, 7], []), ([1], [2, 3]), ([], [])])
    await Follower(chain, index).backfill()
    rows = index.events().rows
    assert [row.name for row in rows] == [None, "Ping", None, None, None]
    assert rows[1].fields == {"who": "0x7", "amount": "5"} or rows[1].fields == {"who": "0x7", "amount": 5}
    assert [row.reason for row in rows] == [
        "there is no contract at this address",
        None,
        "Ping.amount: the felts end here",
        "no event with the key 0x1 in the ABI",
        "an event without keys",
    ]
    assert (rows[3].keys, rows[3].data) == ((1,), (2, 3))
    assert index.events(EventFilter(mentions=7)).rows == (rows[1],)
    assert index.events(EventFilter(keys=((PING,), (7,)))).rows == rows[:3]
    assert index.events(EventFilter(keys=((), (8,)))).rows == ()


async def test_the_last_transaction_that_wrote_the_value_is_its_cause(index: Index) -> None:
    chain = Chain()
    chain.add()
    chain.add(writes=[(1, 11), (2, 22), (3, 33), (4, 44)], traced=[[(1, 10), (2, 22)], [(1, 11), (3, 30)]])
    await Follower(chain, index).backfill()
    causes = {write.key: (write.tx_index, write.cause) for write in index.writes(1, 1)}
    assert causes == {
        1: (1, Cause.TRANSACTION),
        2: (0, Cause.TRANSACTION),
        # A transaction wrote there, but not this.
        3: (None, Cause.UNATTRIBUTED),
        4: (None, Cause.UNATTRIBUTED),
    }
    assert [write.key for write in index.unattributed()] == [3, 4]


async def test_without_traces_nobody_is_accused(index: Index) -> None:
    chain = Chain()
    chain.traces = None
    chain.add()
    chain.add(writes=[(1, 11)])
    await Follower(chain, index).backfill()
    assert [write.cause for write in index.writes(1, 1)] == [Cause.UNKNOWN]
    assert index.unattributed() == ()


async def test_counts_that_do_not_agree_are_not_believed(index: Index) -> None:
    chain = Chain()
    chain.add()
    header = chain.header
    chain.header = lambda number: {**header(number), "event_count": 3}  # type: ignore[method-assign]
    with pytest.raises(BlockChanged, match="event_count 3, the node gave 0"):
        await Follower(chain, index).backfill()
    assert index.head() is None


async def test_two_followers_of_one_index_are_found_out(index: Index) -> None:
    chain = Chain()
    chain.add()
    first, second = Follower(chain, index), Follower(chain, index)
    await first.backfill()
    await second.backfill()
    chain.add()
    # The first writes while the second has read the same block and is about to.
    written = second._write

    def late(*args: Any) -> Any:
        first._write(*args)
        return written(*args)

    second._write = late  # type: ignore[method-assign]
    with pytest.raises(IndexConflict):
        await second.backfill()
    head = index.head()
    assert head is not None
    assert head.number == 1


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database at all, but long enough to be taken for one" * 20)
    with pytest.raises(BadIndex, match="cannot be opened"):
        Index.open(tmp_path / "text")
    with pytest.raises(BadIndex, match="no database"):
        Index.open("nonsense://x")


@pytest.mark.parametrize("collateral", [0, 1, -1, 2**95 - 1, -(2**95) + 1])
def test_signed_amounts_are_unpacked_as_the_contract_packs_them(collateral: int) -> None:
    slot = (3 << 224) + ((collateral % 2**96) << 128) + 0b101
    assert unpack_account(slot) == AccountSlot(collateral, 3, 0b101)
    position = ((collateral % 2**64) << 128) + (collateral % 2**128)
    size = (collateral + 2**63) % 2**64 - 2**63
    assert unpack_position(position) == PositionSlot(size, collateral)
