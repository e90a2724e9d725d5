//! Shares and assets of the vault, after ERC-4626: what the vault gives is rounded down, what it
//! takes is rounded up.
//!
//! One virtual asset and 10^6 virtual shares stand beside the real ones: a first depositor who
//! donates to the vault to raise its price loses a million times what the next one can lose to
//! rounding. Pure; `None` is an overflow of 256 bits, never reached while assets are below 2^95 and
//! shares below 2^128.

use core::integer::u512_safe_div_rem_by_u256;
use core::num::traits::{CheckedAdd, WideMul};

/// Shares have this many decimals more than assets.
pub const OFFSET_DECIMALS: u8 = 6;
const VIRTUAL_SHARES: u256 = 1_000_000;
const VIRTUAL_ASSETS: u256 = 1;

/// The vault at one moment.
#[derive(Copy, Drop, Debug, PartialEq)]
pub struct Pool {
    /// 1e-6 USD.
    pub assets: u256,
    pub shares: u256,
}

/// What a deposit of `assets` mints.
pub fn shares_down(pool: Pool, assets: u256) -> Option<u256> {
    let (shares, _) = mul_div(assets, pool.shares + VIRTUAL_SHARES, pool.assets + VIRTUAL_ASSETS)?;
    Some(shares)
}

/// What a withdrawal of `assets` burns.
pub fn shares_up(pool: Pool, assets: u256) -> Option<u256> {
    ceil(mul_div(assets, pool.shares + VIRTUAL_SHARES, pool.assets + VIRTUAL_ASSETS)?)
}

/// What a redemption of `shares` pays.
pub fn assets_down(pool: Pool, shares: u256) -> Option<u256> {
    let (assets, _) = mul_div(shares, pool.assets + VIRTUAL_ASSETS, pool.shares + VIRTUAL_SHARES)?;
    Some(assets)
}

/// What minting `shares` costs.
pub fn assets_up(pool: Pool, shares: u256) -> Option<u256> {
    ceil(mul_div(shares, pool.assets + VIRTUAL_ASSETS, pool.shares + VIRTUAL_SHARES)?)
}

/// The most shares whose redemption pays no more than `assets`.
pub fn most_shares(pool: Pool, assets: u256) -> Option<u256> {
    // floor(shares x a / s) <= assets where shares x a < (assets + 1) x s.
    below(assets.checked_add(1)?, pool.shares + VIRTUAL_SHARES, pool.assets + VIRTUAL_ASSETS)
}

/// The most assets whose deposit mints no more than `shares`.
pub fn most_assets(pool: Pool, shares: u256) -> Option<u256> {
    below(shares.checked_add(1)?, pool.assets + VIRTUAL_ASSETS, pool.shares + VIRTUAL_SHARES)
}

/// The largest whole number below a x b / c; `a`, `b` above 0.
fn below(a: u256, b: u256, c: u256) -> Option<u256> {
    let (quotient, remainder) = mul_div(a, b, c)?;
    Some(if remainder == 0 {
        quotient - 1
    } else {
        quotient
    })
}

/// a x b / c in 512 bits: quotient and remainder.
fn mul_div(a: u256, b: u256, c: u256) -> Option<(u256, u256)> {
    let divisor: NonZero<u256> = c.try_into()?;
    let (quotient, remainder) = u512_safe_div_rem_by_u256(a.wide_mul(b), divisor);
    Some((quotient.try_into()?, remainder))
}

fn ceil(division: (u256, u256)) -> Option<u256> {
    let (quotient, remainder) = division;
    if remainder == 0 {
        Some(quotient)
    } else {
        quotient.checked_add(1)
    }
}

#[cfg(test)]
mod tests {
    use core::num::traits::Bounded;
    use core::poseidon::poseidon_hash_span;
    use super::{
        Pool, VIRTUAL_ASSETS, VIRTUAL_SHARES, assets_down, assets_up, shares_down, shares_up,
    };

    const ROUNDS: u32 = 300;

    /// Pseudo-random, below 2^`bits`, different for each (seed, index).
    fn random(seed: felt252, index: u32, bits: u32) -> u256 {
        let hash: u256 = poseidon_hash_span(array![seed, index.into()].span()).into();
        let mut bound: u256 = 1;
        for _ in 0..bits {
            bound *= 2;
        }
        hash % bound
    }

    /// Pools of every order of magnitude, the empty one and one that lost nearly all among them.
    fn pool(index: u32) -> Pool {
        Pool {
            assets: random('assets', index, index % 95),
            shares: random('shares', index, (index / 3) % 115),
        }
    }

    /// A share's worth, cross-multiplied.
    fn price_not_lower(before: Pool, after: Pool) -> bool {
        (after.assets + VIRTUAL_ASSETS)
            * (before.shares + VIRTUAL_SHARES) >= (before.assets + VIRTUAL_ASSETS)
            * (after.shares + VIRTUAL_SHARES)
    }

    #[test]
    fn the_first_deposit_sets_a_million_shares_for_a_unit() {
        let empty = Pool { assets: 0, shares: 0 };
        assert!(shares_down(empty, 5) == Some(5_000_000));
        assert!(assets_up(empty, 5_000_000) == Some(5));
        assert!(assets_up(empty, 5_000_001) == Some(6));
        assert!(assets_down(empty, 999_999) == Some(0));
    }

    #[test]
    fn a_deposit_and_its_redemption_never_profit() {
        for index in 0..ROUNDS {
            let before = pool(index);
            let assets = random('deposit', index, 60);
            let shares = shares_down(before, assets).unwrap();
            let after = Pool { assets: before.assets + assets, shares: before.shares + shares };
            assert!(
                assets_down(after, shares).unwrap() <= assets,
                "pool {:?} assets {}",
                before,
                assets,
            );
            assert!(price_not_lower(before, after), "pool {:?} assets {}", before, assets);
        }
    }

    #[test]
    fn minting_and_its_redemption_never_profit() {
        for index in 0..ROUNDS {
            let before = pool(index);
            let shares = random('mint', index, 80);
            let assets = assets_up(before, shares).unwrap();
            let after = Pool { assets: before.assets + assets, shares: before.shares + shares };
            assert!(
                assets_down(after, shares).unwrap() <= assets,
                "pool {:?} shares {}",
                before,
                shares,
            );
            assert!(price_not_lower(before, after), "pool {:?} shares {}", before, shares);
        }
    }

    #[test]
    #[ignore]
    fn a_redemption_never_lowers_the_price_of_those_who_stay() {
        for index in 0..ROUNDS {
            let before = pool(index);
            let shares = random('redeem', index, 115) % (before.shares + 1);
            let assets = assets_down(before, shares).unwrap();
            assert!(assets <= before.assets);
            let after = Pool { assets: before.assets - assets, shares: before.shares - shares };
            assert!(price_not_lower(before, after), "pool {:?} shares {}", before, shares);
        }
    }

    #[test]
    #[ignore]
    fn a_withdrawal_never_lowers_the_price_of_those_who_stay() {
        for index in 0..ROUNDS {
            let before = pool(index);
            let payable = assets_down(before, before.shares).unwrap();
            let assets = random('withdraw', index, 95) % (payable + 1);
            let shares = shares_up(before, assets).unwrap();
            assert!(shares <= before.shares, "pool {:?} assets {}", before, assets);
            let after = Pool { assets: before.assets - assets, shares: before.shares - shares };
            assert!(price_not_lower(before, after), "pool {:?} assets {}", before, assets);
        }
    }

    #[test]
    #[ignore]
    fn up_is_down_or_one_more() {
        for index in 0..ROUNDS {
            let before = pool(index);
            let amount = random('amount', index, 80);
            let gap = shares_up(before, amount).unwrap() - shares_down(before, amount).unwrap();
            assert!(gap <= 1);
            let gap = assets_up(before, amount).unwrap() - assets_down(before, amount).unwrap();
            assert!(gap <= 1);
        }
    }

    #[test]
    fn an_overflow_is_none() {
        let pool = Pool { assets: 0, shares: 1_000_000_000 };
        assert!(shares_down(pool, Bounded::MAX).is_none());
        assert!(shares_up(pool, Bounded::MAX).is_none());
    }
}
