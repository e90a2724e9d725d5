//! Which configuration of a market or of the venue is sound, and whether a change of margin tiers
//! asks for more. A fault comes back as the reason to revert with.

use core::num::traits::Zero;
use crate::clearinghouse::interface::{MarginTier, MarketParams, VenueParams, WaterfallParams};
use crate::clearinghouse::slots::MAX_TIER_BOUND;
use crate::rules::risk::{Tiers, position_requirement};
use crate::units::MAX_POSITION_VALUE;

/// 1e-16 USD in one USD.
const VALUE_PER_USD: u128 = 10_000_000_000_000_000;
/// A trader who sets no cap of its own pays at most this; bps.
pub const MAX_FEE_BPS: u16 = 1_000;
/// A band below this keeps every price of a fill above 0; bps.
pub const MAX_BAND_BPS: u16 = 9_999;
/// The longest dwell or grace time: an admin cannot keep a venue from ever liquidating; seconds.
pub const MAX_DELAY: u32 = 2_592_000;
/// The least that can be liquidated of a market in one window: 1,000 USD, 1e-6 USD.
pub const MIN_STORM_FLOOR: u64 = 1_000_000_000;
/// |size| is an i64.
const MAX_SIZE: u64 = 0x7fffffffffffffff;

/// What is wrong with a market's parameters; `max_price` is the upper bound of its oracle guard.
pub fn market_fault(params: @MarketParams, max_price: u64) -> Option<felt252> {
    if let Some(fault) = tiers_fault(params.tiers) {
        return Some(fault);
    }
    if *params.lot_size == 0 || *params.tick_size == 0 {
        return Some('MARKET: lot or tick is zero');
    }
    if *params.maker_fee_bps > MAX_FEE_BPS || *params.taker_fee_bps > MAX_FEE_BPS {
        return Some('MARKET: fee too high');
    }
    let (first, _, _) = params.tiers;
    let costs: u32 = (*params.discount_bps).into() + (*params.penalty_bps).into();
    if costs > (*first.maintenance_bps).into() {
        return Some('MARKET: costs above margin');
    }
    if *params.max_open_interest == 0 || *params.max_position < *params.lot_size {
        return Some('MARKET: cap below one lot');
    }
    let largest: u128 = (*params.max_position).into() * max_price.into();
    if *params.max_position > MAX_SIZE || largest > MAX_POSITION_VALUE {
        return Some('MARKET: position cap too large');
    }
    None
}

/// Used tiers come first, bounds rise, fractions do not fall, 0 < maintenance < initial <= 1.
fn tiers_fault(tiers: @Tiers) -> Option<felt252> {
    let (first, second, third) = *tiers;
    let bounded = if is_unused(second) {
        is_unused(third) && first.upto == 0
    } else if is_unused(third) {
        first.upto != 0 && second.upto == 0
    } else {
        first.upto != 0 && second.upto > first.upto && third.upto == 0
    };
    if !bounded || first.upto > MAX_TIER_BOUND || second.upto > MAX_TIER_BOUND {
        return Some('MARKET: tier bounds');
    }
    let mut last: MarginTier = Default::default();
    for tier in array![first, second, third] {
        if is_unused(tier) && last.initial_bps != 0 {
            break;
        }
        if tier.maintenance_bps == 0
            || tier.maintenance_bps >= tier.initial_bps
            || tier.initial_bps > 10_000 {
            return Some('MARKET: margin fractions');
        }
        if tier.initial_bps < last.initial_bps || tier.maintenance_bps < last.maintenance_bps {
            return Some('MARKET: fractions fall');
        }
        last = tier;
    }
    None
}

fn is_unused(tier: MarginTier) -> bool {
    tier == Default::default()
}

/// Whether some position would need more margin, initial or maintenance, under `new` than under
/// `old`. Both are sound.
/// The difference of two requirements is linear between bounds, so the bounds and the slope beyond
/// them decide.
pub fn raises_fractions(old: @Tiers, new: @Tiers) -> bool {
    let (old_initial, old_maintenance) = last_fractions(old);
    let (initial, maintenance) = last_fractions(new);
    if initial > old_initial || maintenance > old_maintenance {
        return true;
    }
    let mut raises = false;
    for tiers in array![old, new] {
        let (first, second, _) = *tiers;
        for tier in array![first, second] {
            if tier.upto.is_non_zero() && needs_more(tier.upto, old, new) {
                raises = true;
            }
        }
    }
    raises
}

fn needs_more(usd: u64, old: @Tiers, new: @Tiers) -> bool {
    let value = usd.into() * VALUE_PER_USD;
    let (old_initial, old_maintenance) = position_requirement(value, old);
    let (initial, maintenance) = position_requirement(value, new);
    let more_initial = Into::<felt252, u256>::into(initial) > old_initial.into();
    more_initial || Into::<felt252, u256>::into(maintenance) > old_maintenance.into()
}

/// (initial, maintenance) of the tier without bound.
fn last_fractions(tiers: @Tiers) -> (u16, u16) {
    let (first, second, third) = *tiers;
    let last = if first.upto == 0 {
        first
    } else if second.upto == 0 {
        second
    } else {
        third
    };
    (last.initial_bps, last.maintenance_bps)
}

/// What is wrong with the venue's parameters.
pub fn venue_fault(params: @VenueParams) -> Option<felt252> {
    if *params.post_band_bps == 0 || *params.post_band_bps > *params.fill_band_bps {
        return Some('VENUE: post band');
    }
    if *params.fill_band_bps > MAX_BAND_BPS {
        return Some('VENUE: fill band');
    }
    if *params.dwell_secs == 0 || *params.dwell_secs > MAX_DELAY {
        return Some('VENUE: dwell time');
    }
    if *params.grace_secs == 0 || *params.grace_secs > MAX_DELAY {
        return Some('VENUE: grace time');
    }
    None
}

/// What is wrong with the waterfall's parameters. A ration of nothing would stop every liquidation;
/// a loss cap of nothing is the vault's right.
pub fn waterfall_fault(params: @WaterfallParams) -> Option<felt252> {
    if *params.storm_window == 0 || *params.storm_window > MAX_DELAY {
        return Some('WATERFALL: storm window');
    }
    if *params.storm_bps > 10_000 || *params.storm_floor < MIN_STORM_FLOOR {
        return Some('WATERFALL: storm ration');
    }
    if *params.backstop_secs == 0 || *params.backstop_secs > MAX_DELAY {
        return Some('WATERFALL: backstop time');
    }
    if *params.loss_window == 0 || *params.loss_window > MAX_DELAY {
        return Some('WATERFALL: loss window');
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::clearinghouse::interface::{MarginTier, MarketParams, VenueParams, WaterfallParams};
    use crate::rules::risk::Tiers;
    use super::{
        MAX_DELAY, MIN_STORM_FLOOR, market_fault, raises_fractions, venue_fault, waterfall_fault,
    };

    const NONE: MarginTier = MarginTier { upto: 0, initial_bps: 0, maintenance_bps: 0 };
    const MAX_PRICE: u64 = 10_000_000_000_000_00;

    fn tier(upto: u64, initial_bps: u16, maintenance_bps: u16) -> MarginTier {
        MarginTier { upto, initial_bps, maintenance_bps }
    }

    fn one() -> Tiers {
        (tier(0, 500, 300), NONE, NONE)
    }

    fn three() -> Tiers {
        (tier(100_000, 500, 300), tier(1_000_000, 1_000, 600), tier(0, 2_000, 1_000))
    }

    fn usual() -> MarketParams {
        MarketParams {
            tiers: one(),
            lot_size: 10_000,
            tick_size: 10_000_000,
            maker_fee_bps: 0,
            taker_fee_bps: 3,
            discount_bps: 50,
            penalty_bps: 100,
            dust_usd: 10,
            max_open_interest: 1_000_000_000_000,
            max_position: 100_000_000_000,
        }
    }

    fn faulty(params: MarketParams, reason: felt252) {
        assert!(market_fault(@params, MAX_PRICE) == Some(reason), "not {}", reason);
    }

    #[test]
    fn usual_parameters_are_sound() {
        assert!(market_fault(@usual(), MAX_PRICE).is_none());
        assert!(market_fault(@MarketParams { tiers: three(), ..usual() }, MAX_PRICE).is_none());
        let two = (tier(100_000, 500, 300), tier(0, 500, 300), NONE);
        assert!(market_fault(@MarketParams { tiers: two, ..usual() }, MAX_PRICE).is_none());
    }

    #[test]
    fn tiers_must_rise() {
        for tiers in array![
            (tier(1, 500, 300), NONE, NONE), (NONE, tier(0, 500, 300), NONE),
            (tier(0, 500, 300), tier(0, 600, 300), NONE),
            (tier(9, 500, 300), tier(9, 600, 400), tier(0, 700, 500)),
            (tier(9, 500, 300), tier(10, 600, 400), tier(11, 700, 500)),
            (tier(9, 500, 300), NONE, tier(0, 700, 500)),
            (tier(0x10000000000, 500, 300), tier(0, 500, 300), NONE),
        ] {
            faulty(MarketParams { tiers, ..usual() }, 'MARKET: tier bounds');
        }
        for tiers in array![
            (NONE, NONE, NONE), (tier(0, 300, 300), NONE, NONE), (tier(0, 300, 0), NONE, NONE),
            (tier(0, 10_001, 300), NONE, NONE), (tier(9, 500, 300), tier(0, 600, 600), NONE),
        ] {
            faulty(MarketParams { tiers, ..usual() }, 'MARKET: margin fractions');
        }
        for tiers in array![
            (tier(9, 500, 300), tier(0, 499, 300), NONE),
            (tier(9, 500, 300), tier(0, 500, 299), NONE),
            (tier(9, 500, 300), tier(10, 600, 300), tier(0, 599, 300)),
        ] {
            faulty(MarketParams { tiers, ..usual() }, 'MARKET: fractions fall');
        }
    }

    #[test]
    fn steps_fees_costs_and_caps_are_bounded() {
        faulty(MarketParams { lot_size: 0, ..usual() }, 'MARKET: lot or tick is zero');
        faulty(MarketParams { tick_size: 0, ..usual() }, 'MARKET: lot or tick is zero');
        faulty(MarketParams { maker_fee_bps: 1_001, ..usual() }, 'MARKET: fee too high');
        faulty(MarketParams { taker_fee_bps: 1_001, ..usual() }, 'MARKET: fee too high');
        faulty(MarketParams { penalty_bps: 251, ..usual() }, 'MARKET: costs above margin');
        faulty(MarketParams { max_open_interest: 0, ..usual() }, 'MARKET: cap below one lot');
        faulty(MarketParams { max_position: 9_999, ..usual() }, 'MARKET: cap below one lot');
        let most = 0x7fffffffffffffff;
        assert!(
            market_fault(@MarketParams { max_position: most, ..usual() }, 0x1fffffffff).is_none(),
        );
        faulty(MarketParams { max_position: most, ..usual() }, 'MARKET: position cap too large');
        faulty(
            MarketParams { max_position: most + 1, ..usual() }, 'MARKET: position cap too large',
        );
        // Small prices make no larger size fit.
        assert!(market_fault(@MarketParams { max_position: most + 1, ..usual() }, 1).is_some());
    }

    #[test]
    fn only_what_asks_for_more_raises() {
        assert!(!raises_fractions(@one(), @one()));
        assert!(!raises_fractions(@three(), @three()));
        assert!(raises_fractions(@one(), @three()));
        assert!(!raises_fractions(@three(), @one()));
        assert!(raises_fractions(@one(), @(tier(0, 501, 300), NONE, NONE)));
        assert!(raises_fractions(@one(), @(tier(0, 500, 301), NONE, NONE)));
        assert!(!raises_fractions(@one(), @(tier(0, 499, 299), NONE, NONE)));
        // A lower slope at the end does not make good for more in the middle.
        let steep = (tier(100_000, 900, 300), tier(0, 1_000, 600), NONE);
        assert!(raises_fractions(@three(), @steep));
        // A bound that comes earlier asks for more, one that comes later for less.
        let early = (tier(50_000, 500, 300), tier(1_000_000, 1_000, 600), tier(0, 2_000, 1_000));
        assert!(raises_fractions(@three(), @early) && !raises_fractions(@early, @three()));
    }

    #[test]
    fn the_venue_has_bands_and_times() {
        let usual = VenueParams {
            fill_band_bps: 300, post_band_bps: 5, dwell_secs: 60, grace_secs: 60,
        };
        assert!(venue_fault(@usual).is_none());
        assert!(
            venue_fault(@VenueParams { post_band_bps: 0, ..usual }) == Some('VENUE: post band'),
        );
        assert!(
            venue_fault(@VenueParams { post_band_bps: 301, ..usual }) == Some('VENUE: post band'),
        );
        assert!(
            venue_fault(
                @VenueParams { fill_band_bps: 10_000, ..usual },
            ) == Some('VENUE: fill band'),
        );
        assert!(venue_fault(@VenueParams { dwell_secs: 0, ..usual }) == Some('VENUE: dwell time'));
        assert!(
            venue_fault(
                @VenueParams { dwell_secs: MAX_DELAY + 1, ..usual },
            ) == Some('VENUE: dwell time'),
        );
        assert!(venue_fault(@VenueParams { grace_secs: 0, ..usual }) == Some('VENUE: grace time'));
        assert!(
            venue_fault(
                @VenueParams { grace_secs: MAX_DELAY + 1, ..usual },
            ) == Some('VENUE: grace time'),
        );
    }

    #[test]
    fn the_waterfall_has_rations_and_times() {
        let usual = WaterfallParams {
            storm_window: 300,
            storm_bps: 0,
            storm_floor: MIN_STORM_FLOOR,
            backstop_secs: 60,
            loss_cap: 0,
            loss_window: 86_400,
        };
        assert!(waterfall_fault(@usual).is_none());
        assert!(waterfall_fault(@WaterfallParams { storm_bps: 10_000, ..usual }).is_none());
        for (params, reason) in array![
            (WaterfallParams { storm_window: 0, ..usual }, 'WATERFALL: storm window'),
            (WaterfallParams { storm_window: MAX_DELAY + 1, ..usual }, 'WATERFALL: storm window'),
            (WaterfallParams { storm_bps: 10_001, ..usual }, 'WATERFALL: storm ration'),
            (
                WaterfallParams { storm_floor: MIN_STORM_FLOOR - 1, ..usual },
                'WATERFALL: storm ration',
            ),
            (WaterfallParams { backstop_secs: 0, ..usual }, 'WATERFALL: backstop time'),
            (WaterfallParams { backstop_secs: MAX_DELAY + 1, ..usual }, 'WATERFALL: backstop time'),
            (WaterfallParams { loss_window: 0, ..usual }, 'WATERFALL: loss window'),
            (WaterfallParams { loss_window: MAX_DELAY + 1, ..usual }, 'WATERFALL: loss window'),
        ] {
            assert!(waterfall_fault(@params) == Some(reason), "not {}", reason);
        }
    }
}
