//! Orders: their SNIP-12 revision 1 hash, and whether one was given by its account.

use core::ec::EcPointTrait;
use core::ec::stark_curve::ORDER;
use core::ecdsa::check_ecdsa_signature;
use core::poseidon::{hades_permutation, poseidon_hash_span};
use starknet::storage::{StoragePathEntry, StoragePointerReadAccess};
use crate::clearinghouse::interface::{Order, OrderSignature};
use crate::clearinghouse::slots::OrderSlot;
use crate::clearinghouse::state::ReadState;

pub const DOMAIN_TYPE_HASH: felt252 = selector!(
    "\"StarknetDomain\"(\"name\":\"shortstring\",\"version\":\"shortstring\",\"chainId\":\"shortstring\",\"revision\":\"shortstring\")",
);

pub const ORDER_TYPE_HASH: felt252 = selector!(
    "\"Order\"(\"venue\":\"ContractAddress\",\"account\":\"ContractAddress\",\"epoch\":\"u128\",\"account_epoch\":\"u128\",\"market\":\"shortstring\",\"is_buy\":\"bool\",\"size\":\"u128\",\"limit_price\":\"u128\",\"max_fee_bps\":\"u128\",\"reduce_only\":\"bool\",\"post_only\":\"bool\",\"expiry\":\"timestamp\",\"salt\":\"felt\")",
);

/// The same for every order of a chain.
pub fn domain_hash(chain_id: felt252) -> felt252 {
    poseidon_hash_span(array![DOMAIN_TYPE_HASH, 'Truemark', 'v1', chain_id, 1].span())
}

/// `poseidon_hash_span` of the struct's fields and then of the message, written out: two hashes for
/// every fill.
pub fn order_hash(domain: felt252, order: @Order) -> felt252 {
    let account: felt252 = (*order.account).into();
    let (s0, s1, s2) = hades_permutation(ORDER_TYPE_HASH, (*order.venue).into(), 0);
    let (s0, s1, s2) = hades_permutation(s0 + account, s1 + (*order.epoch).into(), s2);
    let (s0, s1, s2) = hades_permutation(
        s0 + (*order.account_epoch).into(), s1 + *order.market, s2,
    );
    let (s0, s1, s2) = hades_permutation(
        s0 + (*order.is_buy).into(), s1 + (*order.size).into(), s2,
    );
    let (s0, s1, s2) = hades_permutation(
        s0 + (*order.limit_price).into(), s1 + (*order.max_fee_bps).into(), s2,
    );
    let (s0, s1, s2) = hades_permutation(
        s0 + (*order.reduce_only).into(), s1 + (*order.post_only).into(), s2,
    );
    let (s0, s1, s2) = hades_permutation(s0 + (*order.expiry).into(), s1 + *order.salt, s2);
    let (message, _, _) = hades_permutation(s0 + 1, s1, s2);

    let (s0, s1, s2) = hades_permutation('StarkNet Message', domain, 0);
    let (s0, s1, s2) = hades_permutation(s0 + account, s1 + message, s2);
    let (hash, _, _) = hades_permutation(s0 + 1, s1, s2);
    hash
}

/// Whether `key` is the x of a point on the curve.
pub fn is_on_curve(key: felt252) -> bool {
    EcPointTrait::new_nz_from_x(key).is_some()
}

/// 1 <= value < the order of the curve.
fn is_scalar(value: felt252) -> bool {
    let value: u256 = value.into();
    let order: u256 = ORDER.into();
    value != 0 && value < order
}

/// Nothing if the order's account approved it or a live trading key of it signed; else why not.
pub fn refusal(
    state: ReadState,
    order: @Order,
    signature: @OrderSignature,
    hash: felt252,
    slot: OrderSlot,
    now: u64,
) -> Option<felt252> {
    let key = *signature.key;
    if key == 0 {
        return if slot.approved {
            None
        } else {
            Some('ORDER: not approved')
        };
    }
    // An expiry of 0 is a key that was never registered, or that was revoked.
    if state.trading_keys.entry((*order.account, key)).read() <= now {
        return Some('ORDER: no such trading key');
    }
    if !is_scalar(*signature.r)
        || !is_scalar(*signature.s)
        || !check_ecdsa_signature(hash, key, *signature.r, *signature.s) {
        return Some('ORDER: wrong signature');
    }
    None
}
