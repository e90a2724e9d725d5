//! Which number may be the mark of a market: rules 1 to 6 of docs/oracle.md, as one pure function.
//! State, entries and time in; the new state and the outcome out. Nothing here reads storage or
//! panics.
//!
//! Times in seconds, prices in 1e-8 USD. A time that lies ahead of `now` has age 0.

use crate::oracle::interface::{Guard, MarketStatus, Outcome, PriceEntry};
use crate::rules::{funding, median};

const BPS: u128 = 10_000;

/// What the rules keep of one market.
#[derive(Copy, Drop, PartialEq, Debug, Default)]
pub struct State {
    /// As stored: never `Stale`.
    pub status: MarketStatus,
    /// The last good mark, 0 before the first.
    pub price: u64,
    pub accepted_at: u64,
    pub valid_since: u64,
    pub checkpoint: u64,
    pub checkpoint_at: u64,
    /// The accepted mark that becomes the checkpoint once it is `liq_gap` old.
    pub pend: u64,
    pub pend_at: u64,
    /// The last good mark when the drift window rolled.
    pub anchor: u64,
    /// When that window began; 0: the next accepted mark is the anchor, whatever its distance.
    pub anchor_at: u64,
    /// The reporters that have reported in the open round, a bit each; 0: no round is open.
    pub round: u16,
    pub round_at: u64,
    /// Suspect: the median that waits, 0 if none does.
    pub candidate: u64,
    /// Suspect: when the candidate or the last round that it was compared with was taken. Frozen:
    /// since when.
    pub since: u64,
    /// Rounds that agreed, each with the one before.
    pub count: u8,
    /// The round in which the candidate was made is still open.
    pub own_round: bool,
}

/// The last entry of one registered reporter; `price` 0: none yet.
#[derive(Copy, Drop, PartialEq, Debug)]
pub struct Seen {
    /// The reporter's bit.
    pub bit: u16,
    pub price: u64,
    pub observed_at: u64,
    /// Biased, see `funding::bias_rate`.
    pub rate: u64,
}

/// Who may report: a bit each, and how many of them make a price.
#[derive(Copy, Drop, PartialEq, Debug)]
pub struct Panel {
    pub seats: u16,
    pub quorum: u8,
}

#[derive(Copy, Drop, PartialEq, Debug)]
pub struct Verdict {
    pub state: State,
    pub outcome: Outcome,
    /// The median that led to the outcome; 0 if there was none.
    pub median: u64,
    /// The step of funding growth; 1e-16 USD for one whole base unit.
    pub growth: i128,
}

/// Whether an entry may count at all; `last_observed_at` is that of the same reporter's last entry
/// for the market.
/// None: it may.
pub fn refusal(
    guard: @Guard, entry: @PriceEntry, last_observed_at: u64, now: u64,
) -> Option<Outcome> {
    let observed_at = *entry.observed_at;
    if *entry.price == 0 {
        Option::Some(Outcome::DroppedZero)
    } else if age(now, observed_at) > (*guard.max_age).into() {
        Option::Some(Outcome::DroppedStale)
    } else if age(observed_at, now) > (*guard.max_ahead).into() {
        Option::Some(Outcome::DroppedAhead)
    } else if observed_at <= last_observed_at {
        Option::Some(Outcome::DroppedNotNewer)
    } else if *entry.confidence_bps > *guard.max_confidence_bps {
        Option::Some(Outcome::DroppedUncertain)
    } else {
        Option::None
    }
}

/// The one answer to "what is the status now".
pub fn status(state: @State, max_mark_age: u32, now: u64) -> MarketStatus {
    if *state.status == MarketStatus::Valid && age(now, *state.accepted_at) > max_mark_age.into() {
        MarketStatus::Stale
    } else {
        *state.status
    }
}

/// After the entry of the reporter `bit` was taken: `entries` hold it, and the last one of every
/// other reporter.
pub fn judge(
    guard: @Guard, panel: Panel, state: State, entries: Span<Seen>, bit: u16, now: u64,
) -> Verdict {
    match state.status {
        MarketStatus::Frozen | MarketStatus::Settling |
        MarketStatus::Settled => {
            return Verdict { state, outcome: Outcome::Closed, median: 0, growth: 0 };
        },
        _ => {},
    }
    let before = state;
    let mut state = lapse(roll(state, *guard.drift_window, now), *guard.max_mark_age, now);
    let (reporting, closed) = join(ref state, panel, bit, *guard.confirm_gap, now);
    let own_round = state.own_round;
    if closed {
        state.own_round = false;
    }

    let (prices, rates, in_round) = keep(guard, entries, reporting, now);
    // Rules 1 and 2.
    let mut failure = Outcome::NoQuorum;
    match agree(prices.span(), panel.quorum, *guard.max_spread_bps, state.price) {
        Result::Ok(found) => {
            // Rule 3.
            if out_of_bounds(guard, found) {
                return refuse_bounds(state, found, now);
            }
            // Rule 4; the first mark needs no more than a quorum inside the bounds.
            if state.price == 0 || within(found, state.price, *guard.max_step_bps) {
                return take(guard, @before, state, found, rates.span(), Outcome::Accepted, now);
            }
            // Rule 5.
            if state.candidate == 0 {
                state.status = MarketStatus::Suspect;
                state.candidate = found;
                state.since = now;
                state.count = 0;
                state.own_round = !closed;
                return Verdict { state, outcome: Outcome::Suspected, median: found, growth: 0 };
            }
            failure = Outcome::Waiting;
        },
        Result::Err(reason) => { failure = reason; },
    }
    if !closed || state.candidate == 0 {
        return Verdict { state, outcome: failure, median: 0, growth: 0 };
    }

    // A round closed while a candidate waits.
    match agree(in_round.span(), panel.quorum, *guard.max_spread_bps, state.price) {
        Result::Ok(found) => confirm(
            guard, @before, state, own_round, found, rates.span(), failure, now,
        ),
        Result::Err(_) => Verdict { state, outcome: failure, median: 0, growth: 0 },
    }
}

/// Stopped by hand, by the bounds or by the breaker: the mark is the last good one. Again on a
/// Frozen market: its dwell time starts anew.
pub fn freeze(state: State, now: u64) -> State {
    State { status: MarketStatus::Frozen, since: now, round: 0, ..forget(state) }
}

/// A person vouches that the feed is sound again. Without a mark the market is Pending. With one it
/// is Suspect: a median within a step of the last good mark is taken at once, any other one must be
/// confirmed, and because the breaker was lifted by hand the first mark that is taken is the new
/// anchor, whatever its distance.
pub fn release(state: State) -> State {
    let status = if state.price == 0 {
        MarketStatus::Pending
    } else {
        MarketStatus::Suspect
    };
    State { status, anchor_at: 0, round: 0, ..forget(state) }
}

/// The asset is dead: from now on only settlement reports count.
pub fn start_settlement(state: State, now: u64) -> State {
    State { status: MarketStatus::Settling, since: now, round: 0, ..forget(state) }
}

/// The final price that a Settling market's reporters agree on: their median, by rule 2, if a
/// quorum of them is within max_spread of it.
pub fn settlement(guard: @Guard, quorum: u8, last_good: u64, values: Span<u64>) -> Option<u64> {
    match agree(values, quorum, *guard.max_spread_bps, last_good) {
        Result::Ok(found) => {
            let mut agreed: u32 = 0;
            for value in values {
                if within(*value, found, *guard.max_spread_bps) {
                    agreed += 1;
                }
            }
            if found != 0 && agreed >= quorum.into() {
                Option::Some(found)
            } else {
                Option::None
            }
        },
        Result::Err(_) => Option::None,
    }
}

/// A settlement price was agreed on; the delay begins again unless it is the one that waits. No
/// agreement: none waits.
pub fn propose(state: State, found: Option<u64>, now: u64) -> State {
    let candidate = found.unwrap_or(0);
    if candidate == state.candidate {
        state
    } else {
        State { candidate, since: now, ..state }
    }
}

/// The settlement price is the mark for good. The moment from which the market was Valid says
/// nothing any more.
pub fn settle(state: State, now: u64) -> State {
    let price = state.candidate;
    State {
        status: MarketStatus::Settled,
        price,
        accepted_at: now,
        checkpoint: price,
        checkpoint_at: now,
        ..forget(state),
    }
}

/// Whether the rules can work with this guard, and its numbers fit the slots they are kept in
/// (`oracle::calm`).
pub fn is_sound(guard: @Guard) -> bool {
    *guard.min_price > 0
        && *guard.max_price >= *guard.min_price
        && *guard.max_price < 0x100000000000000
        && *guard.max_age > 0
        && *guard.max_age < 0x1000
        && *guard.max_ahead < 0x100
        && *guard.max_skew < 0x1000
        && *guard.max_mark_age > 0
        && *guard.max_mark_age < 0x1000
        && *guard.drift_window > 0
        && *guard.drift_window < 0x10000
        && *guard.confirm_gap < 0x100
        && *guard.liq_gap < 0x100
        && *guard.confirm_rounds > 0
        && *guard.confirm_rounds < 16
        && *guard.max_confidence_bps <= 10_000
        && *guard.max_step_bps > 0
        && *guard.max_step_bps <= 10_000
        && *guard.max_drift_bps >= *guard.max_step_bps
        && *guard.max_funding_rate_ppm < 0x40000
        && *guard.max_gap <= 86_400
}

/// Whether the current good mark stays what it is under a new guard: inside the bounds; and if the
/// market is Valid now, still fresh and within the drift of its anchor.
pub fn keeps_mark(old_max_mark_age: u32, guard: @Guard, state: @State, now: u64) -> bool {
    if *state.price == 0 {
        return true;
    }
    if out_of_bounds(guard, *state.price) {
        return false;
    }
    if status(state, old_max_mark_age, now) != MarketStatus::Valid {
        return true;
    }
    status(state, *guard.max_mark_age, now) == MarketStatus::Valid
        && within(*state.price, *state.anchor, *guard.max_drift_bps)
}

/// Rules 1 and 2 on the entries that were kept. The values of an odd count give the middle one. Of
/// an even count, the middle two and the last good mark give their median; while there is no last
/// good mark, the lower of the two.
pub fn agree(
    values: Span<u64>, quorum: u8, max_spread_bps: u16, last_good: u64,
) -> Result<u64, Outcome> {
    if values.len() == 0 || values.len() < quorum.into() {
        return Result::Err(Outcome::NoQuorum);
    }
    let (low, high) = median::middle(values);
    if low == high {
        return Result::Ok(low);
    }
    if !within(high, low, max_spread_bps) {
        return Result::Err(Outcome::Spread);
    }
    if last_good < low {
        Result::Ok(low)
    } else if last_good > high {
        Result::Ok(high)
    } else {
        Result::Ok(last_good)
    }
}

/// |value - base| <= base x bps / 1e4, exactly.
pub fn within(value: u64, base: u64, bps: u16) -> bool {
    let distance: u128 = if value > base {
        (value - base).into()
    } else {
        (base - value).into()
    };
    distance * BPS <= base.into() * bps.into()
}

/// Seconds from `then` to `now`, 0 if `then` is ahead.
pub fn age(now: u64, then: u64) -> u64 {
    if now > then {
        now - then
    } else {
        0
    }
}

fn out_of_bounds(guard: @Guard, price: u64) -> bool {
    price < *guard.min_price || price > *guard.max_price
}

/// The drift window tumbles: windows follow each other without a gap, and no mark was taken since
/// the last one ended.
fn roll(mut state: State, drift_window: u32, now: u64) -> State {
    let passed = age(now, state.anchor_at);
    let window: u64 = drift_window.into();
    if state.anchor_at == 0 || passed < window {
        return state;
    }
    match window.try_into() {
        Option::Some(window) => {
            let (_, into_window) = DivRem::div_rem(passed, window);
            state.anchor = state.price;
            state.anchor_at = now - into_window;
        },
        Option::None => {},
    }
    state
}

fn lapse(state: State, max_mark_age: u32, now: u64) -> State {
    if state.candidate != 0 && age(now, state.since) > max_mark_age.into() {
        forget(state)
    } else {
        state
    }
}

/// Without the candidate.
fn forget(state: State) -> State {
    State { candidate: 0, since: 0, count: 0, own_round: false, ..state }
}

/// Enters the reporter in the open round, or opens one; says who reported in it and whether it
/// closes with this report.
fn join(ref state: State, panel: Panel, bit: u16, confirm_gap: u32, now: u64) -> (u16, bool) {
    if state.round == 0 {
        state.round_at = now;
    }
    let reporting = (state.round | bit) & panel.seats;
    let closed = reporting == panel.seats
        || (age(now, state.round_at) >= confirm_gap.into() && bits(reporting) >= panel.quorum);
    state.round = if closed {
        0
    } else {
        reporting
    };
    (reporting, closed)
}

/// Rule 1: the prices and rates of the entries that are fresh and within max_skew of the newest;
/// and of these prices the ones reported in the round.
fn keep(
    guard: @Guard, entries: Span<Seen>, reporting: u16, now: u64,
) -> (Array<u64>, Array<u64>, Array<u64>) {
    let max_age: u64 = (*guard.max_age).into();
    let max_ahead: u64 = (*guard.max_ahead).into();
    let max_skew: u64 = (*guard.max_skew).into();
    let mut newest = 0;
    for entry in entries {
        let at = *entry.observed_at;
        if at > newest
            && age(now, at) <= max_age
            && age(at, now) <= max_ahead
            && *entry.price != 0 {
            newest = at;
        }
    }
    let mut prices = array![];
    let mut rates = array![];
    let mut in_round = array![];
    for entry in entries {
        let at = *entry.observed_at;
        if *entry.price != 0 && at <= newest && newest - at <= max_skew && age(now, at) <= max_age {
            prices.append(*entry.price);
            rates.append(*entry.rate);
            if *entry.bit & reporting != 0 {
                in_round.append(*entry.price);
            }
        }
    }
    (prices, rates, in_round)
}

/// Rule 5 at the close of a round with the median `found`.
fn confirm(
    guard: @Guard,
    before: @State,
    mut state: State,
    own_round: bool,
    found: u64,
    rates: Span<u64>,
    waiting: Outcome,
    now: u64,
) -> Verdict {
    if out_of_bounds(guard, found) {
        return refuse_bounds(state, found, now);
    }
    if own_round {
        // The candidate's own round counts 0; what follows is compared with all of it.
        state.candidate = found;
        state.since = now;
        return Verdict { state, outcome: Outcome::Suspected, median: found, growth: 0 };
    }
    if age(now, state.since) < (*guard.confirm_gap).into() {
        return Verdict { state, outcome: waiting, median: 0, growth: 0 };
    }
    let agrees = within(found, state.candidate, *guard.max_step_bps);
    state.candidate = found;
    state.since = now;
    if !agrees {
        state.count = 0;
        return Verdict { state, outcome: Outcome::Restarted, median: found, growth: 0 };
    }
    if state.count + 1 < *guard.confirm_rounds {
        state.count += 1;
        return Verdict { state, outcome: Outcome::Counted, median: found, growth: 0 };
    }
    take(guard, before, state, found, rates, Outcome::Confirmed, now)
}

/// Rule 3. A market that never had a mark goes on waiting for a quorum inside its bounds.
fn refuse_bounds(state: State, found: u64, now: u64) -> Verdict {
    let state = if state.status == MarketStatus::Pending {
        state
    } else {
        freeze(state, now)
    };
    Verdict { state, outcome: Outcome::OutOfBounds, median: found, growth: 0 }
}

/// Rule 6, then the mark is taken.
fn take(
    guard: @Guard,
    before: @State,
    state: State,
    found: u64,
    rates: Span<u64>,
    outcome: Outcome,
    now: u64,
) -> Verdict {
    if state.anchor_at != 0 && !within(found, state.anchor, *guard.max_drift_bps) {
        return Verdict {
            state: freeze(state, now), outcome: Outcome::Drifted, median: found, growth: 0,
        };
    }
    let was_valid = status(before, *guard.max_mark_age, now) == MarketStatus::Valid;
    let growth = if was_valid {
        funding::accrual(
            median::central_rate(rates),
            *guard.max_funding_rate_ppm,
            age(now, *before.accepted_at),
            *guard.max_gap,
            found,
        )
    } else {
        0
    };
    let mut state = State {
        status: MarketStatus::Valid, price: found, accepted_at: now, ..forget(state),
    };
    if !was_valid && *before.price != 0 {
        state.valid_since = now;
    }
    if state.anchor_at == 0 {
        state.anchor = found;
        state.anchor_at = now;
    }
    if state.pend_at == 0 || state.pend_at == now {
        state.pend = found;
        state.pend_at = now;
    } else if age(now, state.pend_at) >= (*guard.liq_gap).into() {
        state.checkpoint = state.pend;
        state.checkpoint_at = state.pend_at;
        state.pend = found;
        state.pend_at = now;
    }
    Verdict { state, outcome, median: found, growth }
}

/// How many bits are set.
pub fn bits(set: u16) -> u8 {
    let mut rest = set;
    let mut count = 0;
    while rest != 0 {
        rest = rest & (rest - 1);
        count += 1;
    }
    count
}
