//! Between two loops gas is charged for the dearest path, whichever is taken.

/// Begins a path that is dear and rare: it is charged for only where it is taken.
#[inline(always)]
pub fn rare_path() {
    core::gas::withdraw_gas().expect('Out of gas');
}
