//! The units of every quantity, once. The Python mirror is `truemark.units`.
//!
//! | quantity      | type      | unit                                                      |
//! |---------------|-----------|-----------------------------------------------------------|
//! | collateral    | i128      | 1e-6 USD, the token's own unit                            |
//! | size          | i64 / u64 | 1e-8 of the base asset; long > 0                          |
//! | price         | u64       | 1e-8 USD for one whole base unit, never 0                 |
//! | value         | i128      | 1e-16 USD = size x price, exact                           |
//! | funding index | i128      | 1e-16 USD for one whole base unit, cumulative             |
//! | rate          | i32 / u32 | 1e-6 (ppm)                                                |
//! | fraction, fee | u16       | 1e-4 (bps)                                                |
//! | time          | u64       | seconds of block time                                     |

/// 1e-16 USD in one unit of collateral (1e-6 USD).
pub const VALUE_PER_COLLATERAL: i128 = 10_000_000_000;
/// Units of size in one whole base unit.
pub const SIZE_ONE: i128 = 100_000_000;
/// Basis points in one.
pub const BPS: u128 = 10_000;
/// Parts per million in one.
pub const PPM: u128 = 1_000_000;
/// The period that a funding rate is quoted for: 8 hours.
pub const FUNDING_PERIOD: u64 = 28_800;
/// Largest |value| of one position, 2^100 x 1e-16 USD: 20 of them at 10,000 bps stay far inside
/// i128.
pub const MAX_POSITION_VALUE: u128 = 0x10000000000000000000000000;
/// Open markets of one account.
pub const MAX_OPEN_MARKETS: u32 = 20;
/// Listed markets of one venue: an account's open markets are a bitmap of this width.
pub const MAX_MARKETS: u8 = 128;
