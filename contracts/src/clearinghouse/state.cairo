//! The storage of the clearinghouse, the same for the contract and for each class that it calls by
//! library call: a node embedded as `state`. What a felt holds is in `slots`.

use starknet::storage::{
    Map, Mutable, StorageAsPointer, StoragePath, StoragePathEntry, StoragePathMutableConversion,
    StoragePointerReadAccess, StoragePointerWriteAccess,
};
use starknet::storage_access::{StorageBaseAddress, storage_address_from_base_and_offset};
use starknet::syscalls::{storage_read_syscall, storage_write_syscall};
use starknet::{ContractAddress, SyscallResultTrait};
use crate::clearinghouse::interface::{BadDebt, OutflowParams, WaterfallParams};
use crate::clearinghouse::slots::{
    AccountSlot, BooksSlot, CustodySlot, OrderSlot, PositionSlot, Stake, VenueSlot, pack_account,
    pack_bad_debt, pack_books, pack_custody, pack_order, pack_position, pack_venue, pack_waterfall,
    unpack_account, unpack_bad_debt, unpack_books, unpack_custody, unpack_order, unpack_outflow,
    unpack_position, unpack_stake, unpack_venue, unpack_waterfall,
};
use crate::rules::bucket::{Bucket, BucketPacking};

#[starknet::storage_node]
pub struct State {
    pub oracle: ContractAddress,
    pub token: ContractAddress,
    pub bridge: ContractAddress,
    pub vault: ContractAddress,
    /// `VenueSlot`.
    pub venue: felt252,
    pub epoch: u64,
    /// Bitmap of listed markets.
    pub listed: u128,
    /// Index + 1 of the market with a name.
    pub names: Map<felt252, u8>,
    pub markets: Map<u8, MarketSlots>,
    /// `AccountSlot`; the position in market n lies n + 1 slots behind it (`PositionSlot`), when
    /// the backstop saw the account under water `SEEN` slots behind it.
    pub accounts: Map<ContractAddress, felt252>,
    /// By order hash: `OrderSlot`.
    pub orders: Map<felt252, felt252>,
    /// Expiry of (account, key).
    pub trading_keys: Map<(ContractAddress, felt252), u64>,
    /// Deposits made while Halted.
    pub pending: Map<ContractAddress, u128>,
    /// `BooksSlot`.
    pub books: felt252,
    /// `CustodySlot`.
    pub custody: felt252,
    /// `WaterfallParams`.
    pub waterfall: felt252,
    /// `DrySlot`.
    pub dry: felt252,
    /// What the vault lost by the backstop.
    pub losses: Bucket,
    /// `BadDebt`.
    pub bad_debt: felt252,
    /// `OutflowParams`, and the bucket of what left.
    pub outflow: felt252,
    pub outflow_bucket: Bucket,
    pub restores: Map<u8, RestoreSlots>,
    /// `Closing`, and the value that closed positions paid in more than was paid out to others;
    /// 1e-6 USD.
    pub closings: Map<u8, felt252>,
    pub pots: Map<u8, felt252>,
    pub wound_down_at: u64,
    /// What accounts owe to insurance; 1e-6 USD.
    pub receivables: Map<ContractAddress, u128>,
}

/// What a market's funding can be restored to.
#[derive(Copy, Drop, starknet::Store)]
pub struct RestoreSlots {
    /// The index, sealed.
    pub checkpoint: felt252,
    /// When it was taken.
    pub at: u64,
    /// From when an announced restore can be executed; 0: none is announced.
    pub restore_from: u64,
}

/// One market, in consecutive slots.
#[derive(Copy, Drop, starknet::Store)]
pub struct MarketSlots {
    pub name: felt252,
    /// Margin tiers.
    pub tiers: felt252,
    /// `FundingSlot`, sealed.
    pub funding: felt252,
    /// `TradeSlot`.
    pub trade: felt252,
    /// (open interest, position).
    pub caps: felt252,
    /// (long, short).
    pub interest: felt252,
    /// `Storm`.
    pub storm: felt252,
}

/// Behind the positions of an account.
const SEEN: u8 = 129;

pub type ReadState = StoragePath<State>;
pub type WriteState = StoragePath<Mutable<State>>;

pub fn read_outflow(state: ReadState) -> OutflowParams {
    unpack_outflow(state.outflow.read())
}

pub fn read_venue(state: ReadState) -> VenueSlot {
    unpack_venue(state.venue.read())
}

pub fn write_venue(state: WriteState, venue: VenueSlot) {
    state.venue.write(pack_venue(venue));
}

/// Where an account's slots begin.
pub fn account_base(state: ReadState, account: ContractAddress) -> StorageBaseAddress {
    state.accounts.entry(account).as_ptr().__storage_pointer_address__
}

pub fn read_account_at(base: StorageBaseAddress) -> AccountSlot {
    unpack_account(
        storage_read_syscall(0, storage_address_from_base_and_offset(base, 0)).unwrap_syscall(),
    )
}

pub fn read_account(state: ReadState, account: ContractAddress) -> AccountSlot {
    read_account_at(account_base(state, account))
}

/// The slots written belong to the contract whose class runs: `WriteState` stands for the right to
/// write.
pub fn write_account(state: WriteState, account: ContractAddress, slot: AccountSlot) {
    let base = account_base(state.as_non_mut(), account);
    storage_write_syscall(0, storage_address_from_base_and_offset(base, 0), pack_account(slot))
        .unwrap_syscall();
}

pub fn read_position_at(base: StorageBaseAddress, market: u8) -> PositionSlot {
    unpack_position(
        storage_read_syscall(0, storage_address_from_base_and_offset(base, market + 1))
            .unwrap_syscall(),
    )
}

#[inline(always)]
pub fn read_stake_at(base: StorageBaseAddress, market: u8) -> Stake {
    unpack_stake(
        storage_read_syscall(0, storage_address_from_base_and_offset(base, market + 1))
            .unwrap_syscall(),
    )
}

/// The account's own slot and one of its positions; `base` is where its slots begin.
pub fn write_account_and_position(
    base: StorageBaseAddress, slot: AccountSlot, market: u8, position: PositionSlot,
) {
    storage_write_syscall(0, storage_address_from_base_and_offset(base, 0), pack_account(slot))
        .unwrap_syscall();
    storage_write_syscall(
        0, storage_address_from_base_and_offset(base, market + 1), pack_position(position),
    )
        .unwrap_syscall();
}

/// Where an order's slot is.
pub fn order_base(state: ReadState, hash: felt252) -> StorageBaseAddress {
    state.orders.entry(hash).as_ptr().__storage_pointer_address__
}

pub fn read_order_at(base: StorageBaseAddress) -> OrderSlot {
    unpack_order(
        storage_read_syscall(0, storage_address_from_base_and_offset(base, 0)).unwrap_syscall(),
    )
}

pub fn write_order_at(base: StorageBaseAddress, order: OrderSlot) {
    storage_write_syscall(0, storage_address_from_base_and_offset(base, 0), pack_order(order))
        .unwrap_syscall();
}

pub fn read_order(state: ReadState, hash: felt252) -> OrderSlot {
    read_order_at(order_base(state, hash))
}

pub fn write_order(state: WriteState, hash: felt252, order: OrderSlot) {
    write_order_at(order_base(state.as_non_mut(), hash), order);
}

pub fn read_books(state: ReadState) -> BooksSlot {
    unpack_books(state.books.read())
}

pub fn write_books(state: WriteState, books: BooksSlot) {
    state.books.write(pack_books(books));
}

pub fn read_custody(state: ReadState) -> CustodySlot {
    unpack_custody(state.custody.read())
}

pub fn write_custody(state: WriteState, custody: CustodySlot) {
    state.custody.write(pack_custody(custody));
}

pub fn read_waterfall(state: ReadState) -> WaterfallParams {
    unpack_waterfall(state.waterfall.read())
}

pub fn write_waterfall(state: WriteState, params: WaterfallParams) {
    state.waterfall.write(pack_waterfall(params));
}

pub fn read_bad_debt(state: ReadState) -> BadDebt {
    unpack_bad_debt(state.bad_debt.read())
}

pub fn write_bad_debt(state: WriteState, debt: BadDebt) {
    state.bad_debt.write(pack_bad_debt(debt));
}

/// When the backstop saw the account under water; 0: not since it was touched.
pub fn read_seen_at(base: StorageBaseAddress) -> u64 {
    storage_read_syscall(0, storage_address_from_base_and_offset(base, SEEN))
        .unwrap_syscall()
        .try_into()
        .unwrap()
}

pub fn write_seen_at(base: StorageBaseAddress, seen: u64) {
    storage_write_syscall(0, storage_address_from_base_and_offset(base, SEEN), seen.into())
        .unwrap_syscall();
}
