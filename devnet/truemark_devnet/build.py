"""Compiles the contracts: Cairo to Sierra and CASM with their hashes, Vyper to bytecode, and the ABIs that the client
ships.

What is up to date is left alone: each artifact carries a digest of all that it was made from.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from filelock import FileLock
from starknet_py.common import create_casm_class, create_sierra_compiled_contract
from starknet_py.hash.casm_class_hash import compute_casm_class_hash
from starknet_py.hash.sierra_class_hash import compute_sierra_class_hash
from truemark.errors import TruemarkError

from truemark_devnet.paths import checkout
from truemark_devnet.toolchain import find_tool

#: What a release declares. The clearinghouse is one contract over five more classes.
CLASSES: dict[str, str] = {
    "CollateralToken": "truemark::token::contract::CollateralToken",
    "Bridge": "truemark::bridge::contract::Bridge",
    "Oracle": "truemark::oracle::contract::Oracle",
    "Clearinghouse": "truemark::clearinghouse::contract::Clearinghouse",
    "Trading": "truemark::clearinghouse::trading::Trading",
    "Liquidation": "truemark::clearinghouse::liquidation::Liquidation",
    "Money": "truemark::clearinghouse::money::Money",
    "Venue": "truemark::clearinghouse::venue::Venue",
    "Waterfall": "truemark::clearinghouse::waterfall::Waterfall",
    "Vault": "truemark::vault::contract::Vault",
    "RefundDistributor": "truemark::refunds::contract::RefundDistributor",
}
#: A class without the guards has a name that begins so: `truemark devnet deploy` refuses it.
UNGUARDED = "Unguarded"
#: Declared by tests and benches only.
TEST_CLASSES: dict[str, str] = {
    "RulesParity": "truemark::rules::parity::RulesParity",
    "SinglePrice": "truemark::bench::single_price::SinglePrice",
    "UnguardedOracle": "truemark::unguarded::oracle::UnguardedOracle",
}
L1_CONTRACTS = ("TestUSDC", "Messaging", "CollateralBridge")

#: devnet bills a class of this version in true Sierra gas, one of the compiler's own "0.1.0" in VM steps rounded up.
#: The class hash does not cover it.
SIERRA_GAS_CLASS_VERSION = "1.7.0"
HASHED_CLASS_VERSION = "0.1.0"
#: starknet-devnet's limits for one class, in felts.
MAX_SIERRA_FELTS = 81_920
MAX_BYTECODE_FELTS = 81_920

Progress = Callable[[str], None]


class BuildFailed(TruemarkError, RuntimeError):
    """A compiler refused a contract. The message is what it said."""


@dataclass(frozen=True)
class ContractClass:
    """A compiled Cairo class, ready to be declared."""

    name: str
    class_hash: int
    compiled_class_hash: int
    sierra_path: Path
    casm_path: Path
    sierra_felts: int
    bytecode_felts: int

    def sierra(self) -> dict[str, Any]:
        """The contract class as `starknet_addDeclareTransaction` takes it: the ABI is a string."""
        loaded: dict[str, Any] = orjson.loads(self.sierra_path.read_bytes())
        return loaded

    def abi(self) -> list[dict[str, Any]]:
        loaded: list[dict[str, Any]] = orjson.loads(self.sierra()["abi"])
        return loaded


@dataclass(frozen=True)
class L1Contract:
    """A compiled Vyper contract."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str


@dataclass(frozen=True)
class Build:
    classes: dict[str, ContractClass]
    test_classes: dict[str, ContractClass]
    l1: dict[str, L1Contract]


def build(root: Path | None = None, progress: Progress = lambda line: None) -> Build:
    """Compiles what is not up to date and returns everything.

    Raises:
        BuildFailed: a compiler refused a contract.
        CheckoutMissing: there is no contracts/ folder around this package.
        ToolMissing: a compiler is neither on the PATH nor in the cache.
    """
    root = root or checkout()
    out = root / "build" / "contracts"
    out.mkdir(parents=True, exist_ok=True)
    # Two processes never write the same artifact: the second waits and finds it done.
    with FileLock(out / ".lock"):
        return _build(root, out, progress)


def _build(root: Path, out: Path, progress: Progress) -> Build:
    source = root / "contracts"
    src = source / "src"
    cairo = [path for path in sorted(src.rglob("*.cairo")) if not _is_test(path.relative_to(src))]
    cairo_digest = _digest([source / "cairo_project.toml", *cairo])
    wanted = {**CLASSES, **TEST_CLASSES}

    def one(item: tuple[str, str]) -> ContractClass:
        return _cairo_class(item[0], item[1], source, out, cairo_digest, progress)

    with ThreadPoolExecutor(max_workers=2) as pool:
        compiled = {cls.name: cls for cls in pool.map(one, wanted.items())}
    l1_out = root / "build" / "l1"
    l1 = {name: _l1_contract(name, source / "l1" / f"{name}.vy", l1_out, progress) for name in L1_CONTRACTS}
    built = Build(
        classes={name: compiled[name] for name in CLASSES},
        test_classes={name: compiled[name] for name in TEST_CLASSES},
        l1=l1,
    )
    write_abis(built, root / "client" / "truemark" / "abi")
    return built


def abis_of(built: Build, folder: Path) -> list[tuple[Path, list[dict[str, Any]]]]:
    """Every ABI that the client ships, with its file below `folder`."""
    classes = [(folder / f"{cls.name}.json", cls.abi()) for cls in built.classes.values()]
    return classes + [(folder / "l1" / f"{contract.name}.json", contract.abi) for contract in built.l1.values()]


def write_abis(built: Build, folder: Path) -> None:
    """Writes them; `truemark devnet contracts --lint` holds the committed files to the classes."""
    for path, abi in abis_of(built, folder):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_if_changed(path, orjson.dumps(abi, option=orjson.OPT_INDENT_2) + b"\n")


def _cairo_class(
    name: str, contract_path: str, source: Path, out: Path, digest: str, progress: Progress
) -> ContractClass:
    sierra_path, casm_path, meta_path = (out / f"{name}.{kind}.json" for kind in ("sierra", "casm", "meta"))
    meta = _read_meta(meta_path)
    if meta is None or meta.get("digest") != digest or not (sierra_path.is_file() and casm_path.is_file()):
        progress(f"compiling {name}")
        meta_path.unlink(missing_ok=True)
        _run([find_tool("starknet-compile"), source, "--contract-path", contract_path, sierra_path], name)
        compiled = finish_class(name, orjson.loads(sierra_path.read_bytes()), out)
        meta = {
            "digest": digest,
            "class_hash": hex(compiled.class_hash),
            "compiled_class_hash": hex(compiled.compiled_class_hash),
            "sierra_felts": compiled.sierra_felts,
            "bytecode_felts": compiled.bytecode_felts,
        }
        meta_path.write_bytes(orjson.dumps(meta))
    return ContractClass(
        name=name,
        class_hash=int(meta["class_hash"], 16),
        compiled_class_hash=int(meta["compiled_class_hash"], 16),
        sierra_path=sierra_path,
        casm_path=casm_path,
        sierra_felts=int(meta["sierra_felts"]),
        bytecode_felts=int(meta["bytecode_felts"]),
    )


def finish_class(name: str, contract: dict[str, Any], out: Path) -> ContractClass:
    """A Sierra class (its ABI as a list) made ready to be declared and billed in Sierra gas; its artifacts are written
    to `out`.

    Raises:
        BuildFailed: the Sierra compiler refused it.
        ToolMissing: there is none.
    """
    sierra_path, casm_path = (out / f"{name}.{kind}.json" for kind in ("sierra", "casm"))
    abi = contract["abi"]
    # The node writes the ABI anew, as Python's json does, before it hashes the class.
    contract = {**contract, "contract_class_version": SIERRA_GAS_CLASS_VERSION, "abi": json.dumps(abi)}
    contract.pop("sierra_program_debug_info", None)
    sierra_path.write_bytes(orjson.dumps(contract))
    # The Sierra compiler wants the ABI as a list, the node as a string.
    as_list = sierra_path.with_suffix(".abi-list.json")
    as_list.write_bytes(orjson.dumps({**contract, "abi": abi}))
    _run([find_tool("starknet-sierra-compile"), as_list, casm_path], name)
    as_list.unlink()
    casm = create_casm_class(casm_path.read_text())
    return ContractClass(
        name=name,
        class_hash=_class_hash(contract),
        compiled_class_hash=compute_casm_class_hash(casm),
        sierra_path=sierra_path,
        casm_path=casm_path,
        sierra_felts=len(contract["sierra_program"]),
        bytecode_felts=len(casm.bytecode),
    )


def _class_hash(contract: dict[str, Any]) -> int:
    """Whatever version a class names, the node hashes it as the compiler's own."""
    compiled = create_sierra_compiled_contract(json.dumps({**contract, "contract_class_version": HASHED_CLASS_VERSION}))
    return compute_sierra_class_hash(compiled)


def _l1_contract(name: str, source: Path, out: Path, progress: Progress) -> L1Contract:
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.json"
    # Any of them may be imported by this one.
    digest = _digest(sorted(source.parent.glob("*.vy")))
    meta = _read_meta(path)
    if meta is None or meta.get("digest") != digest:
        progress(f"compiling {name} (Vyper)")
        text = _run([find_tool("vyper"), "-f", "abi,bytecode", source], name)
        abi_line, bytecode = text.strip().splitlines()
        meta = {"digest": digest, "abi": orjson.loads(abi_line), "bytecode": bytecode}
        path.write_bytes(orjson.dumps(meta))
    return L1Contract(name=name, abi=meta["abi"], bytecode=meta["bytecode"])


def _run(command: Iterable[Path | str], name: str) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildFailed(f"{name}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _is_test(path: Path) -> bool:
    """Unit tests are left out of a class, so a change of one compiles nothing anew."""
    return path.stem.endswith("test") or "tests" in (path.stem, *path.parts)


def _digest(paths: Iterable[Path]) -> str:
    """Of the sources and of this file, which decides how they are compiled."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in paths:
        digest.update(str(path.name).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _read_meta(path: Path) -> dict[str, Any] | None:
    """None for an artifact that is missing or damaged: it is made again."""
    try:
        loaded = orjson.loads(path.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    return loaded if isinstance(loaded, dict) else None


def _write_if_changed(path: Path, content: bytes) -> None:
    if not path.is_file() or path.read_bytes() != content:
        path.write_bytes(content)
