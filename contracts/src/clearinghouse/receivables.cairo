//! What accounts owe to insurance. A rollback gives an account back what it had withdrawn, while L1
//! pays it all the same: it is debited again, and what it does not have free by then insurance pays
//! and is owed. No account is brought below its initial margin by that.

use core::cmp::min;
use core::num::traits::Zero;
use starknet::ContractAddress;
use starknet::storage::{
    StoragePathEntry, StoragePathMutableConversion, StoragePointerReadAccess,
    StoragePointerWriteAccess,
};
use crate::clearinghouse::book::{Basis, BookTrait, ViewTrait, load_view};
use crate::clearinghouse::events::{ReceivableCollected, Reconciled};
use crate::clearinghouse::slots::{AccountSlot, BooksSlot, CustodySlot};
use crate::clearinghouse::state::{
    ReadState, WriteState, read_account, read_books, read_custody, write_account, write_books,
    write_custody,
};
use crate::units::VALUE_PER_COLLATERAL;

/// What the account could withdraw now if nothing but its margin mattered; 1e-6 USD.
pub fn free_collateral(state: ReadState, account: ContractAddress) -> u128 {
    let slot = read_account(state, account);
    let view = load_view(state, slot.open);
    let book = view.load_book(state, account);
    if book.is_broken(@view) {
        return 0;
    }
    let margin = book.margin(Basis::Worst);
    let initial: i128 = margin.initial.try_into().unwrap();
    if margin.value <= initial {
        return 0;
    }
    ((margin.value - initial) / VALUE_PER_COLLATERAL).try_into().unwrap()
}

/// Takes `amount` off the books, from the account as far as it is free and from insurance beyond
/// that. The zero account is one that nobody knows.
pub fn reconcile(state: WriteState, account: ContractAddress, amount: u128) -> Reconciled {
    let custody = read_custody(state.as_non_mut());
    // What is held pending is not there to be paid out.
    assert(custody.total - custody.pending >= amount, 'MONEY: more than is held');
    let from_margin = if account.is_zero() {
        0
    } else {
        min(amount, free_collateral(state.as_non_mut(), account))
    };
    if from_margin != 0 {
        take(state, account, from_margin);
    }
    let shortfall = amount - from_margin;
    let owed = state.receivables.entry(account);
    let total_owed = owed.read() + shortfall;
    if shortfall != 0 {
        owed.write(total_owed);
        let books = read_books(state.as_non_mut());
        write_books(state, BooksSlot { insurance: books.insurance - shortfall.into(), ..books });
    }
    write_custody(state, CustodySlot { total: custody.total - amount, pending: custody.pending });
    Reconciled { account, amount, from_margin, shortfall, owed: total_owed }
}

/// Moves what the account owes and has free to insurance.
pub fn collect(state: WriteState, account: ContractAddress) -> ReceivableCollected {
    let owed = state.receivables.entry(account);
    let before = owed.read();
    assert(before != 0, 'MONEY: owes nothing');
    let amount = min(before, free_collateral(state.as_non_mut(), account));
    assert(amount != 0, 'MONEY: nothing free');
    take(state, account, amount);
    owed.write(before - amount);
    let books = read_books(state.as_non_mut());
    write_books(state, BooksSlot { insurance: books.insurance + amount.into(), ..books });
    ReceivableCollected { account, amount, owed: before - amount }
}

/// Debits free collateral: what was free fits.
fn take(state: WriteState, account: ContractAddress, amount: u128) {
    let slot = read_account(state.as_non_mut(), account);
    let collateral: i128 = (Into::<i128, felt252>::into(slot.collateral) - amount.into())
        .try_into()
        .unwrap();
    write_account(state, account, AccountSlot { collateral, ..slot });
}
