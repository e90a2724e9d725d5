"""The command line: what it prints, and that every error is one line with the right exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import typer
from truemark import cli
from truemark.deployment import ContractInfo, Deployment, MarketInfo
from truemark.errors import TruemarkError
from truemark.felt import selector, short_string
from truemark.risk import NO_TIER, MarginTier
from truemark.rpc import RpcError
from truemark.transactions import Call, execute_calldata

ACCOUNT, ORACLE, CLEARINGHOUSE = 0xA, 0x0AC1E, 0xC1EA
ACCOUNT_CLASS, ORACLE_CLASS, CLEARINGHOUSE_CLASS = 0xACC, 0x1, 0x2
FELT, ADDRESS = "core::felt252", "core::starknet::contract_address::ContractAddress"
U8, U64, U128, I64, I128 = ("core::integer::" + name for name in ("u8", "u64", "u128", "i64", "i128"))


def view(name: str, output: str, /, **inputs: str) -> dict[str, Any]:
    entries = [{"name": key, "type": kind} for key, kind in inputs.items()]
    outputs = [{"type": output}]
    return {"type": "function", "name": name, "inputs": entries, "outputs": outputs, "state_mutability": "view"}


def struct(name: str, /, **members: str) -> dict[str, Any]:
    return {"type": "struct", "name": name, "members": [{"name": key, "type": kind} for key, kind in members.items()]}


def enum(name: str, *variants: str) -> dict[str, Any]:
    return {"type": "enum", "name": name, "variants": [{"name": variant, "type": "()"} for variant in variants]}


ORACLE_ABI = [
    view("market_index", U8, name=FELT),
    view("is_reporter", "core::bool", account=ADDRESS, strict="core::bool"),
    view("mark", "t::Mark", market=U8),
    view("marks", "t::Marks", markets=U128),
    {
        **view("report", "()", entries=f"core::array::Span::<({U8}, {U64})>"),
        "outputs": [],
        "state_mutability": "external",
    },
    enum("t::Status", "Pending", "Valid"),
    struct("t::Mark", market=U8, status="t::Status", price=U64),
    struct("t::Marks", silent="core::bool", marks="core::array::Span::<t::Mark>"),
    {
        "type": "event",
        "kind": "struct",
        "name": "t::Reported",
        "members": [
            {"name": "reporter", "type": ADDRESS, "kind": "key"},
            {"name": "name", "type": FELT, "kind": "data"},
        ],
    },
    {
        "type": "event",
        "kind": "enum",
        "name": "t::Event",
        "variants": [{"name": "Reported", "type": "t::Reported", "kind": "nested"}],
    },
]
CLEARINGHOUSE_ABI = [
    view("account", "t::View", account=ADDRESS),
    view("margin_of", "t::Margin", account=ADDRESS),
    view("pending_deposit", U128, account=ADDRESS),
    view("funding_index", I128, market=U8),
    view("mode", "t::Mode"),
    enum("t::Mode", "Halted", "CancelOnly", "PostOnly", "Full"),
    struct("t::Position", market=U8, size=I64, funding_index=I128),
    struct("t::View", collateral=I128, open_markets=U128, positions="core::array::Span::<t::Position>"),
    struct("t::Margin", value=I128, maintenance=I128, initial=I128),
]
VENUE = Deployment(
    name="local",
    profile="test",
    l2_rpc="",
    l1_rpc="http://127.0.0.1:1",
    l2_chain_id=1,
    l1_chain_id=1,
    contracts={"Oracle": ContractInfo(ORACLE, 0xDEAD), "Clearinghouse": ContractInfo(CLEARINGHOUSE, 0xDEAD)},
    classes={},
    l1={},
    fee_token=0x4718,
    account_class_hash=ACCOUNT_CLASS,
    faucet=False,
    operators={"reporter-1": ACCOUNT},
    markets={"BTC-USD-PERP": MarketInfo(0, 1, 1, 1, 1, (MarginTier(0, 500, 300), NO_TIER, NO_TIER))},
    vault_lock_secs=0,
)
INVOKE = {
    "type": "INVOKE",
    "version": "0x3",
    "sender_address": hex(ACCOUNT),
    "calldata": [hex(felt) for felt in execute_calldata([Call(ORACLE, selector("report"), (1, 0, 9_500_000_000_000))])],
    "nonce": "0x4",
    "signature": ["0x1", "0x2"],
    "tip": "0x0",
}
RECEIPT = {
    "type": "INVOKE",
    "transaction_hash": "0x7a",
    "actual_fee": {"amount": "0x64", "unit": "FRI"},
    "messages_sent": [{"from_address": hex(ORACLE), "to_address": "0xe7", "payload": ["0x1"]}],
    "events": [
        {
            "from_address": hex(ORACLE),
            "keys": [hex(selector("Reported")), hex(ACCOUNT)],
            "data": [hex(short_string("BTC-USD-PERP"))],
        },
        {"from_address": hex(ORACLE), "keys": ["0x99"], "data": []},
    ],
    "execution_status": "SUCCEEDED",
    "finality_status": "ACCEPTED_ON_L2",
    "block_hash": "0xb10c",
    "block_number": 5,
    "execution_resources": {"l1_gas": 0, "l1_data_gas": 0, "l2_gas": 1},
}
PRICES = {name: {"price_in_fri": "0x1", "price_in_wei": "0x2"} for name in ("l1_gas_price", "l2_gas_price")}
BLOCK = {
    "block_hash": "0xb10c",
    "parent_hash": "0xb10b",
    "block_number": 5,
    "timestamp": 1_768_795_200,
    "status": "ACCEPTED_ON_L2",
    "new_root": "0x0",
    "sequencer_address": "0x1000",
    "starknet_version": "0.14.4",
    **PRICES,
    "l1_data_gas_price": PRICES["l1_gas_price"],
    "transaction_count": 1,
    "event_count": 3,
    "state_diff_length": 2,
    "transactions": [{"transaction": INVOKE, "receipt": RECEIPT}],
}
#: By selector, for any calldata.
RESULTS = {
    "market_index": [0],
    "is_reporter": [1],
    "mark": [0, 1, 9_500_000_000_000],
    "marks": [0, 1, 0, 1, 9_500_000_000_000],
    "account": [1_000_000_000, 1, 1, 0, 50_000_000, 10**16],
    "margin_of": [2 * 10**19, 10**19, 15 * 10**18],
    "pending_deposit": [0],
    "funding_index": [2 * 10**16],
    "mode": [3],
}


def _call(params: Any) -> Any:
    for name, felts in RESULTS.items():
        if params["request"]["entry_point_selector"] == hex(selector(name)):
            return [hex(felt) for felt in felts]
    return RpcError(40, "Contract error", {"revert_error": "Failure reason:\n0x4e6f ('No').\n"})


ANSWERS: dict[str, Callable[[Any], Any]] = {
    "starknet_blockNumber": lambda _: 5,
    "starknet_getBlockWithReceipts": lambda params: (
        BLOCK if params["block_id"] in ("latest", {"block_number": 5}) else RpcError(24, "Block not found")
    ),
    "starknet_getTransactionByHash": lambda params: (
        INVOKE if params["transaction_hash"] == "0x7a" else RpcError(29, "Transaction hash not found")
    ),
    "starknet_getTransactionReceipt": lambda params: (
        RECEIPT if params["transaction_hash"] == "0x7a" else RpcError(29, "Transaction hash not found")
    ),
    "starknet_getClassHashAt": lambda params: hex(
        {ACCOUNT: ACCOUNT_CLASS, ORACLE: ORACLE_CLASS}.get(int(params["contract_address"], 16), CLEARINGHOUSE_CLASS)
    ),
    "starknet_getClass": lambda params: {
        "abi": json.dumps(ORACLE_ABI if int(params["class_hash"], 16) == ORACLE_CLASS else CLEARINGHOUSE_ABI)
    },
    "starknet_call": _call,
}


@dataclass
class Terminal:
    """Runs commands against the scripted venue."""

    capture: pytest.CaptureFixture[str]
    manifest: Path

    def run(self, *arguments: str) -> tuple[int, str, str]:
        code = cli.main(list(arguments))
        out, err = self.capture.readouterr()
        return code, out, err


@pytest.fixture
def terminal(
    scripted_node: Any,
    serve: Callable[[Any], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Terminal:
    manifest = tmp_path / "deployment.json"
    replace(VENUE, l2_rpc=serve(scripted_node(ANSWERS))).save(manifest)
    monkeypatch.setenv("TRUEMARK_DEPLOYMENT", str(manifest))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("TRUEMARK_DEBUG", raising=False)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [])
    return Terminal(capsys, manifest)


def test_the_version_is_the_packages(terminal: Terminal) -> None:
    assert terminal.run("--version") == (0, f"truemark {metadata.version('truemark')}\n", "")


def test_without_a_command_the_help_is_shown(terminal: Terminal) -> None:
    code, out, err = terminal.run()
    assert (code, err) == (0, "")
    assert "account" in out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nonsense"], "truemark: no such command 'nonsense'; try truemark --help\n"),
        (["blocks"], "truemark: no such command 'blocks'. Did you mean 'block'? Try truemark --help\n"),
        (["block", "--nope"], "truemark: no such option: --nope; try truemark block --help\n"),
        (["tx"], "truemark: missing argument 'HASH'; try truemark tx --help\n"),
        (["block", "1", "2"], "truemark: got unexpected extra argument(s) (2); try truemark block --help\n"),
    ],
)
def test_what_is_typed_wrongly_is_one_line_and_exit_code_2(terminal: Terminal, arguments: list[str], line: str) -> None:
    assert terminal.run(*arguments) == (2, "", line)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["block", "4"], "no block 4"),
        (["block", "newest"], "'newest' is no block: give a number, a hash or one of"),
        (["tx", "0x5"], "no transaction 0x5"),
        (["tx", "zz"], "zz is no hash"),
        (["read", "Vault", "x"], "nothing is called 'Vault'"),
        (["read", "Oracle", "x"], "the ABI has no function 'x'"),
        (["read", "Oracle", "mark"], "mark: without market"),
        (["read", "Oracle", "mark", "x"], "mark.market: 'x' is no u8"),
        (["read", "Oracle", "mark", "256"], "mark.market: 2^8 or more"),
        (["read", "Oracle", "report", "[1"], "report.entries: '[1' is no"),
        (["read", "Oracle", "report", "[]"], "Oracle.report: No"),
        (["read", "Oracle", "is_reporter", "reporter-1", "maybe"], "is_reporter.strict: 'maybe' is not True or False"),
        (["account", "nobody"], "nothing is called 'nobody'"),
        (["block", "--deployment", "/nonexistent"], "no deployment at /nonexistent"),
        (["block", "--rpc", "http://127.0.0.1:9"], "http://127.0.0.1:9: "),
    ],
)
def test_what_goes_wrong_is_one_line_and_exit_code_1(terminal: Terminal, arguments: list[str], message: str) -> None:
    code, out, err = terminal.run(*arguments)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"truemark: {message}")
    assert "Traceback" not in err


def test_a_corrupt_manifest_is_one_line(terminal: Terminal) -> None:
    terminal.manifest.write_text('{"version": 99}')
    code, out, err = terminal.run("block")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "version 99, this client reads 1" in err


def test_a_block_is_shown_with_its_transactions(terminal: Terminal) -> None:
    code, out, err = terminal.run("block", "5")
    assert (code, err) == (0, "")
    for text in (
        "2026-01-19 04:00:00 UTC",
        "reporter-1",
        "Oracle.report",
        "the header counts 3 events, the node gave 2",
    ):
        assert text in out
    code, out, _ = terminal.run("block", "latest", "--json")
    block = json.loads(out)
    assert (block["number"], block["transactions"][0]["calls"][0]["function"]) == (5, "report")


def test_a_transaction_is_shown_decoded(terminal: Terminal) -> None:
    code, out, err = terminal.run("tx", "0x7a")
    assert (code, err) == (0, "")
    for text in (
        "Oracle.report",
        "entries=[[0, 9500000000000]]",
        "Oracle.Reported",
        "reporter=reporter-1, name='BTC-USD-PERP'",
        "not decoded: no event with the key 0x99 in the ABI",
        "message to L1 0x00000000000000000000000000000000000000e7 from Oracle: [0x1]",
    ):
        assert text in out
    transaction = json.loads(terminal.run("tx", "0x7a", "--json")[1])
    assert transaction["events"][0]["fields"] == {"reporter": "0xa", "name": hex(short_string("BTC-USD-PERP"))}
    assert transaction["events"][1]["fields"] is None
    assert transaction["fee"] == {"amount": "100", "unit": "FRI"}


def test_a_contract_is_read_with_arguments_as_they_are_typed(terminal: Terminal) -> None:
    assert terminal.run("read", "Oracle", "market_index", "BTC-USD-PERP") == (0, "0\n", "")
    assert terminal.run("read", hex(ORACLE), "is_reporter", "reporter-1", "true") == (0, "true\n", "")
    code, out, _ = terminal.run("read", "Oracle", "mark", "0")
    assert (code, out.split()) == (0, ["market", "0", "status", "Valid", "price", "9500000000000"])
    assert json.loads(terminal.run("read", "Oracle", "mark", "0x0", "--json")[1]) == {
        "market": 0,
        "status": "Valid",
        "price": "9500000000000",
    }
    code, out, _ = terminal.run("read", "Oracle")
    assert "Span<(core::integer::u8, core::integer::u64)>" in out
    names = [function["name"] for function in json.loads(terminal.run("read", "Oracle", "--json")[1])]
    assert names == ["is_reporter", "mark", "market_index", "marks", "report"]


def test_an_account_is_shown_with_its_margin(terminal: Terminal) -> None:
    code, out, err = terminal.run("account", "reporter-1")
    assert (code, err) == (0, "")
    for text in ("1,000.00 USD", "5 (Full)", "BTC-USD-PERP", "47,500.00", "2.0000 (liquidated below 1)"):
        assert text in out
    page = json.loads(terminal.run("account", "0xa", "--json")[1])
    assert page["value"] == "2000"
    assert page["positions"] == [
        {
            "market": "BTC-USD-PERP",
            "status": "Valid",
            "size": "0.5",
            "mark": "95000",
            "value": "47500",
            "pending_funding": "-0.5",
        }
    ]


@dataclass
class Entry:
    name: str
    register: Callable[[typer.Typer], None] | Exception
    value: str = "elsewhere.cli:register"

    def load(self) -> Callable[[typer.Typer], None]:
        if isinstance(self.register, Exception):
            raise self.register
        return self.register


def test_other_packages_bring_commands_and_one_that_cannot_be_loaded_costs_a_warning(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def register(app: typer.Typer) -> None:
        @app.command("greet")
        def greet(how: str) -> None:
            if how == "badly":
                raise TruemarkError("no greeting\nin two lines")
            if how == "wrongly":
                raise KeyError("greeting")
            if how == "never":
                raise KeyboardInterrupt
            if how == "code":
                raise typer.Exit(3)
            typer.echo("hello")

    entries = [Entry("a", ModuleNotFoundError("No module named 'x'")), Entry("b", register)]
    monkeypatch.setattr(metadata, "entry_points", lambda group: entries)
    warning = "truemark: the commands of elsewhere.cli cannot be loaded: ModuleNotFoundError: No module named 'x'\n"
    assert terminal.run("greet", "well") == (0, "hello\n", warning)
    entries.pop(0)
    assert terminal.run("greet", "badly") == (1, "", "truemark: no greeting in two lines\n")
    internal = "truemark: internal error: KeyError: 'greeting' (TRUEMARK_DEBUG=1 shows where)\n"
    assert terminal.run("greet", "wrongly") == (1, "", internal)
    assert terminal.run("greet", "never")[0] == 130
    assert terminal.run("greet", "code") == (3, "", "")
    monkeypatch.setenv("TRUEMARK_DEBUG", "1")
    with pytest.raises(KeyError):
        terminal.run("greet", "wrongly")
