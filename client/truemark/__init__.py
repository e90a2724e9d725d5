"""Truemark: trade perpetual futures on a Truemark venue, and read its chain.

The public names are imported when they are first used: `import truemark` itself costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from truemark.abi import Abi
    from truemark.account import Account
    from truemark.contract import Contract, ContractError
    from truemark.deployment import Deployment, MarketInfo
    from truemark.errors import TruemarkError
    from truemark.explorer import AsyncExplorer, Explorer
    from truemark.gateway import OrderAck, OrderGateway, OrderRejected
    from truemark.index import Follower, Index
    from truemark.keys import EthSigner, LocalEthSigner, StarkKey, derive
    from truemark.l1 import L1Bridge
    from truemark.orders import Order, Side, SignedOrder
    from truemark.receipt import Receipt, TransactionReverted
    from truemark.rpc import AsyncRpc, NodeUnavailable, RpcError
    from truemark.trader import AsyncTrader, Trader
    from truemark.transactions import Bound, Call, Fees
    from truemark.units import BadAmount
    from truemark.venue import AsyncVenueClient, VenueClient

    __version__: str

__all__ = [
    "Abi",
    "Account",
    "AsyncExplorer",
    "AsyncRpc",
    "AsyncTrader",
    "AsyncVenueClient",
    "BadAmount",
    "Bound",
    "Call",
    "Contract",
    "ContractError",
    "Deployment",
    "EthSigner",
    "Explorer",
    "Fees",
    "Follower",
    "Index",
    "L1Bridge",
    "LocalEthSigner",
    "MarketInfo",
    "NodeUnavailable",
    "Order",
    "OrderAck",
    "OrderGateway",
    "OrderRejected",
    "Receipt",
    "RpcError",
    "Side",
    "SignedOrder",
    "StarkKey",
    "Trader",
    "TransactionReverted",
    "TruemarkError",
    "VenueClient",
    "__version__",
    "derive",
]

_HOMES = {
    "abi": ("Abi",),
    "account": ("Account",),
    "contract": ("Contract", "ContractError"),
    "deployment": ("Deployment", "MarketInfo"),
    "errors": ("TruemarkError",),
    "explorer": ("AsyncExplorer", "Explorer"),
    "gateway": ("OrderAck", "OrderGateway", "OrderRejected"),
    "index": ("Follower", "Index"),
    "keys": ("EthSigner", "LocalEthSigner", "StarkKey", "derive"),
    "l1": ("L1Bridge",),
    "orders": ("Order", "Side", "SignedOrder"),
    "receipt": ("Receipt", "TransactionReverted"),
    "rpc": ("AsyncRpc", "NodeUnavailable", "RpcError"),
    "trader": ("AsyncTrader", "Trader"),
    "transactions": ("Bound", "Call", "Fees"),
    "units": ("BadAmount",),
    "venue": ("AsyncVenueClient", "VenueClient"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("truemark")
    elif name in _HOME_OF:
        value = getattr(import_module(f"truemark.{_HOME_OF[name]}"), name)
    else:
        raise AttributeError(f"module 'truemark' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
