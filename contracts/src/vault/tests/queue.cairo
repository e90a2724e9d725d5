//! The queue's sums against a plain list of requests.

use starknet::ContractAddress;
use starknet::storage::{StorageAsPath, StoragePathMutableConversion};
use starknet::testing::set_contract_address;
use crate::vault::contract::Vault;
use crate::vault::queue::{claim, claimable, count, push, redemption};
use crate::vault::tests::desk::person;
use crate::vault::tests::holders::draw;

#[derive(Copy, Drop)]
struct Asked {
    id: u64,
    controller: ContractAddress,
    shares: u256,
    left: u256,
    claimable_at: u64,
}

/// What the list says can be claimed.
fn listed(list: Span<Asked>, controller: ContractAddress, now: u64) -> u256 {
    let mut sum = 0;
    for asked in list {
        if *asked.controller == controller && *asked.claimable_at <= now {
            sum += *asked.left;
        }
    }
    sum
}

/// The list after a claim of the oldest.
fn taken(list: Span<Asked>, controller: ContractAddress, shares: u256) -> Array<Asked> {
    let mut rest = shares;
    let mut after = array![];
    for asked in list {
        let mut asked = *asked;
        if asked.controller == controller {
            let part = core::cmp::min(rest, asked.left);
            rest -= part;
            asked.left -= part;
        }
        after.append(asked);
    }
    after
}

#[test]
fn a_queue_is_what_a_list_of_its_requests_would_be() {
    set_contract_address(person('vault'));
    let mut vault = Vault::contract_state_for_testing();
    let queue = vault.queue.as_path();
    let mut state = 7;
    let mut list: Array<Asked> = array![];
    let (mut now, mut claims) = (1_000, 0_u32);
    for _ in 0..200_u32 {
        now += draw(ref state, 40);
        let controller = person('controller');
        let controller = if draw(ref state, 3) == 0 {
            person('another')
        } else {
            controller
        };
        if draw(ref state, 3) == 0 {
            let shares: u256 = (draw(ref state, 1_000) + 1).into();
            // A lock that changes all the time.
            let (id, claimable_at) = push(
                queue, controller, person('owner'), shares, now + draw(ref state, 200),
            );
            list.append(Asked { id, controller, shares, left: shares, claimable_at });
        } else {
            let most = claimable(queue.as_non_mut(), controller, now);
            assert_eq!(most, listed(list.span(), controller, now));
            let shares = draw(ref state, 3_000).into();
            if shares <= most && shares != 0 {
                claim(queue, controller, shares, now);
                list = taken(list.span(), controller, shares);
                claims += 1;
            }
        }
    }
    assert!(claims > 20);
    assert_eq!(count(queue.as_non_mut()), list.len().into());
    for asked in list {
        let found = redemption(queue.as_non_mut(), asked.id);
        assert_eq!((found.shares, found.controller), (asked.left, asked.controller));
        assert_eq!((found.claimable_at, found.owner), (asked.claimable_at, person('owner')));
    }
}

#[test]
#[should_panic(expected: 'VAULT: more than is claimable')]
fn what_is_locked_is_not_claimed() {
    set_contract_address(person('vault'));
    let mut vault = Vault::contract_state_for_testing();
    let queue = vault.queue.as_path();
    push(queue, person('a'), person('a'), 5, 10);
    claim(queue, person('a'), 5, 10);
    push(queue, person('a'), person('a'), 5, 20);
    claim(queue, person('a'), 1, 19);
}
