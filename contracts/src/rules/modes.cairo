//! What each mode of the venue allows: the one table, and the one function that says which mode is
//! in force.

use crate::clearinghouse::interface::Mode;

#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub enum Action {
    /// Cancel orders, revoke a trading key.
    Cancel,
    RegisterKey,
    /// Credit a deposit. Where this is refused a deposit is held pending.
    Deposit,
    Withdraw,
    /// A fill in which both sides reduce.
    FillReducing,
    /// A fill in which the taker reduces and a post-only maker opens.
    FillPosting,
    /// A fill that opens or adds in any other way.
    FillOpening,
    Liquidate,
    /// Vault deposit and redemption claim.
    VaultMove,
    /// Configure guards, list a market, lower margin fractions.
    Configure,
    RaiseFractions,
    /// Settlement of a settled market.
    SettlePositions,
}

pub fn allows(mode: Mode, action: Action) -> bool {
    match action {
        Action::Cancel | Action::RegisterKey | Action::Configure => true,
        Action::Deposit | Action::Withdraw | Action::FillReducing |
        Action::SettlePositions => mode != Mode::Halted,
        Action::FillPosting | Action::VaultMove => mode == Mode::PostOnly || mode == Mode::Full,
        Action::FillOpening | Action::Liquidate => mode == Mode::Full,
        Action::RaiseFractions => mode == Mode::Halted || mode == Mode::CancelOnly,
    }
}

/// The mode in force: a venue whose oracle is silent is never above CancelOnly, whatever was
/// stored.
pub fn effective(stored: Mode, silent: bool) -> Mode {
    if silent && rank(stored) > rank(Mode::CancelOnly) {
        Mode::CancelOnly
    } else {
        stored
    }
}

/// How far from the mark a fill may be: the narrow band everywhere below Full.
pub fn band(mode: Mode, fill_band_bps: u16, post_band_bps: u16) -> u16 {
    if mode == Mode::Full {
        fill_band_bps
    } else {
        post_band_bps
    }
}

/// Halted 0, CancelOnly 1, PostOnly 2, Full 3.
pub fn rank(mode: Mode) -> u8 {
    match mode {
        Mode::Halted => 0,
        Mode::CancelOnly => 1,
        Mode::PostOnly => 2,
        Mode::Full => 3,
    }
}

/// The mode of a rank; above 3 there is none.
pub fn from_rank(rank: u8) -> Option<Mode> {
    match rank {
        0 => Some(Mode::Halted),
        1 => Some(Mode::CancelOnly),
        2 => Some(Mode::PostOnly),
        3 => Some(Mode::Full),
        _ => None,
    }
}

pub fn is_down(from: Mode, to: Mode) -> bool {
    rank(to) < rank(from)
}

pub fn is_one_step_up(from: Mode, to: Mode) -> bool {
    rank(to) == rank(from) + 1
}

#[cfg(test)]
mod tests {
    use crate::clearinghouse::interface::Mode;
    use super::{Action, allows, band, effective, from_rank, is_down, is_one_step_up, rank};

    fn row(action: Action, halted: bool, cancel_only: bool, post_only: bool, full: bool) {
        assert!(allows(Mode::Halted, action) == halted, "{:?} in Halted", action);
        assert!(allows(Mode::CancelOnly, action) == cancel_only, "{:?} in CancelOnly", action);
        assert!(allows(Mode::PostOnly, action) == post_only, "{:?} in PostOnly", action);
        assert!(allows(Mode::Full, action) == full, "{:?} in Full", action);
    }

    #[test]
    fn every_cell_of_the_table() {
        row(Action::Cancel, true, true, true, true);
        row(Action::RegisterKey, true, true, true, true);
        row(Action::Configure, true, true, true, true);
        row(Action::Deposit, false, true, true, true);
        row(Action::Withdraw, false, true, true, true);
        row(Action::FillReducing, false, true, true, true);
        row(Action::FillPosting, false, false, true, true);
        row(Action::FillOpening, false, false, false, true);
        row(Action::Liquidate, false, false, false, true);
        row(Action::VaultMove, false, false, true, true);
        row(Action::RaiseFractions, true, true, false, false);
        row(Action::SettlePositions, false, true, true, true);
    }

    #[test]
    fn orders_are_never_off_while_liquidations_are_on() {
        for mode in array![Mode::Halted, Mode::CancelOnly, Mode::PostOnly, Mode::Full] {
            assert!(!allows(mode, Action::Liquidate) || allows(mode, Action::FillOpening));
        }
    }

    #[test]
    fn silence_lowers_and_never_raises() {
        assert!(effective(Mode::Full, true) == Mode::CancelOnly);
        assert!(effective(Mode::PostOnly, true) == Mode::CancelOnly);
        assert!(effective(Mode::CancelOnly, true) == Mode::CancelOnly);
        assert!(effective(Mode::Halted, true) == Mode::Halted);
        for mode in array![Mode::Halted, Mode::CancelOnly, Mode::PostOnly, Mode::Full] {
            assert!(effective(mode, false) == mode);
        }
    }

    #[test]
    fn only_full_has_the_wide_band() {
        assert!(band(Mode::Full, 500, 5) == 500);
        assert!(band(Mode::PostOnly, 500, 5) == 5);
        assert!(band(Mode::CancelOnly, 500, 5) == 5);
        assert!(band(Mode::Halted, 500, 5) == 5);
    }

    #[test]
    fn steps() {
        let modes = array![Mode::Halted, Mode::CancelOnly, Mode::PostOnly, Mode::Full].span();
        for from in 0..4_u32 {
            for to in 0..4_u32 {
                assert!(is_down(*modes[from], *modes[to]) == (to < from));
                assert!(is_one_step_up(*modes[from], *modes[to]) == (to == from + 1));
            }
            assert!(from_rank(rank(*modes[from])) == Some(*modes[from]));
        }
        assert!(from_rank(4) == None);
    }
}
