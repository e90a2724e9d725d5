//! Collateral that leaves the venue.

use starknet::storage::{
    StoragePathMutableConversion, StoragePointerReadAccess, StoragePointerWriteAccess,
};
use starknet::{ContractAddress, get_block_timestamp};
use crate::clearinghouse::interface::OutflowView;
use crate::clearinghouse::slots::CustodySlot;
use crate::clearinghouse::state::{ReadState, WriteState, read_custody, read_outflow, write_custody};
use crate::rules::bucket::{leaked, pour, room};
use crate::rules::outflow::limit_of;
use crate::token::interface::{IERC20Dispatcher, IERC20DispatcherTrait};

/// Pays `amount` to a wallet, under the quota and out of what is held; `pending` of it was deposits
/// not yet credited.
pub fn pay_out(state: WriteState, account: ContractAddress, amount: u128, pending: u128) {
    let limit = limit_of(@read_outflow(state.as_non_mut()));
    let bucket = pour(state.outflow_bucket.read(), limit, get_block_timestamp(), amount);
    state.outflow_bucket.write(bucket.expect('MONEY: over the quota'));
    let custody = read_custody(state.as_non_mut());
    // What is held pending is not there to pay others out.
    assert(custody.total - custody.pending >= amount - pending, 'MONEY: more than is held');
    let total = custody.total - amount;
    write_custody(state, CustodySlot { total, pending: custody.pending - pending });
    let token = IERC20Dispatcher { contract_address: state.token.read() };
    assert(token.transfer(account, amount.into()), 'MONEY: token transfer failed');
}

pub fn outflow_now(state: ReadState) -> OutflowView {
    let limit = limit_of(@read_outflow(state));
    let now = get_block_timestamp();
    let bucket = state.outflow_bucket.read();
    OutflowView { level: leaked(bucket, limit, now).level, room: room(bucket, limit, now) }
}
