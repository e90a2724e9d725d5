"""The deployed contracts on a real node, and how what they do is compared."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import orjson
from truemark.abi import Abi, EnumValue
from truemark.account import DEFAULT_FEES
from truemark.deployment import Deployment
from truemark.felt import selector, short_string_text
from truemark.keys import StarkKey
from truemark.orders import Order as WireOrder
from truemark.receipt import Receipt, parse_receipt
from truemark.reports import Entry, unpack_outcomes
from truemark.transactions import Call, invoke_v3, with_signature
from truemark_devnet.accounts import L2Account
from truemark_devnet.nodes import Nodes
from truemark_devnet.nodes.storage import slot_address
from truemark_devnet.toolchain import find_tool
from truemark_keeper.reporter import report_call

from tests.model.actions import NODE, Expected, Message, Step, Write
from tests.model.clearinghouse import Order, Signed
from tests.model.invariants import broken_invariants
from tests.model.oracle import Said
from tests.model.world import View

WATCHED = {
    "MarketsReported",
    "FillSettled",
    "FillRefused",
    "Liquidated",
    "LiquidationRefused",
    "SeenUnderWater",
    "Backstopped",
    "BackstopRefused",
    "DebtPaid",
    "Deleveraged",
    "SettlementReported",
    "MarketSettled",
    "PositionSettled",
    "WoundDown",
    "FundingCheckpointed",
    "FundingRestored",
    "DepositDelivered",
    "DepositParked",
    "EpochIgnored",
    "WithdrawalAttested",
    "AttestationIgnored",
    "RefundRefused",
}
CONTRACTS = ("Oracle", "Clearinghouse", "Vault", "Bridge", "CollateralToken", "RefundDistributor")
#: Read after every action, whatever it changed.
ALWAYS: tuple[View, ...] = (("ledger",), ("mode",), ("wallet", "clearinghouse"))
MULTIVIEW = Path(__file__).parent / "multiview"
#: Names of parties who are contracts.
_PARTIES = {
    "clearinghouse": "Clearinghouse",
    "vault": "Vault",
    "bridge": "Bridge",
    "oracle": "Oracle",
    "token": "CollateralToken",
    "refunds": "RefundDistributor",
}
_PRIME_TOP = 2**251 + 16 * 2**192
_CURVE_ORDER = 0x800000000000010FFFFFFFFFFFFFFFFB781126DCAE7B2321E66A241ADC64D2F


class Disagreement(AssertionError):
    """The contracts did something else than the model."""


class Chain:
    """Who the parties are on chain, how they sign, and what the contracts answer.

    Args:
        parties: the accounts by name.
        multiview: address of the contract that reads many views at once.
    """

    def __init__(self, nodes: Nodes, deployment: Deployment, parties: Mapping[str, L2Account], multiview: int) -> None:
        self.url = nodes.l2_node_url
        self.chain_id = nodes.l2_chain_id
        self.deployment = deployment
        self.parties = parties
        self.multiview = multiview
        self.abis = {name: Abi.load(name) for name in CONTRACTS}
        self.names = {deployment.contracts[name].address: name for name in CONTRACTS}
        self._client = httpx.Client(timeout=120, trust_env=False)
        self._nonces: dict[str, int] = {}
        self._keys = {name: StarkKey.from_private(party.private_key) for name, party in parties.items()}
        self._trading_keys: dict[tuple[str, str], StarkKey] = {}
        self._people = {self.address(name): name for name in [*parties, *_PARTIES]}
        self._time = 0
        self._ids = count(1)
        self._snapshot: str | None = None
        self._saved: dict[str, int] = {}

    def close(self) -> None:
        self._client.close()

    # Names

    def address(self, name: str) -> int:
        if name == "zero":
            return 0
        if name == "nobody":
            # A felt that is no address.
            return _PRIME_TOP
        if name in _PARTIES:
            return self.deployment.contracts[_PARTIES[name]].address
        return self.parties[name].address

    def l1_address(self, name: str) -> int:
        if name == "zero":
            return 0
        known = {"L1 bridge": "CollateralBridge", "L1 token": "TestUSDC"}
        return int(self.deployment.l1[known[name]], 16) if name in known else 0x1234

    def trading_key(self, account: str, key: str) -> int:
        # 0 is named by no key.
        return 0 if key == "off the curve" else self._trading_key(account, key).public_key

    def _trading_key(self, account: str, key: str) -> StarkKey:
        pair = (account, key)
        if pair not in self._trading_keys:
            secret = int.from_bytes(f"{account} {key}".encode(), "big")
            self._trading_keys[pair] = StarkKey.from_private(secret)
        return self._trading_keys[pair]

    # Encoding

    def call(self, contract: str, function: str, *args: Any) -> Call:
        abi = self.abis[contract]
        return Call(
            self.deployment.contracts[contract].address, abi.function(function).selector, abi.encode(function, *args)
        )

    def report(self, epoch: int, entries: Sequence[Said]) -> Call:
        converted = [
            Entry(
                market=said.market,
                price=said.price,
                confidence_bps=said.confidence_bps,
                observed_at=said.observed_at,
                funding_rate_ppm=said.rate_ppm,
            )
            for said in entries
        ]
        oracle = self.deployment.contracts["Oracle"].address
        markets = [said.market for said in entries]
        if len(set(markets)) == len(markets):
            return report_call(oracle, epoch, converted)
        # What no reporter of ours would send: the same market twice.
        single = [report_call(oracle, epoch, [entry]).calldata for entry in converted]
        data = [epoch, len(entries)]
        for calldata in single:
            data += calldata[2:]
        return Call(oracle, selector("report"), tuple(data))

    def _wire(self, order: Order) -> WireOrder:
        venue = self.address("clearinghouse")
        return WireOrder(
            venue=venue if order.ours else venue - 1,
            account=self.address(order.account),
            epoch=order.epoch,
            account_epoch=order.account_epoch,
            market=order.market,
            is_buy=order.is_buy,
            size=order.size,
            limit_price=order.limit,
            max_fee_bps=order.max_fee_bps,
            reduce_only=order.reduce_only,
            post_only=order.post_only,
            expiry=order.expiry,
            salt=order.salt,
        )

    def order(self, order: Order) -> Mapping[str, Any]:
        return self._wire(order).to_abi()

    def signed(self, signed: Signed) -> Mapping[str, Any]:
        wire = self._wire(signed.order)
        if signed.how == "approval":
            signature = {"key": 0, "r": 0, "s": 0}
        else:
            key = self._trading_key(signed.order.account, signed.how.removesuffix(" badly"))
            r, s = key.sign(wire.hash(self.chain_id))
            if signed.how.endswith("badly"):
                s = _CURVE_ORDER - s if wire.salt % 2 else (s % (_CURVE_ORDER - 1)) + 1
                r = r if wire.salt % 2 == 0 else (r + 1) % (_CURVE_ORDER - 1) + 1
            signature = {"key": key.public_key, "r": r, "s": s}
        return {"order": wire.to_abi(), "signature": signature}

    # Running

    def start(self, time: int) -> None:
        """Reads where the chain is."""
        self._time = time
        for name, party in self.parties.items():
            request = self._request("starknet_getNonce", block_id="latest", contract_address=hex(party.address))
            answer = self._post([request])
            self._nonces[name] = int(answer[0], 16)

    def save(self) -> None:
        """From now on `restore` comes back to here."""
        self._snapshot = self._post([self._request("devnet_snapshot")])[0]
        self._saved = dict(self._nonces)

    def restore(self) -> None:
        assert self._snapshot is not None
        self._post([self._request("devnet_revert", snapshot_id=self._snapshot)])
        # A revert uses its snapshot up.
        self._snapshot = self._post([self._request("devnet_snapshot")])[0]
        # The node's time is still that of what it has forgotten: the first block sets it.
        self._nonces, self._time = dict(self._saved), 0

    def send(self, sender: str, calls: Sequence[Call]) -> Receipt:
        """One transaction outside the model, at the time that it is. Raises TransactionReverted."""
        self._post([*self._moved(self._time), self._invoke(sender, calls)])
        return _receipt(self._post([self._last_block()])[0]).or_raise()

    def run(self, steps: Sequence[Step]) -> None:
        """Does them one after the other. (A node may answer the reads of one request before its writes.)

        Raises:
            Disagreement: something came out otherwise than the model says.
        """
        for step in steps:
            encoded = step.action.encode(self)
            moved = self._moved(step.at)
            if isinstance(encoded, Write):
                write = self._write(encoded)
            elif isinstance(encoded, Message):
                write = self._message(encoded)
            else:
                write = self._invoke(step.action.sender, [encoded])
            sent = self._post([*moved, write], errors=True)[-1]
            asked = [*dict.fromkeys([*ALWAYS, *step.views])]
            block, views = self._post([self._last_block(), self._views(asked)], errors=True)
            self._compare(step, sent, block, asked, views)

    def _compare(self, step: Step, sent: Any, block: Any, asked: Sequence[View], views: Any) -> None:
        if isinstance(sent, _Refusal):
            raise Disagreement(f"the node did not take {step.action}: {sent}")
        if isinstance(views, _Refusal):
            raise Disagreement(f"a view reverts after {step.action}: {views}")
        # What is written past every transaction has no receipt.
        if step.action.sender != NODE:
            receipt = _receipt(block)
            wrong = _outcome(step.expected, receipt, list(self._events(receipt)))
            if wrong:
                raise Disagreement(f"{step.action}\n{wrong}")
        seen = dict(zip(asked, self._decoded(asked, views), strict=True))
        differences = [
            f"{view}: the contracts say {seen[view]}, the model {wanted}"
            for view, wanted in step.views.items()
            if seen[view] != wanted
        ]
        if step.whole:
            differences += broken_invariants(seen, step.unbooked)
        if differences:
            raise Disagreement(f"after {step.action} at {step.at}\n" + "\n".join(differences))

    def _events(self, receipt: Receipt) -> Iterable[tuple[str, Mapping[str, Any]]]:
        for event in receipt.events:
            contract = self.names.get(event.from_address)
            if contract is None:
                continue
            decoded = self.abis[contract].decode_event(event.keys, event.data)
            name = decoded.name.rpartition("::")[2]
            if name == "MarketsReported":
                for each in unpack_outcomes(decoded.fields["outcomes"]):
                    yield name, asdict(each)
            elif name in WATCHED:
                yield name, {key: _plain(key, value) for key, value in decoded.fields.items()}

    # Requests

    def _request(self, method: str, **params: Any) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}

    def _last_block(self) -> dict[str, Any]:
        return self._request("starknet_getBlockWithReceipts", block_id="latest")

    def _moved(self, second: int) -> list[dict[str, Any]]:
        """What makes the next transaction see a second, and its block have it."""
        if second != self._time:
            self._time = second
            self._post([self._request("devnet_setTime", time=second, generate_block=True)])
        return [self._request("devnet_setTime", time=second, generate_block=False)]

    def _invoke(self, sender: str, calls: Sequence[Call]) -> dict[str, Any]:
        nonce = self._nonces[sender]
        self._nonces[sender] += 1
        tx_hash, transaction = invoke_v3(calls, self.parties[sender].address, nonce, self.chain_id, DEFAULT_FEES)
        signed = with_signature(transaction, self._keys[sender].sign(tx_hash))
        return self._request("starknet_addInvokeTransaction", invoke_transaction=signed)

    def _write(self, write: Write) -> dict[str, Any]:
        contract = self.deployment.contracts[write.contract].address
        entry = {"key": hex(slot_address(*write.path, offset=write.offset)), "value": hex(write.value)}
        diff = {"storage_diffs": [{"address": hex(contract), "storage_entries": [entry]}]}
        self._post([self._request("devnet_applyStateDiff", state_diff=diff)])
        return self._request("devnet_createBlock")

    def _message(self, message: Message) -> dict[str, Any]:
        bridge = self.deployment.contracts["Bridge"].address
        sender = self.deployment.l1["CollateralBridge"] if message.from_bridge else hex(0xBAD)
        return self._request(
            "devnet_postmanSendMessageToL2",
            l2_contract_address=hex(bridge),
            entry_point_selector=hex(selector(message.handler)),
            l1_contract_address=sender,
            payload=[hex(felt) for felt in message.payload],
            paid_fee_on_l1="0x1",
            nonce=hex(message.nonce),
        )

    def _post(self, requests: Sequence[Mapping[str, Any]], *, errors: bool = False) -> list[Any]:
        content = orjson.dumps(requests)
        response = self._client.post(self.url, content=content, headers={"content-type": "application/json"})
        by_id = {answer["id"]: answer for answer in orjson.loads(response.content)}
        found = []
        for request in requests:
            answer = by_id[request["id"]]
            if "error" in answer:
                refusal = _Refusal(f"{request['method']}: {answer['error']}")
                if not errors:
                    raise refusal
                found.append(refusal)
            else:
                found.append(answer["result"])
        return found

    # Views

    def _views(self, views: Sequence[View]) -> dict[str, Any]:
        calls = [call for view in views for call in self._calls_of(view)]
        calldata = [len(calls)]
        for call in calls:
            calldata += [call.to, call.selector, len(call.calldata), *call.calldata]
        request = {
            "contract_address": hex(self.multiview),
            "entry_point_selector": hex(selector("read")),
            "calldata": [hex(felt) for felt in calldata],
        }
        return self._request("starknet_call", request=request, block_id="latest")

    def _calls_of(self, view: View) -> list[Call]:
        return [self.call(*reading) for reading in self._readings(view)]

    def _readings(self, view: View) -> list[tuple[Any, ...]]:
        """(contract, function, arguments) of what a view is made of."""
        kind, args = view[0], view[1:]
        match kind:
            case "account":
                return [("Clearinghouse", "account", self.address(args[0]))]
            case "pending":
                return [("Clearinghouse", "pending_deposit", self.address(args[0]))]
            case "margin":
                return [("Clearinghouse", "margin_of", self.address(args[0]))]
            case "mark":
                return [("Oracle", "mark", args[0])]
            case "interest":
                return [("Clearinghouse", "open_interest", args[0])]
            case "index":
                return [("Clearinghouse", "funding_index", args[0])]
            case "ledger" | "mode" | "outflow":
                return [("Clearinghouse", kind)]
            case "storm":
                return [("Clearinghouse", "storm", args[0])]
            case "losses":
                return [("Clearinghouse", "loss_bucket")]
            case "closing":
                return [("Clearinghouse", "closing", args[0])]
            case "checkpoint":
                return [("Clearinghouse", "funding_checkpoint", args[0])]
            case "wound down":
                return [("Clearinghouse", "wound_down_at")]
            case "bad debt":
                return [("Clearinghouse", "bad_debt")]
            case "seen":
                return [("Clearinghouse", "seen_under_water", self.address(args[0]))]
            case "epochs":
                return [(contract, "epoch") for contract in ("Oracle", "Clearinghouse", "Bridge")]
            case "wallet":
                return [("CollateralToken", "balance_of", self.address(args[0]))]
            case "supply":
                return [("CollateralToken", "total_supply")]
            case "vault":
                return [("Vault", "total_assets"), ("Vault", "total_supply")]
            case "shares":
                return [("Vault", "balance_of", self.address(args[0]))]
            case "redemption":
                return [("Vault", "redemption", args[0])]
            case "bridge":
                return [("Bridge", name) for name in ("parked_count", "parked_total", "withdrawal_count")]
            case "parked":
                return [("Bridge", "parked", args[0])]
            case "refunds owed":
                return [("RefundDistributor", "owed")]
            case "incident":
                return [("RefundDistributor", "incident", args[0])]
            case "quota":
                return [("Bridge", "withdrawable")]
            case "due":
                return [("Bridge", "due", *args)]
            case "owed":
                return [("Clearinghouse", "receivable", self.address(args[0]))]
            case "filled":
                return [("Clearinghouse", "order_filled", self._wire(args[0]).hash(self.chain_id))]
            case "key":
                key = self.trading_key(args[0], args[1])
                return [("Clearinghouse", "trading_key_expiry", self.address(args[0]), key)]
        raise AssertionError(f"no view is called {kind}")

    def _decoded(self, views: Sequence[View], answer: Sequence[str]) -> list[Any]:
        felts = [int(felt, 16) for felt in answer]
        at = 1
        found = []
        for view in views:
            values = []
            for contract, function, *_ in self._readings(view):
                size = felts[at]
                values.append(self.abis[contract].decode_result(function, felts[at + 1 : at + 1 + size]))
                at += 1 + size
            found.append(self._as_model(view[0], values))
        return found

    def _as_model(self, kind: str, values: list[Any]) -> Any:
        """A reading in the words of the model."""
        first = values[0]
        match kind:
            case "account":
                positions = tuple((item["market"], item["size"], item["funding_index"]) for item in first["positions"])
                return first["collateral"], first["account_epoch"], positions
            case "margin":
                return first["value"], first["maintenance"], first["initial"]
            case "mark":
                names = ("price", "accepted_at", "valid_since", "checkpoint", "checkpoint_at", "candidate", "anchor")
                return first["status"].variant, *(first[name] for name in names), first["funding_growth"]
            case "interest":
                return first["long"], first["short"]
            case "ledger":
                return tuple(first[name] for name in ("total", "insurance", "fees", "funding", "pending"))
            case "outflow" | "losses":
                return first["level"], first["room"]
            case "storm":
                return first["used"], first["limit"], first["dry"]
            case "closing":
                return first and (first["price"], first["index"])
            case "checkpoint":
                return first["index"], first["restore_from"]
            case "bad debt":
                return first["vault"], first["insurance"], first["deleveraged"]
            case "mode":
                return first.variant
            case "redemption":
                people = (self._people[first["controller"]], self._people[first["owner"]])
                return *people, first["shares"], first["claimable_at"]
            case "incident":
                return first["total"], first["claimed"], first["closed"]
            case "parked" | "due":
                return first["amount"]
        return first if len(values) == 1 else tuple(values)


class _Refusal(Exception):
    """The node's own error in place of an answer."""


def _receipt(block: Any) -> Receipt:
    last = block["transactions"][-1]["receipt"]
    return parse_receipt({**last, "block_number": block["block_number"], "block_hash": block["block_hash"]})


def _outcome(expected: Expected, receipt: Receipt, events: list[tuple[str, Mapping[str, Any]]]) -> str | None:
    """What is wrong with it."""
    if receipt.revert_reason is not None:
        if receipt.revert_reason in expected.refusals:
            return None
        return f"reverted with {receipt.revert_reason!r}, the model says {set(expected.refusals) or 'it succeeds'}"
    if expected.refusals:
        return f"succeeded, the model refuses it: {set(expected.refusals)}"
    # Each kind in its order: what comes between two of different kinds says nothing of the rules.
    events, wanted = (sorted(found, key=lambda event: event[0]) for found in (events, expected.events))
    if [name for name, _ in events] != [name for name, _ in wanted]:
        return f"emitted {events}, the model says {wanted}"
    for (name, fields), (_, told) in zip(events, wanted, strict=True):
        for key, value in told.items():
            found = fields[key]
            if found not in value if isinstance(value, frozenset) else found != value:
                return f"{name} has {key} {found!r}, the model says {value!r}"
    return None


def _plain(key: str, value: Any) -> Any:
    if key == "reason":
        return short_string_text(value)
    return value.variant if isinstance(value, EnumValue) else value


def compile_multiview(out: Path) -> tuple[Path, Path]:
    """Its Sierra and CASM files."""
    sierra, casm = out / "multiview.sierra.json", out / "multiview.casm.json"
    subprocess.run(
        [find_tool("starknet-compile"), MULTIVIEW, "--contract-path", "multiview::multiview", sierra], check=True
    )
    subprocess.run([find_tool("starknet-sierra-compile"), sierra, casm], check=True)
    return sierra, casm
