"""Events that the codec decodes in a second, from the hexadecimal text of a node, against starknet.js on the same
events; what both say is compared first, value by value."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
from truemark.abi import Abi, EnumValue
from truemark.errors import TruemarkError
from truemark.felt import PRIME, selector

from truemark_devnet.bench.figure import Figure, rate
from truemark_devnet.toolchain.cache import Cache

#: Exactly this one: others are faster or slower.
STARKNET_JS: Final = "10.8.0"
_EVENTS: Final = 20_000
_SECONDS: Final = 2.0
#: They take turns, so that a busy machine burdens each alike.
_ROUNDS: Final = 3
_ADDRESS: Final = "core::starknet::contract_address::ContractAddress"
_MEMBERS: Final = {
    "Transfer": [("from", _ADDRESS, "key"), ("to", _ADDRESS, "key"), ("value", "core::integer::u256", "data")],
    # 25 felts, four structs.
    "Filled": [
        ("taker", _ADDRESS, "key"),
        ("market", "core::integer::u32", "key"),
        ("buy", "t::Order", "data"),
        ("sell", "t::Order", "data"),
        ("taker_fee", "t::Fee", "data"),
        ("maker_fee", "t::Fee", "data"),
        ("price", "core::integer::u64", "data"),
    ],
    "Noted": [
        ("by", _ADDRESS, "key"),
        ("text", "core::byte_array::ByteArray", "data"),
        ("marks", "core::array::Array::<core::integer::u64>", "data"),
        ("mode", "t::Mode", "data"),
        ("limit", "core::option::Option::<core::integer::u128>", "data"),
        ("is_last", "core::bool", "data"),
    ],
}
_STRUCTS: Final = {
    "t::Order": [
        ("account", _ADDRESS),
        ("market", "core::integer::u32"),
        ("size", "core::integer::u128"),
        ("limit", "core::integer::u64"),
        ("salt", "core::felt252"),
        ("expiry", "core::integer::u64"),
        ("epoch", "core::integer::u32"),
        ("is_buy", "core::bool"),
    ],
    "t::Fee": [
        ("payer", _ADDRESS),
        ("amount", "core::integer::u256"),
    ],
    "core::integer::u256": [("low", "core::integer::u128"), ("high", "core::integer::u128")],
    "core::byte_array::ByteArray": [
        ("data", "core::array::Array::<core::bytes_31::bytes31>"),
        ("pending_word", "core::felt252"),
        ("pending_word_len", "core::internal::bounded_int::BoundedInt::<0, 30>"),
    ],
}
#: What the compiler writes into an ABI as a struct, and every client has as a value of its own.
_OWN: Final = frozenset({"core::integer::u256", "core::byte_array::ByteArray"})

#: Reads {abi, events} and a number of seconds, gives what it decoded and its rate. BigInts become decimal text.
SCRIPT: Final = """
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
const { events, CallData, createAbiParser, CairoCustomEnum, CairoOption } =
  await import(createRequire(process.argv[2]).resolve('starknet'));
const { abi, events: raw } = JSON.parse(readFileSync(process.argv[3], 'utf8'));
const table = events.getAbiEvents(abi), structs = CallData.getAbiStruct(abi), enums = CallData.getAbiEnum(abi);
const parser = createAbiParser(abi);
const decode = () => events.parseEvents(raw, table, structs, enums, parser);
const plain = (value) => {
  if (typeof value === 'bigint' || typeof value === 'number') return value.toString();
  if (value instanceof CairoOption) return value.isSome() ? { Some: plain(value.unwrap()) } : 'None';
  if (value instanceof CairoCustomEnum) return { [value.activeVariant()]: plain(value.unwrap()) };
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
  return value;
};
const said = decode().map(plain);
let calls = 0;
const start = process.hrtime.bigint(), end = start + BigInt(Math.round(Number(process.argv[4]) * 1e9));
let now = start;
while (now < end || calls < 3) { decode(); calls += 1; now = process.hrtime.bigint(); }
const rate = (calls * raw.length) / (Number(now - start) / 1e9);
process.stdout.write(JSON.stringify({ rate, said }));
"""


class Unequal(TruemarkError, AssertionError):
    """The two do not say the same of an event."""


class NoNode(TruemarkError, RuntimeError):
    """The comparison needs Node.js and npm."""


def run() -> list[Figure]:
    """
    Raises:
        NoNode: Node.js or npm is missing, or npm cannot install the package.
        Unequal: the two do not say the same.
    """
    entries, raw = corpus(random.Random(1), _EVENTS)  # noqa: S311 - the same events each time
    abi = Abi(entries)

    def decode_all() -> None:
        for event in raw:
            decoded(abi, event)

    ours = theirs = 0.0
    for turn in range(_ROUNDS):
        rate_of_theirs, said = by_starknet_js(entries, raw, _SECONDS)
        if turn == 0:
            compare(abi, raw, said)
        theirs += rate_of_theirs / _ROUNDS
        ours += rate(decode_all, seconds=_SECONDS) * len(raw) / _ROUNDS
    return [Figure("decode", ours, "events/s", theirs, f"starknet.js {STARKNET_JS}")]


def compare(abi: Abi, raw: Sequence[Mapping[str, Any]], said: Sequence[Mapping[str, Any]]) -> None:
    """
    Raises:
        Unequal: starknet.js says something else of an event.
    """
    for event, expected in zip(raw, said, strict=True):
        mine = plain(decoded(abi, event))
        if mine != expected:
            raise Unequal(f"of {event} the codec says {mine}, starknet.js {expected}")


def corpus(chance: random.Random, count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """An ABI, and events of it as a node gives them: seven of ten are transfers."""
    abi = Abi(_entries())
    events = []
    for _ in range(count):
        name = chance.choices(("Transfer", "Filled", "Noted"), (7, 2, 1))[0]
        values = {member: _value(kind, chance) for member, kind, _ in _MEMBERS[name]}
        keys: list[int] = [selector(name)]
        data: list[int] = []
        for member, _, place in _MEMBERS[name]:
            (keys if place == "key" else data).extend(abi.encode(f"take_{name}_{member}", values[member]))
        events.append(
            {"from_address": "0x1", "keys": [hex(felt) for felt in keys], "data": [hex(felt) for felt in data]}
        )
    return _entries(), events


def decoded(abi: Abi, event: Mapping[str, Any]) -> Any:
    return abi.decode_event_texts(event["keys"], event["data"])


def plain(event: Any) -> dict[str, Any]:
    """A decoded event in the shape of starknet.js."""
    kinds = {member: kind for member, kind, _ in _MEMBERS[event.name]}
    return {f"t::{event.name}": {name: _plain(value, kinds[name]) for name, value in event.fields.items()}}


def by_starknet_js(
    entries: list[dict[str, Any]], events: list[dict[str, Any]], seconds: float
) -> tuple[float, list[dict[str, Any]]]:
    """What starknet.js decodes in a second, and what it says of each event.

    Raises:
        NoNode: Node.js or npm is missing, or npm cannot install the package.
    """
    folder = package()
    script, asked = folder / "decode.mjs", folder / f"asked-{time.time_ns()}.json"
    script.write_text(SCRIPT)
    asked.write_bytes(orjson.dumps({"abi": entries, "events": events}))
    try:
        done = subprocess.run(
            [_tool("node"), str(script), str(folder / "package.json"), str(asked), str(seconds)],
            capture_output=True,
            timeout=300,
            check=False,
        )
    finally:
        asked.unlink()
    if done.returncode:
        raise NoNode(f"starknet.js {STARKNET_JS} does not run here: {done.stderr.decode()[-300:].strip()}")
    answer = orjson.loads(done.stdout)
    return float(answer["rate"]), answer["said"]


def package() -> Path:
    """The folder of starknet.js in the cache; installed there if it is not yet.

    Raises:
        NoNode: Node.js or npm is missing, or npm cannot install it.
    """
    folder = Cache.of_user().root / "npm" / f"starknet-{STARKNET_JS}"
    _tool("node")
    if not (folder / "node_modules" / "starknet" / "package.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        options = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact"]
        done = subprocess.run(
            [_tool("npm"), "install", "--prefix", str(folder), *options, f"starknet@{STARKNET_JS}"],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode:
            raise NoNode(f"npm cannot install starknet {STARKNET_JS}: {done.stderr.strip()[-300:]}")
    return folder


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NoNode(f"{name} is not installed: the comparison with starknet.js needs Node.js and npm")
    return found


def _entries() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = [
        {"type": "struct", "name": name, "members": [{"name": field, "type": kind} for field, kind in members]}
        for name, members in _STRUCTS.items()
    ]
    entries += [
        {
            "type": "enum",
            "name": "t::Mode",
            "variants": [{"name": "Open", "type": "()"}, {"name": "Until", "type": "core::integer::u64"}],
        },
        {
            "type": "enum",
            "name": "core::bool",
            "variants": [{"name": "False", "type": "()"}, {"name": "True", "type": "()"}],
        },
        {
            "type": "enum",
            "name": "core::option::Option::<core::integer::u128>",
            "variants": [{"name": "Some", "type": "core::integer::u128"}, {"name": "None", "type": "()"}],
        },
    ]
    for name, members in _MEMBERS.items():
        # A value of each member is encoded as the argument of a function.
        entries += [
            {
                "type": "function",
                "name": f"take_{name}_{member}",
                "inputs": [{"name": "value", "type": kind}],
                "outputs": [],
                "state_mutability": "view",
            }
            for member, kind, _ in members
        ]
        entries.append(
            {
                "type": "event",
                "name": f"t::{name}",
                "kind": "struct",
                "members": [{"name": member, "type": kind, "kind": place} for member, kind, place in members],
            }
        )
    entries.append(
        {
            "type": "event",
            "name": "t::Event",
            "kind": "enum",
            "variants": [{"name": name, "type": f"t::{name}", "kind": "nested"} for name in _MEMBERS],
        }
    )
    return entries


def _value(kind: str, chance: random.Random) -> Any:
    if kind in _STRUCTS and kind not in _OWN:
        return {field: _value(each, chance) for field, each in _STRUCTS[kind]}
    last = kind.rpartition("::")[2]
    if kind == "core::integer::u256":
        return chance.getrandbits(chance.choice((8, 90, 128, 200, 256)))
    if kind.startswith("core::integer::u"):
        return chance.getrandbits(int(last[1:]))
    if kind == "core::bool":
        return chance.random() < 0.5
    if kind.startswith("core::byte_array"):
        return "".join(chance.choices("abc äöü€", k=chance.choice((0, 5, 31, 70))))
    if kind.startswith("core::array"):
        return [chance.getrandbits(64) for _ in range(chance.randrange(6))]
    if kind.startswith("core::option"):
        return chance.choice((None, chance.getrandbits(128)))
    if kind == "t::Mode":
        return chance.choice((EnumValue("Open"), EnumValue("Until", chance.getrandbits(64))))
    return chance.randrange(2**251 if kind == _ADDRESS else PRIME)


def _plain(value: Any, kind: str) -> Any:
    if kind.startswith("core::option"):
        return "None" if value is None else {"Some": str(value)}
    if isinstance(value, EnumValue):
        return {value.variant: {} if value.value is None else str(value.value)}
    if kind in _STRUCTS and isinstance(value, Mapping):
        return {field: _plain(value[field], each) for field, each in _STRUCTS[kind]}
    if isinstance(value, list):
        return [str(part) for part in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
