"""One trader's connections: the L2 account with its key, the venue, the order gateway, the L1 bridge."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import httpx

from truemark.account import Account
from truemark.deployment import Deployment, environment
from truemark.errors import TruemarkError
from truemark.gateway import OrderGateway
from truemark.keys import EthSigner, StarkKey, StarkSigner, account_address, derive_in_thread
from truemark.rpc import AsyncRpc
from truemark.trader.venue import Clock, Venue

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from truemark.l1 import L1Bridge
    from truemark.trader.flows import Journal
    from truemark.venue import AsyncVenueClient

#: Seconds between two looks at something that is waited for.
POLL = 0.2
#: Seconds that an order is good for when it does not say.
ORDER_TTL = 3_600


class NoGateway(TruemarkError, RuntimeError):
    """Orders need a gateway; this trader was connected without one."""


class NoL1(TruemarkError, RuntimeError):
    """Money from or to L1 needs an L1 signer; this trader was connected without one."""


class NoAccountKey(TruemarkError, PermissionError):
    """This needs the account's own key; the trader was connected with a trading key of it alone, which can place and
    cancel at the venue and nothing else."""


class _NoAccountKey:
    """In the place of an account's key."""

    public_key = 0

    def sign(self, msg_hash: int) -> tuple[int, int]:
        raise NoAccountKey("this trader has a trading key alone: only the account's own key can do this")


class NoJournal(TruemarkError, RuntimeError):
    """Money that survives a crash needs a journal; this trader was connected without one."""


class Session:
    """Base of AsyncTrader. Made by `connect`; use as `async with`, or call `aclose`."""

    def __init__(
        self,
        venue: Venue,
        account: Account,
        key: StarkSigner,
        *,
        gateway: OrderGateway | None,
        l1: L1Bridge | None,
        owns_l1: bool,
        order_ttl: int,
        poll: float,
        journal: Journal | Path | str | None = None,
        owned_venue: AsyncVenueClient | None = None,
    ) -> None:
        self._venue = venue
        self._account = account
        self._key = key
        self._gateway = gateway
        self._l1 = l1
        self._owns_l1 = owns_l1
        self._order_ttl = order_ttl
        self._poll = poll
        self._journal = journal
        self._owned_venue = owned_venue

    @classmethod
    async def connect(
        cls,
        deployment: Deployment | Path | str,
        key: StarkSigner | EthSigner,
        *,
        trading_key: StarkSigner | None = None,
        account: int | None = None,
        gateway: OrderGateway | None = None,
        l1: L1Bridge | LocalAccount | bytes | str | None = None,
        clock: Clock | None = None,
        client: httpx.AsyncClient | None = None,
        order_ttl: int = ORDER_TTL,
        poll: float = POLL,
        journal: Journal | Path | str | None = None,
        signer_timeout: float | None = None,
        venue: str | None = None,
    ) -> Self:
        """A trader of one venue. Sends nothing: see `onboard`.

        Args:
            deployment: the venue's manifest, its path, or the name of an environment (`deployment.environment`).
            key: the account's STARK key or whoever signs with it, or an Ethereum signer that it is derived from.
            trading_key: what signs orders, if not `key`: `register_trading_key` registers it.
            account: the account's address, if `key` is a trading key of it and not its own key: then no money can be
                moved.
            gateway: where orders go, if not to the venue's own API.
            venue: URL of the venue's API; None: as the manifest has it. With neither nothing can be placed.
            l1: an Ethereum account, its private key, or a bridge that is open already and stays so.
            clock: unix seconds; None goes by the chain's block time.
            client: an HTTP client to use for L2 and leave open.
            order_ttl: seconds that an order is good for when it does not say.
            poll: seconds between two looks at something that is waited for.
            journal: where movements of money are written down, or the file's path; `begin_*` needs one.
            signer_timeout: seconds that an Ethereum signer may take to give the key; None: as long as it takes.

        Raises:
            NoDeployment, BadManifest: there is no good manifest at the path.
            NotDeterministic, WrongSigner, SignerRefused, SignerTimeout: no key can be derived from this signer.
            BadEthKey: `l1` is no private key.
            WrongChain: the node is on another chain.
            NodeUnavailable: it does not answer.
        """
        if not isinstance(deployment, Deployment):
            deployment = environment(deployment)
        stark = await _stark(key, deployment.l1_chain_id, signer_timeout)
        bridge = None if l1 is None else _bridge(deployment, l1)
        rpc = AsyncRpc(deployment.l2_rpc, client=client)
        contracts = Venue(rpc, deployment, clock)
        try:
            await contracts.check_chain()
        except BaseException:
            await rpc.aclose()
            if bridge is not None and bridge is not l1:
                await bridge.aclose()
            raise
        if account is None:
            owner, address = stark, account_address(stark.public_key, deployment.account_class_hash)
        else:
            owner, address = _NoAccountKey(), account
        signer = stark if trading_key is None else trading_key
        url = venue if venue is not None else deployment.venue_url
        owned: AsyncVenueClient | None = None
        if gateway is None and url is not None:
            from truemark.venue import AsyncVenueClient

            gateway = owned = AsyncVenueClient(url, deployment, signer=signer, account=address, client=client)
        return cls(
            contracts,
            Account(rpc, address, owner, deployment.l2_chain_id),
            signer,
            gateway=gateway,
            owned_venue=owned,
            l1=bridge,
            owns_l1=bridge is not l1,
            order_ttl=order_ttl,
            poll=poll,
            journal=journal,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections that it opened itself."""
        if self._owned_venue is not None:
            await self._owned_venue.aclose()
        await self._venue.rpc.aclose()
        if self._owns_l1 and self._l1 is not None:
            await self._l1.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address:#x} on {self.deployment.name})"

    @property
    def deployment(self) -> Deployment:
        return self._venue.deployment

    @property
    def address(self) -> int:
        """The account's address on L2; the same before and after its deployment."""
        return self._account.address

    @property
    def public_key(self) -> int:
        """Of the key that signs orders."""
        return self._key.public_key

    @property
    def l1(self) -> L1Bridge:
        """
        Raises:
            NoL1: connected without an L1 signer.
        """
        if self._l1 is None:
            raise NoL1("this needs an L1 signer: connect with l1=...")
        return self._l1

    @property
    def gateway(self) -> OrderGateway:
        """
        Raises:
            NoGateway: connected without one.
        """
        if self._gateway is None:
            raise NoGateway("orders need a venue: connect with venue=URL or gateway=...")
        return self._gateway

    @property
    def venue(self) -> AsyncVenueClient:
        """The venue's API: books, candles, streams, and all that its orders can be.

        Raises:
            NoGateway: connected without one.
        """
        from truemark.venue import AsyncVenueClient

        if not isinstance(self._gateway, AsyncVenueClient):
            raise NoGateway("this needs the venue's API: connect with venue=URL")
        return self._gateway

    @property
    def journal(self) -> Journal:
        """
        Raises:
            NoJournal: connected without one.
            BadJournal: the file is none.
        """
        from truemark.trader.flows import Journal

        if self._journal is None:
            raise NoJournal("movements of money need a journal: connect with journal=PATH")
        if not isinstance(self._journal, Journal):
            self._journal = Journal(self._journal)
        return self._journal


def _bridge(deployment: Deployment, l1: L1Bridge | LocalAccount | bytes | str) -> L1Bridge:
    # Here: its library takes more than a second to import, and who only trades needs none of it.
    from truemark.l1 import L1Bridge

    return l1 if isinstance(l1, L1Bridge) else L1Bridge(deployment, l1)


async def _stark(key: StarkSigner | EthSigner, l1_chain_id: int, timeout: float | None) -> StarkSigner:
    if isinstance(key, StarkKey) or not hasattr(key, "sign_typed_data"):
        return key
    return await derive_in_thread(cast(EthSigner, key), l1_chain_id, timeout)
