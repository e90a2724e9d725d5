use starknet::ContractAddress;
use crate::oracle::sight::Sights;

/// What one reporter says of one market. 0 is never a price: such an entry is dropped.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct PriceEntry {
    pub market: u8,
    /// 1e-8 USD for one whole base unit.
    pub price: u64,
    pub confidence_bps: u16,
    /// When the reporter saw it; seconds.
    pub observed_at: u64,
    /// For 8 hours; ppm.
    pub funding_rate_ppm: i32,
}

/// `Stale` is never stored: it is how a Valid market reads once its mark is older than
/// `max_mark_age`.
#[derive(Copy, Drop, Serde, PartialEq, Debug, Default)]
pub enum MarketStatus {
    /// Listed; waits for a quorum inside the bounds. Has no mark.
    #[default]
    Pending,
    Valid,
    Stale,
    /// A median beyond `max_step` waits for confirmation; the mark is the last good one.
    Suspect,
    /// The breaker or the bounds; the mark is the last good one until the admin releases it.
    Frozen,
    Settling,
    Settled,
}

/// What became of one entry of a report, and of its market.
#[derive(Copy, Drop, Serde, PartialEq, Debug, Default)]
pub enum Outcome {
    // The entry does not count; nothing changed.
    #[default]
    DroppedZero,
    DroppedStale,
    DroppedAhead,
    DroppedNotNewer,
    DroppedUncertain,
    // The entry counts; the mark did not change.
    /// Fewer than a quorum are fresh and within max_skew.
    NoQuorum,
    /// The middle two are further apart than max_spread.
    Spread,
    /// Frozen or settled: the entry is kept for later.
    Closed,
    /// Beyond max_step: the median is the candidate.
    Suspected,
    /// A candidate waits for its rounds.
    Waiting,
    /// A round agreed with the one before.
    Counted,
    /// A round did not agree: it is the candidate now and the count is 0.
    Restarted,
    /// The median is outside the bounds: Frozen (a Pending market goes on waiting).
    OutOfBounds,
    /// The move ends further than max_drift from the anchor: Frozen.
    Drifted,
    // The median is the mark.
    Accepted,
    /// After confirm_rounds.
    Confirmed,
}

/// Everything a reader needs of a market, together, so that nobody uses a price without its status.
#[derive(Copy, Drop, Serde, PartialEq, Debug, Default)]
pub struct Mark {
    pub market: u8,
    pub status: MarketStatus,
    /// The last good mark; 0 until there is one.
    pub price: u64,
    /// When it was accepted; block time.
    pub accepted_at: u64,
    /// When the market became Valid again after it was not; 0 if it always was since its first
    /// mark.
    pub valid_since: u64,
    /// An accepted mark at least `liq_gap` older than `price`; 0 while there is none.
    pub checkpoint: u64,
    pub checkpoint_at: u64,
    /// The median that waits for confirmation; 0 when there is none.
    pub candidate: u64,
    /// The last good mark when the drift window rolled.
    pub anchor: u64,
    /// Sum of rate x min(gap, max_gap) x mark over accepted marks while Valid; 1e-16 USD for one
    /// whole base unit. 0 where its slot is broken.
    pub funding_growth: i128,
    /// The slot of the growth is not what the oracle wrote: no position of the market can be
    /// valued.
    pub funding_broken: bool,
}

#[derive(Drop, Serde)]
pub struct Marks {
    /// No mark of any market was accepted for `max_silence`.
    pub silent: bool,
    /// One for each bit asked for, in rising order of market.
    pub marks: Span<Mark>,
}

/// The guard of one market. Times in seconds, prices in 1e-8 USD.
#[derive(Copy, Drop, Serde, PartialEq, Debug, starknet::Store)]
pub struct Guard {
    pub min_price: u64,
    pub max_price: u64,
    pub max_age: u32,
    pub max_ahead: u32,
    pub max_skew: u32,
    pub max_mark_age: u32,
    pub max_gap: u32,
    pub drift_window: u32,
    pub confirm_gap: u32,
    pub liq_gap: u32,
    pub confirm_rounds: u8,
    pub max_confidence_bps: u16,
    pub max_spread_bps: u16,
    pub max_step_bps: u16,
    pub max_drift_bps: u16,
    pub max_funding_rate_ppm: u32,
}

#[starknet::interface]
pub trait IOracle<TState> {
    /// One report of one reporter for any number of markets, packed as in `oracle::entries`, pairs
    /// of markets in rising order. Reverts for a stranger, another epoch, an unknown or repeated
    /// market; an entry that may not count is dropped alone, with its outcome in the event.
    fn report(ref self: TState, epoch: u64, entries: Span<felt252>);

    fn mark(self: @TState, market: u8) -> Mark;
    /// The marks of the markets whose bits are set. Reverts for a bit of an unlisted market.
    fn marks(self: @TState, markets: u128) -> Marks;
    /// The same for contracts, packed (`oracle::sight`).
    fn sights(self: @TState, markets: u128) -> Sights;
    /// The funding growth of the markets whose bits are set, None where the slot's checksum is
    /// broken.
    fn growths(self: @TState, markets: u128) -> Span<Option<i128>>;
    fn guard(self: @TState, market: u8) -> Guard;
    /// The last entry of a reporter for a market that counted (price 0: none yet).
    fn last_entry(self: @TState, market: u8, reporter: ContractAddress) -> PriceEntry;
    fn market_count(self: @TState) -> u8;
    /// Reverts for an unknown name, e.g. 'BTC-USD-PERP'.
    fn market_index(self: @TState, name: felt252) -> u8;
    fn market_name(self: @TState, market: u8) -> felt252;
    fn reporters(self: @TState) -> Span<ContractAddress>;
    fn quorum(self: @TState) -> u8;
    fn epoch(self: @TState) -> u64;
    fn max_silence(self: @TState) -> u64;
    fn last_accepted_at(self: @TState) -> u64;
    fn silent(self: @TState) -> bool;

    /// Admin. Returns the market's index; the market is Pending.
    fn list_market(ref self: TState, name: felt252, guard: Guard) -> u8;
    /// Admin. Reverts if the current good mark would not be valid under the new guard.
    fn configure(ref self: TState, market: u8, guard: Guard);
    /// Admin. Ends Frozen after the dwell time. The market is Suspect without a candidate (Pending
    /// if it never had a mark): a median within a step of the last good mark is taken at once,
    /// another one after its confirmation, and the first mark taken is the new anchor.
    fn release(ref self: TState, market: u8);
    /// Admin, guardian, sentinel: Frozen at once. On a Frozen market: its dwell time starts anew. A
    /// settlement that has not ended is stopped by it.
    fn freeze(ref self: TState, market: u8);
    /// Admin. A market with a mark whose asset is dead: Settling, ordinary reports are Closed.
    fn start_settlement(ref self: TState, market: u8);
    /// A reporter's word on the final price of a Settling market; the last one counts. A quorum
    /// within max_spread of their median makes it the settlement price, and the delay begins;
    /// another settlement price begins it anew. Reverts for a stranger, another epoch, a price that
    /// is 0 or above max_price.
    fn report_settlement(ref self: TState, epoch: u64, market: u8, price: u64);
    /// Anyone, after the delay: the settlement price is the mark for good.
    fn settle_market(ref self: TState, market: u8);
    /// Admin. Announces a reporter, who can be seated after a delay.
    fn add_reporter(ref self: TState, reporter: ContractAddress);
    /// Admin, once the delay since the announcement is over.
    fn seat_reporter(ref self: TState, reporter: ContractAddress);
    /// Admin. At once, but never below the quorum. Takes back an announcement too.
    fn remove_reporter(ref self: TState, reporter: ContractAddress);
    /// Admin. 0 < quorum <= reporters.
    fn set_quorum(ref self: TState, quorum: u8);
    /// Admin, once: the clearinghouse that is told when a silence ends, the bridge that counts
    /// epochs.
    fn connect(ref self: TState, clearinghouse: ContractAddress, bridge: ContractAddress);
    /// The bridge only; only upwards.
    fn set_epoch(ref self: TState, epoch: u64);
    /// The clearinghouse only, while a market's index does not run there: a growth whose slot is
    /// broken begins again at 0. Only its changes mean something, so nothing is lost.
    fn restart_growth(ref self: TState, market: u8);
}
