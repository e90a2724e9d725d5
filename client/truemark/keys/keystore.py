"""STARK keys at rest: an encrypted file (the Web3 secret storage format, as starkli's), or an environment variable."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from truemark.errors import TruemarkError
from truemark.keys.stark import StarkKey

#: Of the file format: those that eth-keyfile decrypts.
_VERSIONS: Final = (3, 4)


class BadKeystore(TruemarkError, ValueError):
    """A keystore or key that cannot be used. The message never shows a key or a password."""


@dataclass(frozen=True)
class KeySource:
    """Where a key comes from: exactly one of `keystore` and `key_env`."""

    keystore: Path | None = None
    #: The environment variable that holds the keystore's password; None: it is asked for.
    password_env: str | None = None
    #: The file that holds it, without its last line end: a service manager's credential.
    password_file: Path | None = None
    #: The environment variable that holds the key itself, hexadecimal.
    key_env: str | None = None

    def load(self, ask: Callable[[str], str] | None = None) -> StarkKey:
        """The key. `ask` asks a person for the password that the prompt names; None: nobody is there.

        Raises:
            BadKeystore: it is not there, cannot be read, or the password is another.
        """
        if self.key_env is not None:
            return parse(environment(self.key_env), f"the environment variable {self.key_env}")
        if self.keystore is None:
            raise BadKeystore("no key: name a keystore or an environment variable that holds the key")
        if self.password_env is not None:
            password = environment(self.password_env)
        elif self.password_file is not None:
            password = _password(self.password_file)
        elif ask is not None:
            password = ask(f"Password of {self.keystore}")
        else:
            raise BadKeystore(f"no password for {self.keystore}: name the environment variable that holds it")
        return load(self.keystore, password)


def load(path: Path, password: str) -> StarkKey:
    """The STARK key in an encrypted file.

    Raises:
        BadKeystore: the file cannot be read as a keystore, or the password is another.
    """
    return parse(load_secret(path, password).hex(), str(path))


def load_secret(path: Path, password: str) -> bytes:
    """The 32 bytes in an encrypted file, e.g. an Ethereum key that another program put there.

    Raises:
        BadKeystore: the file cannot be read as a keystore, or the password is another.
    """
    # Its import is slow, and keys that are not in files need none of it.
    from eth_keyfile.keyfile import decode_keyfile_json

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadKeystore(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BadKeystore(f"{path}: not a keystore: {error}") from error
    if not isinstance(content, dict) or "crypto" not in content:
        raise BadKeystore(f"{path}: not a keystore")
    if content.get("version") not in _VERSIONS:
        raise BadKeystore(f"{path}: a keystore of version {content.get('version')!r}; versions 3 and 4 can be read")
    try:
        return bytes(decode_keyfile_json(content, password))
    except ValueError as error:
        # "MAC mismatch" of version 3, "Checksum mismatch" of version 4.
        if "mismatch" in str(error):
            raise BadKeystore(f"{path}: another password") from None
        raise BadKeystore(f"{path}: damaged: {error}") from error
    except (KeyError, TypeError, AssertionError) as error:
        # A field that is missing; an unknown key derivation, which eth-keyfile tells by a TypeError; a pbkdf2 that is
        # not by HMAC, which it asserts.
        raise BadKeystore(f"{path}: damaged: {error!r}") from error


def save(path: Path, key: StarkKey, password: str) -> None:
    """Encrypts a key into a new file that only its owner can read.

    Raises:
        BadKeystore: an empty password, or the file exists already or cannot be made.
    """
    from eth_keyfile.keyfile import create_keyfile_json

    if not password:
        raise BadKeystore("an empty password protects nothing")
    content = dict(create_keyfile_json(key.reveal().to_bytes(32, "big"), password, kdf="scrypt"))
    # An Ethereum address of a STARK key means nothing.
    content.pop("address", None)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        if path.exists():
            raise BadKeystore(f"{path} exists; a keystore is not overwritten") from None
        raise BadKeystore(f"{path} cannot be made: {error.strerror}") from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file)


def environment(name: str) -> str:
    """The value of an environment variable.

    Raises:
        BadKeystore: it is not set.
    """
    value = os.environ.get(name, "")
    if not value:
        raise BadKeystore(f"the environment variable {name} is not set")
    return value


def _password(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadKeystore(f"{path}: the password cannot be read: {type(error).__name__}") from error


def parse(text: str, where: str) -> StarkKey:
    """A key from hexadecimal text; `where` says where it came from.

    Raises:
        BadKeystore: it is none.
    """
    try:
        return StarkKey.from_private(int(text.strip(), 16))
    except ValueError:
        # The reason would quote what may be nearly a key.
        raise BadKeystore(f"{where} is no STARK key") from None
