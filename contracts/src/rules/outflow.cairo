//! How much collateral may leave, and how long owners and the admin wait: which parameters are
//! sound.

use crate::clearinghouse::interface::OutflowParams;
use crate::rules::bucket::Limit;
use crate::rules::config::MAX_DELAY;

/// More than any ledger holds; 1e-6 USD.
pub const MAX_OUTFLOW: u128 = 0x800000000000000000000000;

/// The quota as a leaky bucket: at most `outflow_limit` at once, which runs out in `outflow_window`
/// seconds.
pub fn limit_of(params: @OutflowParams) -> Limit {
    Limit { limit: *params.outflow_limit, window: (*params.outflow_window).into() }
}

/// What is wrong with the parameters; the reason to revert with.
pub fn outflow_fault(params: @OutflowParams) -> Option<felt252> {
    if *params.outflow_limit == 0 || *params.outflow_limit >= MAX_OUTFLOW {
        return Some('OUTFLOW: limit');
    }
    if !is_delay(*params.outflow_window) {
        return Some('OUTFLOW: window');
    }
    if !is_delay(*params.escape_delay) {
        return Some('OUTFLOW: escape delay');
    }
    if !is_delay(*params.restore_delay) {
        return Some('OUTFLOW: restore delay');
    }
    None
}

fn is_delay(secs: u32) -> bool {
    secs != 0 && secs <= MAX_DELAY
}

/// Whether somebody who waits to escape would wait longer or get less in the same time.
pub fn holds_back(old: @OutflowParams, new: @OutflowParams) -> bool {
    *new.escape_delay > *old.escape_delay
        || *new.outflow_limit < *old.outflow_limit
        || *new.outflow_window > *old.outflow_window
}

#[cfg(test)]
mod tests {
    use crate::clearinghouse::interface::OutflowParams;
    use crate::rules::bucket::Limit;
    use crate::rules::config::MAX_DELAY;
    use super::{MAX_OUTFLOW, holds_back, limit_of, outflow_fault};

    const USUAL: OutflowParams = OutflowParams {
        outflow_limit: 1_000, outflow_window: 100, escape_delay: 500, restore_delay: 50,
    };

    fn faulty(params: OutflowParams, reason: felt252) {
        assert!(outflow_fault(@params) == Some(reason), "not {}", reason);
    }

    #[test]
    fn each_number_has_its_bounds() {
        assert!(outflow_fault(@USUAL).is_none());
        assert!(limit_of(@USUAL) == Limit { limit: 1_000, window: 100 });
        let most = OutflowParams {
            outflow_limit: MAX_OUTFLOW - 1,
            outflow_window: MAX_DELAY,
            escape_delay: MAX_DELAY,
            restore_delay: MAX_DELAY,
        };
        assert!(outflow_fault(@most).is_none());
        for limit in array![0, MAX_OUTFLOW] {
            faulty(OutflowParams { outflow_limit: limit, ..USUAL }, 'OUTFLOW: limit');
        }
        for secs in array![0, MAX_DELAY + 1] {
            faulty(OutflowParams { outflow_window: secs, ..USUAL }, 'OUTFLOW: window');
            faulty(OutflowParams { escape_delay: secs, ..USUAL }, 'OUTFLOW: escape delay');
            faulty(OutflowParams { restore_delay: secs, ..USUAL }, 'OUTFLOW: restore delay');
        }
    }

    #[test]
    fn what_holds_an_owner_back() {
        assert!(!holds_back(@USUAL, @USUAL));
        assert!(!holds_back(@USUAL, @OutflowParams { escape_delay: 499, ..USUAL }));
        assert!(!holds_back(@USUAL, @OutflowParams { outflow_limit: 1_001, ..USUAL }));
        assert!(!holds_back(@USUAL, @OutflowParams { outflow_window: 99, ..USUAL }));
        assert!(!holds_back(@USUAL, @OutflowParams { restore_delay: 51, ..USUAL }));
        assert!(holds_back(@USUAL, @OutflowParams { escape_delay: 501, ..USUAL }));
        assert!(holds_back(@USUAL, @OutflowParams { outflow_limit: 999, ..USUAL }));
        assert!(holds_back(@USUAL, @OutflowParams { outflow_window: 101, ..USUAL }));
    }
}
