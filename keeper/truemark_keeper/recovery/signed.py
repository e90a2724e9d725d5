"""A report signed by the operator: JSON whose hash a STARK key has signed, so that who reads it later knows that it is
the one a person decided by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from eth_utils.crypto import keccak
from truemark import signing
from truemark.errors import TruemarkError
from truemark.felt import PRIME, hex_of
from truemark.keys import StarkSigner
from truemark.keys.stark import sign_checked

from truemark_keeper.atomic import write_whole

VERSION: Final = 1
#: So that the signature of a report is never one of anything else.
_DOMAIN: Final = b"truemark report v1\n"
_HASH_BITS: Final = 250


class BadSignature(TruemarkError, ValueError):
    """A file that is no signed report, was changed after it was signed, or was signed by another key."""


@dataclass(frozen=True, slots=True)
class SignedReport:
    """
    Attributes:
        content: plain JSON values.
        account: the operator's.
        public_key: by which it is signed.
    """

    content: Mapping[str, Any]
    account: int
    public_key: int
    r: int
    s: int

    @property
    def hash(self) -> int:
        return report_hash(self.content)

    def save(self, path: Path) -> None:
        """Raises OSError."""
        signature = {
            "account": hex_of(self.account),
            "public_key": hex_of(self.public_key),
            "hash": hex_of(self.hash),
            "r": hex_of(self.r),
            "s": hex_of(self.s),
        }
        document = {"version": VERSION, "report": self.content, "signature": signature}
        write_whole(path, orjson.dumps(document, option=orjson.OPT_INDENT_2))

    @classmethod
    def load(cls, path: Path) -> SignedReport:
        """Whether the signature is that of the content is checked; whose key it is, is not.

        Raises:
            BadSignature: see the class.
        """
        try:
            raw = orjson.loads(path.read_bytes())
            if raw["version"] != VERSION:
                raise BadSignature(f"{path}: version {raw['version']!r}, this reads {VERSION}")
            signature = raw["signature"]
            if signature is None:
                raise BadSignature(f"{path}: nobody has signed it")
            account, key, said, r, s = (
                int(signature[name], 16) for name in ("account", "public_key", "hash", "r", "s")
            )
            found = cls(raw["report"], account, key, r, s)
        except OSError as error:
            raise BadSignature(f"{path}: {error.strerror}") from None
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, BadSignature):
                raise
            raise BadSignature(f"{path}: no signed report ({error!r})") from error
        if not isinstance(found.content, dict) or not 0 < account < PRIME:
            raise BadSignature(f"{path}: no signed report")
        if found.hash != said:
            raise BadSignature(
                f"{path}: its content has the hash {found.hash:#x}, {said:#x} was signed: it was changed"
            )
        if not signing.verify(key, said, r, s):
            raise BadSignature(f"{path}: the signature is not that of {key:#x}")
        return found


def report_hash(content: Mapping[str, Any]) -> int:
    """keccak256 of the content with sorted keys, cut to 250 bits so that it can be signed."""
    text = _DOMAIN + orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(keccak(text), "big") & ((1 << _HASH_BITS) - 1)


async def sign_report(content: Mapping[str, Any], account: int, signer: StarkSigner) -> SignedReport:
    """
    Raises:
        BadStarkSignature: the signer did not sign it.
    """
    r, s = await sign_checked(signer, report_hash(content))
    return SignedReport(content, account, signer.public_key, r, s)
