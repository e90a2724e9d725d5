//! What an upgrade is held to.

use core::num::traits::Zero;
use core::poseidon::poseidon_hash_span;
use starknet::{ClassHash, ContractAddress};
use crate::clearinghouse::interface::{
    IClearinghouseDispatcher, IClearinghouseDispatcherTrait, Mode,
};
use crate::upgrades::interface::{INamedDispatcherTrait, INamedLibraryDispatcher, UpgradePlan};

pub fn plan_hash(plan: @UpgradePlan) -> felt252 {
    let mut felts = array![];
    plan.serialize(ref felts);
    poseidon_hash_span(felts.span())
}

/// Whether `after` begins with all of `before`.
pub fn is_kept(before: Span<felt252>, after: Span<felt252>) -> bool {
    before.len() <= after.len() && after.slice(0, before.len()) == before
}

/// Whether the venue is Halted; one that is not connected yet is not.
pub fn is_halted(clearinghouse: ContractAddress) -> bool {
    clearinghouse.is_non_zero()
        && IClearinghouseDispatcher { contract_address: clearinghouse }.mode() == Mode::Halted
}

/// For a contract that runs no other class and whose storage needs no change.
pub fn assert_nothing_to_migrate(classes: Span<ClassHash>, data: Span<felt252>) {
    assert(classes.is_empty(), 'UPGRADE: runs no classes');
    assert(data.is_empty(), 'UPGRADE: no migration');
}

/// A class that the contract is to run says what it implements.
pub fn assert_named(class_hash: ClassHash, name: felt252) {
    assert(INamedLibraryDispatcher { class_hash }.implements() == name, 'UPGRADE: another class');
}
