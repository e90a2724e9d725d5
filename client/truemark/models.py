"""What the SDK hands to a trader: frozen records, every amount a Decimal in whole units (USD, base asset, shares)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from enum import StrEnum

from truemark.orders import Side

ZERO = Decimal(0)
#: Differences of amounts are exact, whatever the caller's context.
_EXACT = Context(prec=80)


class Mode(StrEnum):
    """The venue's mode; a lower one allows less."""

    HALTED = "Halted"
    CANCEL_ONLY = "CancelOnly"
    POST_ONLY = "PostOnly"
    FULL = "Full"


class MarketStatus(StrEnum):
    """How a market reads; only in a Valid one can anybody open or add."""

    PENDING = "Pending"
    VALID = "Valid"
    STALE = "Stale"
    SUSPECT = "Suspect"
    FROZEN = "Frozen"
    SETTLING = "Settling"
    SETTLED = "Settled"


class Source(StrEnum):
    """Where money on L2 comes from."""

    WALLET = "wallet"
    MARGIN = "margin"


class Destination(StrEnum):
    """Where a deposit goes."""

    WALLET = "wallet"
    MARGIN = "margin"
    VAULT = "vault"

    @property
    def code(self) -> int:
        """As the bridge's messages have it."""
        return _CODES.index(self)

    @staticmethod
    def from_code(code: int) -> Destination:
        """
        Raises:
            ValueError: no destination has this code.
        """
        if not 0 <= code < len(_CODES):
            raise ValueError(f"{code} is no destination: 0 wallet, 1 margin, 2 vault")
        return _CODES[code]


_CODES = (Destination.WALLET, Destination.MARGIN, Destination.VAULT)


@dataclass(frozen=True, slots=True)
class Mark:
    """A market's price with all that says whether to trust it."""

    market: str
    status: MarketStatus
    #: The last good mark, USD for one base unit; 0 until there is one.
    price: Decimal
    #: Block time; 0 until there is a mark.
    accepted_at: int
    #: A median that waits for confirmation; 0: none.
    candidate: Decimal

    @property
    def valid(self) -> bool:
        return self.status is MarketStatus.VALID


@dataclass(frozen=True, slots=True)
class Position:
    """One open position at the last good mark. Long above 0."""

    market: str
    size: Decimal
    mark: Decimal
    status: MarketStatus
    #: size x mark, USD, signed as the size.
    value: Decimal
    #: Funding accrued and not settled yet, USD; above 0 the account receives.
    funding: Decimal
    #: Requirements of this position alone, USD.
    initial: Decimal
    maintenance: Decimal
    #: The mark at which the account's value meets its maintenance requirement, everything else unchanged; None: none.
    liquidation_price: Decimal | None


@dataclass(frozen=True, slots=True)
class MarginState:
    """The clearinghouse's own view of an account, USD."""

    #: V: collateral, positions at their marks, funding accrued.
    value: Decimal
    initial: Decimal
    maintenance: Decimal
    #: What a withdrawal can take: as free collateral, with every market that is not Valid at its worst price.
    withdrawable: Decimal

    @property
    def free_collateral(self) -> Decimal:
        """What is above the initial requirement at the last good marks: what opening can use. Never below 0."""
        return max(_EXACT.subtract(self.value, self.initial), ZERO)

    @property
    def ratio(self) -> Decimal | None:
        """V / R of maintenance: below 1 the account can be liquidated. None with nothing open."""
        return self.value / self.maintenance if self.maintenance else None

    @property
    def healthy(self) -> bool:
        return self.value >= self.maintenance


@dataclass(frozen=True, slots=True)
class Balances:
    """Where an account's money is. USD, but for the vault's shares."""

    #: Collateral of the margin account, without positions.
    margin: Decimal
    #: Deposited while the venue was Halted; credited once it is not.
    pending: Decimal
    #: Collateral tokens in the L2 wallet.
    wallet: Decimal
    vault_shares: Decimal
    #: What the shares are worth now; 0 while the vault has none.
    vault_value: Decimal
    #: Tokens on L1 of the trader's L1 address; None without an L1 signer.
    l1: Decimal | None


@dataclass(frozen=True, slots=True)
class Onboarding:
    """What `onboard` found and did: a False was done before."""

    address: int
    funded: bool
    deployed: bool
    registered: bool
    #: Until when the trading key signs; unix seconds.
    key_expiry: int

    @property
    def changed(self) -> bool:
        return self.funded or self.deployed or self.registered


@dataclass(frozen=True, slots=True)
class TradingKey:
    """A key that signs orders of an account."""

    public_key: int
    #: Unix seconds of block time from which it signs nothing.
    expiry: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that moved on L2 in one transaction, USD."""

    amount: Decimal
    tx_hash: int


class TransferKind(StrEnum):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    #: Deposited while the venue was Halted, and taken back before it was credited.
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class AccountTransfer:
    """Money into or out of a margin account; USD."""

    kind: TransferKind
    amount: Decimal
    block: int
    tx_hash: int


@dataclass(frozen=True, slots=True)
class SettledFill:
    """One side of a fill as the chain settled it."""

    order_hash: int
    market: str
    side: Side
    is_maker: bool
    #: Base asset, and USD for one base unit.
    size: Decimal
    price: Decimal
    #: USD: what was paid as a fee, and received as funding (below 0: paid).
    fee: Decimal
    funding: Decimal
    #: The account's position after it.
    position: Decimal
    block: int
    tx_hash: int


@dataclass(frozen=True, slots=True)
class RefundPayment:
    """A refund of an incident that was paid; USD."""

    incident: int
    index: int
    amount: Decimal
    block: int
    tx_hash: int


@dataclass(frozen=True, slots=True)
class VaultDeposit:
    assets: Decimal
    shares: Decimal
    tx_hash: int


@dataclass(frozen=True, slots=True)
class RedemptionRequest:
    """Shares that wait for their lock to end; they gain and lose with the others until the claim."""

    request_id: int
    shares: Decimal
    #: Block time.
    claimable_at: int
    tx_hash: int


@dataclass(frozen=True, slots=True)
class RedemptionClaim:
    """Shares burnt, and what they paid into the wallet, USD."""

    shares: Decimal
    assets: Decimal
    tx_hash: int


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A payment that L2 registered on L1: all that is needed to claim it there, at any time and by anyone."""

    epoch: int
    counter: int
    amount: Decimal
    #: Checksum address on L1.
    recipient: str
    #: Whom L2 took it from: an account, or 2**251 + the nonce of a deposit that went back.
    source: int


class DepositState(StrEnum):
    #: Credited to where it was sent.
    DELIVERED = "delivered"
    #: It arrived and could not be credited; the recipient claims it, or it goes back to its depositor.
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class DepositOutcome:
    """What L2 did with a deposit from L1."""

    state: DepositState
    amount: Decimal
    tx_hash: int
    #: Of a parked one: its id at the bridge, and why.
    parked_id: int | None = None
    reason: str | None = None
