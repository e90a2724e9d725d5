//! Contracts without the guards, to show on a second deployment what happens then. Declared by
//! tests only: `truemark devnet deploy` refuses every class whose name begins with Unguarded.

pub mod oracle;
