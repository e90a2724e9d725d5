//! The Merkle tree of one incident's refunds. A leaf is poseidon(LEAF, poseidon(chain, distributor,
//! incident, index, account, amount)), a node poseidon(NODE, left, right), the root poseidon(ROOT,
//! count, total, top): the tags keep each from being shown as another. The index says on which side
//! a sibling is. A last node without a sibling moves up as it is and takes no proof element; since
//! the root holds the count, a leaf has one proof only. The Python mirror is `truemark.refunds`.

use core::poseidon::poseidon_hash_span;
use starknet::ContractAddress;

const LEAF: felt252 = 'truemark refund leaf';
const NODE: felt252 = 'truemark refund node';
const ROOT: felt252 = 'truemark refund root';

/// Where and for what a refund is: the same leaf is worth nothing anywhere else.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct Domain {
    pub chain_id: felt252,
    pub distributor: ContractAddress,
    pub incident: felt252,
}

pub fn leaf_hash(domain: Domain, index: u32, account: ContractAddress, amount: u128) -> felt252 {
    let inner = poseidon_hash_span(
        array![
            domain.chain_id, domain.distributor.into(), domain.incident, index.into(),
            account.into(), amount.into(),
        ]
            .span(),
    );
    poseidon_hash_span(array![LEAF, inner].span())
}

pub fn node_hash(left: felt252, right: felt252) -> felt252 {
    poseidon_hash_span(array![NODE, left, right].span())
}

pub fn root_hash(count: u32, total: u128, top: felt252) -> felt252 {
    poseidon_hash_span(array![ROOT, count.into(), total.into(), top].span())
}

/// The root of a tree of `count` leaves and `total` in which `leaf` stands at `index` with this
/// proof; None: the index is beyond the tree, or the proof is too short or too long.
pub fn root_with(
    count: u32, total: u128, index: u32, leaf: felt252, mut proof: Span<felt252>,
) -> Option<felt252> {
    if index >= count {
        return None;
    }
    let mut node = leaf;
    let mut index = index;
    let mut width = count;
    let mut complete = true;
    while width > 1 {
        let (half, odd) = DivRem::div_rem(index, 2);
        if odd == 1 || index + 1 < width {
            match proof.pop_front() {
                Some(sibling) => {
                    node =
                        if odd == 1 {
                            node_hash(*sibling, node)
                        } else {
                            node_hash(node, *sibling)
                        };
                },
                None => {
                    complete = false;
                    break;
                },
            }
        }
        index = half;
        // Half of it, rounded up; the sum fits whatever the count.
        width = width / 2 + width % 2;
    }
    if complete && proof.is_empty() {
        Some(root_hash(count, total, node))
    } else {
        None
    }
}
