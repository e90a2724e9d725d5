"""SNIP-12 typed data of both revisions: the message that a Starknet wallet signs, hashed as wallets do.

Where the standard's text and the wallets part (an enum is hashed without its type, a text of digits is a number), this
does what the wallets do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from truemark.errors import TruemarkError
from truemark.felt import PRIME, BadShortString, selector, short_string
from truemark.hashing import pedersen, pedersen_many, poseidon_hash, poseidon_many
from truemark.units import U128_MAX

_PREFIX: Final = short_string("StarkNet Message")
_DOMAIN_TYPES: Final = ("StarkNetDomain", "StarknetDomain")
_BASIC: Final = (
    frozenset({"felt", "bool", "string", "selector", "merkletree"}),
    frozenset(
        {"felt", "bool", "string", "selector", "merkletree", "enum", "u128", "i128", "timestamp", "shortstring"}
        | {"ContractAddress", "ClassHash"}
    ),
)
#: Types of which a field says what they hold.
_CONTAINERS: Final = ("merkletree", "enum")
_PRESETS: Final[Mapping[str, tuple[Mapping[str, str], ...]]] = {
    "u256": ({"name": "low", "type": "u128"}, {"name": "high", "type": "u128"}),
    "TokenAmount": ({"name": "token_address", "type": "ContractAddress"}, {"name": "amount", "type": "u256"}),
    "NftId": ({"name": "collection_address", "type": "ContractAddress"}, {"name": "token_id", "type": "u256"}),
}
_BYTES_IN_WORD: Final = 31

Field = Mapping[str, str]


class BadTypedData(TruemarkError, ValueError):
    """Typed data that is not well formed, or a value that its type cannot hold."""


class TypedData:
    """One message.

    Args:
        data: the JSON object: types, primaryType, domain, message.

    Raises:
        BadTypedData: it is not well formed.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        try:
            types: Mapping[str, Sequence[Field]] = data["types"]
            self.primary_type: str = data["primaryType"]
            self.domain: Mapping[str, Any] = data["domain"]
            self.message: Mapping[str, Any] = data["message"]
        except (KeyError, TypeError) as error:
            raise BadTypedData(f"typed data has types, primaryType, domain and message; this lacks {error}") from error
        self.revision = _revision(self.domain)
        self.domain_type = _DOMAIN_TYPES[self.revision]
        self._check_names(types)
        self._types: dict[str, Sequence[Field]] = {**(_PRESETS if self.revision else {}), **types}
        self._type_hashes: dict[str, int] = {}
        self._hash_many: Callable[[Sequence[int]], int] = poseidon_many if self.revision else pedersen_many
        self._hash_pair = poseidon_hash if self.revision else pedersen

    def message_hash(self, account: int) -> int:
        """What `account` signs.

        Raises:
            BadTypedData: a value does not fit its type.
            BadFelt: the account is no felt.
        """
        return self._hash_many(
            [_PREFIX, self.domain_hash(), account, self.struct_hash(self.primary_type, self.message)]
        )

    def domain_hash(self) -> int:
        """
        Raises:
            BadTypedData: a field of the domain does not fit its type.
        """
        # Revision 0 may leave the revision out; the type says whether it is hashed.
        return self.struct_hash(self.domain_type, {"revision": str(self.revision), **self.domain})

    def struct_hash(self, type_name: str, value: Mapping[str, Any]) -> int:
        """
        Raises:
            BadTypedData: no such type, or a field is missing or does not fit.
        """
        encoded = [self.type_hash(type_name)]
        for field in self._fields(type_name):
            name = field["name"]
            try:
                member = value[name]
            except (KeyError, TypeError):
                raise BadTypedData(f"{type_name} lacks its field {name}") from None
            encoded.append(self._encode(field["type"], member, field.get("contains"), f"{type_name}.{name}"))
        return self._hash_many(encoded)

    def type_hash(self, type_name: str) -> int:
        """
        Raises:
            BadTypedData: no such type.
        """
        if type_name not in self._type_hashes:
            self._type_hashes[type_name] = selector(self.type_string(type_name))
        return self._type_hashes[type_name]

    def type_string(self, type_name: str) -> str:
        """The type and, sorted by name, every type that it refers to.

        Raises:
            BadTypedData: no such type.
        """
        names, open_names = [type_name], [type_name]
        while open_names:
            for field in self._fields(open_names.pop()):
                for name in map(_element, _referred(field)):
                    if name in self._types and name not in names:
                        names.append(name)
                        open_names.append(name)
        return "".join(self._declaration(name) for name in [type_name, *sorted(names[1:])])

    def _declaration(self, name: str) -> str:
        quote = '"{}"'.format if self.revision else "{}".format
        parts = []
        for field in self._fields(name):
            kind = field["contains"] if field["type"] == "enum" else field["type"]
            inner = f"({','.join(map(quote, _variant(kind)))})" if _is_variant(kind) else quote(kind)
            parts.append(f"{quote(field['name'])}:{inner}")
        return f"{quote(name)}({','.join(parts)})"

    def _fields(self, type_name: str) -> Sequence[Field]:
        try:
            return self._types[type_name]
        except KeyError:
            raise BadTypedData(f"the type {type_name} is not among the types") from None

    def _encode(self, kind: str, value: Any, contains: str | None, path: str) -> int:
        if kind.endswith("*"):
            if not isinstance(value, list | tuple):
                raise BadTypedData(f"{path} is {kind}, {value!r} is no list")
            element = kind[:-1]
            return self._hash_many([self._encode(element, item, None, f"{path}[{i}]") for i, item in enumerate(value)])
        if kind in self._types:
            return self.struct_hash(kind, value)
        if kind not in _BASIC[self.revision]:
            raise BadTypedData(f"{path} has the type {kind}, which is neither basic nor among the types")
        try:
            if kind == "merkletree":
                return self._merkle_root(value, contains, path)
            if kind == "enum":
                return self._enum(value, contains, path)
            if kind == "string" and self.revision:
                return poseidon_many(byte_array(value))
            return _SCALARS[kind](value)
        except (BadShortString, AttributeError, TypeError, ValueError) as error:
            if isinstance(error, BadTypedData):
                raise
            raise BadTypedData(f"{path} is {kind}, {value!r} does not fit") from error

    def _merkle_root(self, leaves: Any, contains: str | None, path: str) -> int:
        if not isinstance(leaves, list | tuple) or not leaves or contains is None:
            raise BadTypedData(f"{path} is a merkletree: it takes a list that is not empty")
        level = [self._encode(contains, leaf, None, f"{path}[{i}]") for i, leaf in enumerate(leaves)]
        while len(level) > 1:
            if len(level) % 2:
                level.append(0)
            pairs = zip(level[::2], level[1::2], strict=True)
            level = [self._hash_pair(min(pair), max(pair)) for pair in pairs]
        return level[0]

    def _enum(self, value: Any, contains: str | None, path: str) -> int:
        if not isinstance(value, Mapping) or len(value) != 1 or contains is None:
            raise BadTypedData(f"{path} is an enum: it takes one variant with its values")
        ((name, members),) = value.items()
        variants = self._fields(contains)
        index = next((at for at, variant in enumerate(variants) if variant["name"] == name), None)
        if index is None:
            raise BadTypedData(f"{path}: {contains} has no variant {name}")
        kinds = _variant(variants[index]["type"])
        if not isinstance(members, list | tuple) or len(members) != len(kinds):
            raise BadTypedData(f"{path}: the variant {name} takes {len(kinds)} values")
        return self._hash_many(
            [index, *(self._encode(kind, member, None, path) for kind, member in zip(kinds, members, strict=True))]
        )

    def _check_names(self, types: Mapping[str, Sequence[Field]]) -> None:
        if self.domain_type not in types:
            raise BadTypedData(f"typed data of revision {self.revision} has a type {self.domain_type}")
        referred = {self.domain_type, self.primary_type}
        for name, fields in types.items():
            for field in fields:
                if not {"name", "type"} <= field.keys() or (field["type"] in _CONTAINERS and "contains" not in field):
                    raise BadTypedData(f"{name} has a field that lacks its name, type or `contains`: {dict(field)}")
                referred.update(map(_element, _referred(field)))
                if "contains" in field:
                    referred.add(field["contains"])
        for name in types:
            if not name or name.endswith("*") or "," in name or _is_variant(name):
                raise BadTypedData(f"{name!r} is no name for a type")
            if name in _BASIC[self.revision] or (self.revision and name in _PRESETS):
                raise BadTypedData(f"the type {name} is predefined")
            if name not in referred:
                raise BadTypedData(f"nothing refers to the type {name}")


def byte_array(text: str) -> list[int]:
    """A text as Cairo serialises a ByteArray: the count of whole words of 31 bytes, these, the rest and its length."""
    data = text.encode()
    whole = len(data) // _BYTES_IN_WORD * _BYTES_IN_WORD
    words = [int.from_bytes(data[at : at + _BYTES_IN_WORD], "big") for at in range(0, whole, _BYTES_IN_WORD)]
    return [len(words), *words, int.from_bytes(data[whole:], "big"), len(data) - whole]


def parse_felt(value: Any) -> int:
    """A felt as typed data writes it: a number, hex or decimal text, or else a short string.

    Raises:
        ValueError: it is none of them.
    """
    if isinstance(value, str):
        if value.startswith("0x"):
            value = int(value, 16)
        elif value.isascii() and value.isdecimal():
            value = int(value)
        else:
            return short_string(value)
    if not isinstance(value, int) or not 0 <= value < PRIME:
        raise ValueError(value)
    return value


def _integer(value: Any) -> int:
    if isinstance(value, str):
        return int(value, 16) if value.startswith("0x") else int(value)
    if not isinstance(value, int):
        raise ValueError(value)
    return value


def _u128(value: Any) -> int:
    number = _integer(value)
    if not 0 <= number <= U128_MAX:
        raise ValueError(value)
    return number


def _i128(value: Any) -> int:
    number = _integer(value)
    # A felt that stands for a number below 0 is taken as well.
    signed = number - PRIME if PRIME - 2**127 <= number < PRIME else number
    if not -(2**127) <= signed < 2**127:
        raise ValueError(value)
    return signed % PRIME


def _bool(value: Any) -> int:
    texts = {"0": 0, "1": 1, "false": 0, "true": 1, "0x0": 0, "0x1": 1}
    if isinstance(value, str) and value in texts:
        return texts[value]
    if isinstance(value, int) and value in (0, 1):
        return int(value)
    raise ValueError(value)


def _selector(value: Any) -> int:
    try:
        return parse_felt(int(value, 16) if isinstance(value, str) else value)
    except ValueError:
        return selector(value)


_SCALARS: Final[Mapping[str, Callable[[Any], int]]] = {
    "felt": parse_felt,
    "string": parse_felt,
    "shortstring": parse_felt,
    "ContractAddress": parse_felt,
    "ClassHash": parse_felt,
    "u128": _u128,
    "timestamp": _u128,
    "i128": _i128,
    "bool": _bool,
    "selector": _selector,
}


def _revision(domain: Mapping[str, Any]) -> int:
    revision = domain.get("revision", 0)
    if str(revision) not in ("0", "1") or isinstance(revision, bool):
        raise BadTypedData(f"{revision!r} is no revision of SNIP-12")
    return int(revision)


def _is_variant(kind: str) -> bool:
    return kind.startswith("(") and kind.endswith(")")


def _variant(kind: str) -> list[str]:
    return kind[1:-1].split(",") if kind[1:-1] else []


def _referred(field: Field) -> list[str]:
    kind = field["contains"] if field["type"] == "enum" else field["type"]
    return _variant(kind) if _is_variant(kind) else [kind]


def _element(kind: str) -> str:
    return kind.removesuffix("*")
