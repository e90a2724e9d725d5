"""Keys at rest: read back as they were, never shown, and every fault said in one line without the secret."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from truemark.keys import StarkKey
from truemark_keeper.keystore import BadKeystore, KeySource, load, save

SECRET = 0x6B5F2C0A1D3E4F5061728394A5B6C7D8E9FA0B1C2D3E4F5061728394A5B6C7
KEY = StarkKey.from_private(SECRET)
PASSWORD = "correct horse"

#: The test vector of the Web3 secret storage definition (scrypt). Its key is above the order of the STARK curve.
FOREIGN = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32,
            "n": 262144,
            "p": 8,
            "r": 1,
            "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
        },
        "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keeper" / "key.json"
    save(path, KEY, PASSWORD)
    return path


def test_a_key_comes_back_and_its_file_is_for_its_owner_alone(keystore: Path) -> None:
    assert load(keystore, PASSWORD) == KEY
    assert stat.S_IMODE(keystore.stat().st_mode) == 0o600
    assert f"{SECRET:x}" not in keystore.read_text()


def test_another_password_is_said_to_be_another(keystore: Path) -> None:
    with pytest.raises(BadKeystore, match="another password"):
        load(keystore, "wrong horse")


def test_a_file_is_never_overwritten(keystore: Path) -> None:
    with pytest.raises(BadKeystore, match="exists"):
        save(keystore, KEY, PASSWORD)


def test_a_file_that_cannot_be_made_is_named(keystore: Path) -> None:
    with pytest.raises(BadKeystore, match="cannot be made"):
        save(keystore / "key.json", KEY, PASSWORD)


def test_an_empty_password_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadKeystore, match="empty password"):
        save(tmp_path / "key.json", KEY, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read"),
        ("{", "not a keystore"),
        ("[]", "not a keystore"),
        ('{"crypto": {}, "version": 3}', "damaged: KeyError"),
        ('{"crypto": {"kdf": "none"}, "version": 3}', "Unsupported key derivation function: none"),
        (
            '{"crypto": {"kdf": "pbkdf2", "kdfparams": {"salt": "", "dklen": 32, "prf": "md5"}}, "version": 3}',
            "damaged",
        ),
        ('{"crypto": {"kdf": "none"}, "version": 9}', "version 9; versions 3 and 4 can be read"),
        ('{"crypto": {"kdf": "none"}}', "version None"),
    ],
)
def test_what_is_no_keystore_is_named(tmp_path: Path, content: str | None, reason: str) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BadKeystore, match=reason):
        load(path, PASSWORD)


def test_other_tools_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(FOREIGN))
    # Decrypted all right; but the key is above the order of the curve, so it is no STARK key.
    with pytest.raises(BadKeystore, match="no STARK key"):
        load(path, "testpassword")


def test_the_source_names_what_is_missing(keystore: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_KEY", hex(SECRET))
    monkeypatch.setenv("KEEPER_PASSWORD", PASSWORD)
    monkeypatch.setenv("KEEPER_NONSENSE", "0xnonsense-secret")
    monkeypatch.delenv("KEEPER_ABSENT", raising=False)
    assert KeySource(key_env="KEEPER_KEY").load() == KEY
    assert KeySource(keystore=keystore, password_env="KEEPER_PASSWORD").load() == KEY
    assert KeySource(keystore=keystore).load(lambda prompt: PASSWORD) == KEY
    for source in (KeySource(key_env="KEEPER_ABSENT"), KeySource(keystore=keystore, password_env="KEEPER_ABSENT")):
        with pytest.raises(BadKeystore, match="KEEPER_ABSENT is not set"):
            source.load()
    with pytest.raises(BadKeystore, match="no password"):
        KeySource(keystore=keystore).load()
    with pytest.raises(BadKeystore, match="KEEPER_NONSENSE is no STARK key") as caught:
        KeySource(key_env="KEEPER_NONSENSE").load()
    assert "secret" not in str(caught.value)
