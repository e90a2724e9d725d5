//! Value (1e-16 USD) into collateral (1e-6 USD): the only places where a settlement rounds, always
//! against the account that pays or receives. What is lost is booked to insurance by the caller.

/// 1e-16 USD in one unit of collateral.
const PER_COLLATERAL: NonZero<u128> = 10_000_000_000;
const BPS: NonZero<u128> = 10_000;

/// What a receiver of `value` gets.
pub fn cash_down(value: u128) -> u128 {
    let (cash, _) = DivRem::div_rem(value, PER_COLLATERAL);
    cash
}

/// What a payer of `value` pays.
pub fn cash_up(value: u128) -> u128 {
    let (cash, rest) = DivRem::div_rem(value, PER_COLLATERAL);
    if rest == 0 {
        cash
    } else {
        cash + 1
    }
}

/// floor(value / 1e10) of a signed value, toward minus infinity: a payer pays the part of a unit, a
/// receiver loses it.
pub fn cash_floor(value: i128) -> i128 {
    if value < 0 {
        let magnitude: u128 = (-Into::<i128, felt252>::into(value)).try_into().unwrap();
        let cash: felt252 = cash_up(magnitude).into();
        (-cash).try_into().unwrap()
    } else {
        let magnitude: u128 = Into::<i128, felt252>::into(value).try_into().unwrap();
        Into::<u128, felt252>::into(cash_down(magnitude)).try_into().unwrap()
    }
}

/// ceil(notional x bps / 1e4 / 1e10). `notional` is at most 2^114.
pub fn fee(notional: u128, bps: u16) -> u128 {
    let (parts, rest) = DivRem::div_rem(notional * bps.into(), BPS);
    cash_up(if rest == 0 {
        parts
    } else {
        parts + 1
    })
}

/// floor(value x bps / 1e4), 1e-16 USD.
pub fn share_down(value: u128, bps: u16) -> u128 {
    let (part, _) = DivRem::div_rem(value * bps.into(), BPS);
    part
}

/// Whether `price` is within `bps` of `mark`, both ends included.
pub fn within_band(price: u64, mark: u64, bps: u16) -> bool {
    let distance: u128 = if price > mark {
        (price - mark).into()
    } else {
        (mark - price).into()
    };
    let mark: u128 = mark.into();
    distance * 10_000 <= mark * bps.into()
}

#[cfg(test)]
mod tests {
    use super::{cash_down, cash_floor, cash_up, fee, share_down, within_band};

    #[test]
    fn a_payer_pays_the_part_of_a_unit_and_a_receiver_loses_it() {
        assert!(cash_down(0) == 0 && cash_up(0) == 0);
        assert!(cash_down(10_000_000_000) == 1 && cash_up(10_000_000_000) == 1);
        assert!(cash_down(10_000_000_001) == 1 && cash_up(10_000_000_001) == 2);
        assert!(cash_down(9_999_999_999) == 0 && cash_up(1) == 1);
    }

    #[test]
    fn signed_values_round_toward_minus_infinity() {
        assert!(cash_floor(0) == 0);
        assert!(cash_floor(1) == 0);
        assert!(cash_floor(-1) == -1);
        assert!(cash_floor(10_000_000_000) == 1);
        assert!(cash_floor(-10_000_000_000) == -1);
        assert!(cash_floor(-10_000_000_001) == -2);
    }

    #[test]
    fn a_fee_is_rounded_up_once() {
        // 1 BTC at 100,000 USD, 2 bps: 20 USD.
        assert!(fee(100_000_000 * 10_000_000_000_000, 2) == 20_000_000);
        assert!(fee(1, 1) == 1);
        assert!(fee(0, 10_000) == 0);
        assert!(fee(1_000_000_000_000, 0) == 0);
        // 1e14 x 1 bps = 1e10: exactly one unit; one part more costs a second one.
        assert!(fee(100_000_000_000_000, 1) == 1);
        assert!(fee(100_000_000_000_001, 1) == 2);
    }

    #[test]
    fn a_share_is_rounded_down() {
        assert!(share_down(9_999, 1) == 0);
        assert!(share_down(10_000, 1) == 1);
        assert!(share_down(0, 10_000) == 0);
    }

    #[test]
    fn the_band_includes_its_ends() {
        assert!(within_band(10_005, 10_000, 5));
        assert!(!within_band(10_006, 10_000, 5));
        assert!(within_band(9_995, 10_000, 5));
        assert!(!within_band(9_994, 10_000, 5));
        assert!(within_band(10_000, 10_000, 0));
        assert!(!within_band(1, 0, 10_000));
    }
}
