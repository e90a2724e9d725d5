"""The trader: everything that one account does at a venue, async and sync with the same methods."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from truemark._portal import PORTAL, SyncTwin, sync
from truemark.deployment import Deployment
from truemark.gateway import OrderGateway
from truemark.keys import EthSigner, StarkSigner
from truemark.l1_records import L1Deposit
from truemark.models import Destination, Source, Withdrawal
from truemark.trader.flows import Flow, Journal, Progress, Record, Step
from truemark.trader.handles import DepositHandle, WithdrawalHandle
from truemark.trader.history import HistoryMixin
from truemark.trader.market_data import MarketDataMixin
from truemark.trader.money import MoneyMixin
from truemark.trader.movements import MovementsMixin
from truemark.trader.onboarding import OnboardingMixin
from truemark.trader.reading import ReadingMixin
from truemark.trader.session import ORDER_TTL, POLL
from truemark.trader.trading import TradingMixin
from truemark.trader.venue import Clock
from truemark.units import Amount
from truemark.venue import SyncStream, VenueClient

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from truemark.l1 import L1Bridge


class AsyncTrader(
    OnboardingMixin, ReadingMixin, HistoryMixin, MarketDataMixin, MoneyMixin, MovementsMixin, TradingMixin
):
    """One account at one venue. Amounts are Decimals (or ints, or text) in USD and base units; what does not fit the
    venue's steps raises before anything is signed.

    async with await AsyncTrader.connect(deployment, key, gateway=gateway, l1=eth_key) as trader:
        await trader.onboard()
        await (await trader.deposit(1_000)).credited(timeout=60)
        await trader.place("BTC-USD-PERP", "buy", "0.01", "95000")
    """

    async def faucet(self, amount: Amount = 10_000) -> None:
        """Ether for gas and `amount` of test USDC on L1, of a local deployment.

        Raises:
            L1Refused: this deployment has no faucet.
            NoL1
        """
        await self.l1.fund_ether()
        await self.l1.mint_test_usdc(amount)


class SyncDeposit(SyncTwin[DepositHandle]):
    """A deposit that was sent from L1; see DepositHandle."""

    def __init__(self, handle: DepositHandle) -> None:
        self._twin = handle

    def __repr__(self) -> str:
        return f"SyncDeposit({self.deposit!r})"

    @property
    def deposit(self) -> L1Deposit:
        return self._twin.deposit

    @property
    def nonce(self) -> int:
        return self._twin.nonce

    @property
    def tx_hash(self) -> str:
        return self._twin.tx_hash

    outcome = sync(DepositHandle.outcome)
    credited = sync(DepositHandle.credited)


class SyncWithdrawal(SyncTwin[WithdrawalHandle]):
    """A withdrawal that L2 registered; see WithdrawalHandle."""

    def __init__(self, handle: WithdrawalHandle) -> None:
        self._twin = handle

    def __repr__(self) -> str:
        return f"SyncWithdrawal({self.withdrawal!r})"

    @property
    def withdrawal(self) -> Withdrawal:
        return self._twin.withdrawal

    @property
    def epoch(self) -> int:
        return self._twin.epoch

    @property
    def counter(self) -> int:
        return self._twin.counter

    @property
    def tx_hash(self) -> int | None:
        return self._twin.tx_hash

    claimable = sync(WithdrawalHandle.claimable)
    paid = sync(WithdrawalHandle.paid)
    wait_claimable = sync(WithdrawalHandle.wait_claimable)
    claim = sync(WithdrawalHandle.claim)


class SyncFlow(SyncTwin[Flow]):
    """A movement of money that survives its process; see Flow."""

    def __init__(self, flow: Flow) -> None:
        self._twin = flow

    def __repr__(self) -> str:
        return f"Sync{self._twin!r}"

    @property
    def id(self) -> str:
        return self._twin.id

    @property
    def record(self) -> Record:
        return self._twin.record

    @property
    def step(self) -> Step:
        return self._twin.step

    @property
    def finished(self) -> bool:
        return self._twin.finished

    @property
    def progress(self) -> Progress:
        return self._twin.progress

    @property
    def reason(self) -> str | None:
        return self._twin.reason

    @property
    def outcome(self) -> Any:
        return self._twin.outcome

    def reload(self) -> Step:
        """As Flow.reload."""
        return self._twin.reload()

    advance = sync(Flow.advance)
    run = sync(Flow.run)


class Trader(SyncTwin[AsyncTrader]):
    """AsyncTrader for callers without an event loop: the same methods, which wait."""

    def __init__(self, twin: AsyncTrader) -> None:
        self._twin = twin

    @classmethod
    def connect(
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
    ) -> Trader:
        """As AsyncTrader.connect. A gateway and an open bridge must live on the same background loop."""
        return cls(
            PORTAL.run(
                AsyncTrader.connect(
                    deployment,
                    key,
                    gateway=gateway,
                    l1=l1,
                    clock=clock,
                    client=client,
                    order_ttl=order_ttl,
                    poll=poll,
                    journal=journal,
                    trading_key=trading_key,
                    account=account,
                    signer_timeout=signer_timeout,
                    venue=venue,
                )
            )
        )

    def __repr__(self) -> str:
        return f"Trader({self.address:#x} on {self.deployment.name})"

    @property
    def deployment(self) -> Deployment:
        return self._twin.deployment

    @property
    def address(self) -> int:
        return self._twin.address

    @property
    def public_key(self) -> int:
        return self._twin.public_key

    onboard = sync(AsyncTrader.onboard)
    register_trading_key = sync(AsyncTrader.register_trading_key)
    revoke_trading_key = sync(AsyncTrader.revoke_trading_key)
    trading_keys = sync(AsyncTrader.trading_keys)
    faucet = sync(AsyncTrader.faucet)

    mode = sync(AsyncTrader.mode)
    mark = sync(AsyncTrader.mark)
    positions = sync(AsyncTrader.positions)
    margin = sync(AsyncTrader.margin)
    liquidation_price = sync(AsyncTrader.liquidation_price)
    funding = sync(AsyncTrader.funding)
    balances = sync(AsyncTrader.balances)
    redemptions = sync(AsyncTrader.redemptions)
    transfers = sync(AsyncTrader.transfers)
    settled_fills = sync(AsyncTrader.settled_fills)
    refunds_paid = sync(AsyncTrader.refunds_paid)
    refund_claimable = sync(AsyncTrader.refund_claimable)
    markets = sync(AsyncTrader.markets)
    order_book = sync(AsyncTrader.order_book)
    candles = sync(AsyncTrader.candles)
    public_trades = sync(AsyncTrader.public_trades)
    dead_mans_switch = sync(AsyncTrader.dead_mans_switch)

    deposit_from_wallet = sync(AsyncTrader.deposit_from_wallet)
    credit_pending = sync(AsyncTrader.credit_pending)
    claim_parked = sync(AsyncTrader.claim_parked)
    return_pending = sync(AsyncTrader.return_pending)
    escape = sync(AsyncTrader.escape)
    claim_refund = sync(AsyncTrader.claim_refund)
    vault_deposit = sync(AsyncTrader.vault_deposit)
    request_redeem = sync(AsyncTrader.request_redeem)
    claim_redemption = sync(AsyncTrader.claim_redemption)
    withdraw_to_wallet = sync(AsyncTrader.withdraw_to_wallet)

    sign_order = sync(AsyncTrader.sign_order)
    place = sync(AsyncTrader.place)
    place_batch = sync(AsyncTrader.place_batch)
    modify = sync(AsyncTrader.modify)
    open_orders = sync(AsyncTrader.open_orders)
    order = sync(AsyncTrader.order)
    settled = sync(AsyncTrader.settled)
    fills = sync(AsyncTrader.fills)
    cancel = sync(AsyncTrader.cancel)
    cancel_on_chain = sync(AsyncTrader.cancel_on_chain)
    cancel_all = sync(AsyncTrader.cancel_all)

    @property
    def venue(self) -> VenueClient:
        """As AsyncTrader.venue."""
        return VenueClient.around(self._twin.venue)

    def stream(self, **options: Any) -> SyncStream:
        """As AsyncTrader.stream."""
        return SyncStream(self._twin.stream(**options))

    def deposit(self, amount: Amount, to: Destination | str = Destination.MARGIN) -> SyncDeposit:
        """As AsyncTrader.deposit."""
        return SyncDeposit(PORTAL.run(self._twin.deposit(amount, to)))

    def resume_deposit(self, deposit: L1Deposit) -> SyncDeposit:
        """As AsyncTrader.resume_deposit."""
        return SyncDeposit(self._twin.resume_deposit(deposit))

    def withdraw(
        self, amount: Amount, recipient: str | None = None, source: Source | str = Source.MARGIN
    ) -> SyncWithdrawal:
        """As AsyncTrader.withdraw."""
        return SyncWithdrawal(PORTAL.run(self._twin.withdraw(amount, recipient, source)))

    def resume_withdrawal(self, withdrawal: Withdrawal) -> SyncWithdrawal:
        """As AsyncTrader.resume_withdrawal."""
        return SyncWithdrawal(self._twin.resume_withdrawal(withdrawal))

    def begin_deposit(self, amount: Amount, to: Destination | str = Destination.MARGIN) -> SyncFlow:
        """As AsyncTrader.begin_deposit."""
        return SyncFlow(PORTAL.run(self._twin.begin_deposit(amount, to)))

    def begin_withdrawal(
        self, amount: Amount, recipient: str | None = None, source: Source | str = Source.MARGIN
    ) -> SyncFlow:
        """As AsyncTrader.begin_withdrawal."""
        return SyncFlow(PORTAL.run(self._twin.begin_withdrawal(amount, recipient, source)))

    def begin_vault_deposit(self, amount: Amount, source: Source | str = Source.WALLET) -> SyncFlow:
        """As AsyncTrader.begin_vault_deposit."""
        return SyncFlow(PORTAL.run(self._twin.begin_vault_deposit(amount, source)))

    def begin_redemption(self, shares: Amount) -> SyncFlow:
        """As AsyncTrader.begin_redemption."""
        return SyncFlow(PORTAL.run(self._twin.begin_redemption(shares)))

    def movements(self, *, open_only: bool = True) -> Sequence[SyncFlow]:
        """As AsyncTrader.movements."""
        return [SyncFlow(flow) for flow in PORTAL.run(self._twin.movements(open_only=open_only))]

    def movement(self, flow_id: str) -> SyncFlow:
        """As AsyncTrader.movement."""
        return SyncFlow(PORTAL.run(self._twin.movement(flow_id)))

    def withdrawals(self) -> Sequence[SyncWithdrawal]:
        """As AsyncTrader.withdrawals."""
        return [SyncWithdrawal(handle) for handle in PORTAL.run(self._twin.withdrawals())]
