"""The manifest of a deployment: where a venue's contracts are and with which parameters it runs. `truemark devnet
deploy` writes it; it holds public facts only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from eth_utils.address import is_checksum_address

from truemark.errors import TruemarkError
from truemark.felt import PRIME, hex_of
from truemark.risk import NO_TIER, MarginTier, Tiers

VERSION: Final = 1
FILE_NAME: Final = "deployment.json"
#: Where a manifest is looked for when none is named, first to last.
PATH_VARIABLE: Final = "TRUEMARK_DEPLOYMENT"
HOME_VARIABLE: Final = "TRUEMARK_HOME"
#: The folder of manifests by name, in `home()`, and the name of the one that is found without a name.
ENVIRONMENTS: Final = "environments"
LOCAL: Final = "local"


class BadManifest(TruemarkError, ValueError):
    """A manifest that cannot be used: not JSON, a field that is missing or wrong, or another version."""


class NoDeployment(TruemarkError, FileNotFoundError):
    """There is no manifest where one is looked for."""


class UnknownMarket(TruemarkError, LookupError):
    """The venue lists no market of that name."""


@dataclass(frozen=True, slots=True)
class ContractInfo:
    """A deployed contract on L2."""

    address: int
    class_hash: int


@dataclass(frozen=True, slots=True)
class MarketInfo:
    """A market as it was listed, in the contracts' units (1e-8 of the base asset, 1e-8 USD, bps)."""

    index: int
    lot_size: int
    tick_size: int
    maker_fee_bps: int
    taker_fee_bps: int
    tiers: Tiers


@dataclass(frozen=True, slots=True)
class Deployment:
    """One venue. Addresses and hashes of L2 are ints, those of L1 checksum text."""

    name: str
    #: The parameter profile that it was deployed with.
    profile: str
    #: The RPC gate's URL.
    l2_rpc: str
    l1_rpc: str
    l2_chain_id: int
    l1_chain_id: int
    #: Oracle, Clearinghouse, Vault, Bridge, CollateralToken.
    contracts: Mapping[str, ContractInfo]
    #: Classes that run by library call on a contract's storage: Trading, Liquidation, Money, Venue,
    #: Waterfall.
    classes: Mapping[str, int]
    #: TestUSDC, Messaging, CollateralBridge.
    l1: Mapping[str, str]
    fee_token: int
    account_class_hash: int
    #: devnet_mint may be called.
    faucet: bool
    #: Role -> address: admin, operator, guardian, sentinel, reporter-1 and on, liquidator.
    operators: Mapping[str, int]
    #: By name, e.g. BTC-USD-PERP.
    markets: Mapping[str, MarketInfo]
    vault_lock_secs: int
    #: The profile's figures as deployed.
    parameters: Mapping[str, Any] = field(default_factory=dict)
    #: Where the venue takes orders; None: the manifest does not say.
    venue_url: str | None = None

    @classmethod
    def load(cls, path: Path | str) -> Deployment:
        """
        Raises:
            NoDeployment: there is no such file.
            BadManifest: it is corrupt or of another version.
        """
        path = Path(path)
        try:
            data = orjson.loads(path.read_bytes())
        except FileNotFoundError:
            raise NoDeployment(
                f"no deployment at {path}: `truemark devnet deploy` makes one, --deployment names one"
            ) from None
        except OSError as error:
            raise BadManifest(f"{path} cannot be read: {error.strerror}") from None
        except orjson.JSONDecodeError as error:
            raise BadManifest(f"{path} is not JSON: {error}") from None
        try:
            return _parsed(data)
        except BadManifest as error:
            raise BadManifest(f"{path}: {error}") from None

    def save(self, path: Path | str) -> None:
        """Writes the manifest whole or not at all."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = orjson.dumps(_written(self), option=orjson.OPT_INDENT_2) + b"\n"
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # A temporary file is private; the manifest holds nothing that is.
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def address(self, contract: str) -> int:
        """
        Raises:
            BadManifest: the deployment has no contract of that name.
        """
        info = self.contracts.get(contract)
        if info is None:
            raise BadManifest(f"{self.name} has no contract {contract!r}; there are {', '.join(self.contracts)}")
        return info.address

    def market(self, name: str) -> MarketInfo:
        """
        Raises:
            UnknownMarket: none has that name.
        """
        info = self.markets.get(name)
        if info is None:
            raise UnknownMarket(f"{self.name} lists no market {name!r}; there are {', '.join(self.markets)}")
        return info

    def market_name(self, index: int) -> str:
        """
        Raises:
            UnknownMarket: none has that index.
        """
        for name, info in self.markets.items():
            if info.index == index:
                return name
        raise UnknownMarket(f"{self.name} lists no market {index}")


def home() -> Path:
    """The folder of the local devnet's state: $TRUEMARK_HOME, or one under the user's state folder."""
    named = os.environ.get(HOME_VARIABLE)
    return Path(named) if named else Path.home() / ".local" / "state" / "truemark" / "devnet"


def default_path() -> Path:
    """Where the manifest is looked for: $TRUEMARK_DEPLOYMENT, else in `home()`."""
    named = os.environ.get(PATH_VARIABLE)
    return Path(named) if named else home() / FILE_NAME


def find(path: Path | str | None = None) -> Deployment:
    """The deployment at `path`, by default at `default_path()`.

    Raises:
        NoDeployment, BadManifest: as Deployment.load.
    """
    return Deployment.load(path if path is not None else default_path())


def environment(name: Path | str) -> Deployment:
    """A venue by the name of its environment or by the path of its manifest. Of the name NAME the manifest is
    `environments/NAME.json` in `home()`; "local" is the manifest at `default_path()`.

    Raises:
        NoDeployment: there is none.
        BadManifest: as Deployment.load.
    """
    if isinstance(name, Path) or os.sep in name or Path(name).suffix or Path(name).is_file():
        return Deployment.load(name)
    if name == LOCAL:
        return find()
    path = home() / ENVIRONMENTS / f"{name}.json"
    if not path.is_file():
        known = ", ".join([LOCAL, *sorted(other.stem for other in path.parent.glob("*.json"))])
        raise NoDeployment(f"no environment {name}: there is no {path} (known: {known})")
    return Deployment.load(path)


def _written(deployment: Deployment) -> dict[str, Any]:
    return {
        "version": VERSION,
        "name": deployment.name,
        "profile": deployment.profile,
        "l2_rpc": deployment.l2_rpc,
        "l1_rpc": deployment.l1_rpc,
        "l2_chain_id": hex_of(deployment.l2_chain_id),
        "l1_chain_id": deployment.l1_chain_id,
        "contracts": {
            name: {"address": hex_of(info.address), "class_hash": hex_of(info.class_hash)}
            for name, info in deployment.contracts.items()
        },
        "classes": {name: hex_of(class_hash) for name, class_hash in deployment.classes.items()},
        "l1": dict(deployment.l1),
        "fee_token": hex_of(deployment.fee_token),
        "account_class_hash": hex_of(deployment.account_class_hash),
        "faucet": deployment.faucet,
        "operators": {role: hex_of(address) for role, address in deployment.operators.items()},
        "markets": {
            name: {
                "index": info.index,
                "lot_size": info.lot_size,
                "tick_size": info.tick_size,
                "maker_fee_bps": info.maker_fee_bps,
                "taker_fee_bps": info.taker_fee_bps,
                "tiers": [[tier.upto, tier.initial_bps, tier.maintenance_bps] for tier in info.tiers],
            }
            for name, info in deployment.markets.items()
        },
        "vault_lock_secs": deployment.vault_lock_secs,
        "parameters": dict(deployment.parameters),
        **({} if deployment.venue_url is None else {"venue_url": deployment.venue_url}),
    }


def _parsed(data: Any) -> Deployment:
    if not isinstance(data, dict):
        raise BadManifest("not a manifest")
    if data.get("version") != VERSION:
        raise BadManifest(f"version {data.get('version')!r}, this client reads {VERSION}: deploy again")
    try:
        return Deployment(
            name=_text(data["name"]),
            profile=_text(data["profile"]),
            l2_rpc=_text(data["l2_rpc"]),
            l1_rpc=_text(data["l1_rpc"]),
            l2_chain_id=_felt(data["l2_chain_id"]),
            l1_chain_id=_count(data["l1_chain_id"]),
            contracts={
                _text(name): ContractInfo(_felt(info["address"]), _felt(info["class_hash"]))
                for name, info in data["contracts"].items()
            },
            classes={_text(name): _felt(class_hash) for name, class_hash in data["classes"].items()},
            l1={_text(name): _l1_address(address) for name, address in data["l1"].items()},
            fee_token=_felt(data["fee_token"]),
            account_class_hash=_felt(data["account_class_hash"]),
            faucet=_flag(data["faucet"]),
            operators={_text(role): _felt(address) for role, address in data["operators"].items()},
            markets={_text(name): _market(info) for name, info in data["markets"].items()},
            vault_lock_secs=_count(data["vault_lock_secs"]),
            parameters=dict(data["parameters"]),
            venue_url=None if data.get("venue_url") is None else _text(data["venue_url"]),
        )
    except KeyError as error:
        raise BadManifest(f"without {error.args[0]!r}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise BadManifest(str(error)) from None


def _market(info: Any) -> MarketInfo:
    tiers = [MarginTier(*(_count(part) for part in tier)) for tier in info["tiers"]]
    if not 1 <= len(tiers) <= 3:
        raise ValueError(f"a market has {len(tiers)} margin tiers: one to three can be")
    first, second, third = [*tiers, NO_TIER, NO_TIER][:3]
    return MarketInfo(
        index=_count(info["index"]),
        lot_size=_count(info["lot_size"]),
        tick_size=_count(info["tick_size"]),
        maker_fee_bps=_count(info["maker_fee_bps"]),
        taker_fee_bps=_count(info["taker_fee_bps"]),
        tiers=(first, second, third),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is not true or false")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{value!r} is not a number from 0 up")
    return value


def _felt(value: Any) -> int:
    if isinstance(value, str) and value.startswith("0x"):
        try:
            number = int(value, 16)
        except ValueError:
            number = PRIME
        if 0 <= number < PRIME:
            return number
    raise ValueError(f"{value!r} is not a felt in hexadecimal")


def _l1_address(value: Any) -> str:
    if not is_checksum_address(value):
        raise ValueError(f"{value!r} is not a checksum address")
    return str(value)
