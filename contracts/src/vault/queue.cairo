//! Redemptions that wait, oldest first for each controller.
//!
//! Each request keeps the sum of its controller's requests up to it, and a controller the sum of
//! what was claimed, so that what is claimable, what is left of a request and a claim cost a few
//! reads however many requests there are: nobody can bar another's claims by filling its queue.

use core::cmp::max;
use starknet::ContractAddress;
use starknet::storage::{
    Map, Mutable, StoragePath, StoragePathEntry, StoragePathMutableConversion,
    StoragePointerReadAccess, StoragePointerWriteAccess,
};
use crate::vault::interface::Redemption;

#[starknet::storage_node]
pub struct Queue {
    /// Ids count from 1.
    count: u64,
    requests: Map<u64, Request>,
    /// Id of the request at (controller, place), places from 0.
    ids: Map<(ContractAddress, u64), u64>,
    lengths: Map<ContractAddress, u64>,
    /// Shares that the controller has claimed of all its requests.
    claimed: Map<ContractAddress, felt252>,
}

/// Shares are below the supply's bound of 2^250, so a felt252 holds them.
#[derive(Copy, Drop, starknet::Store)]
struct Request {
    controller: ContractAddress,
    owner: ContractAddress,
    shares: felt252,
    /// The sum of the controller's requests, this one included.
    end: felt252,
    /// Never sooner than the request before it.
    claimable_at: u64,
}

pub type ReadQueue = StoragePath<Queue>;
pub type WriteQueue = StoragePath<Mutable<Queue>>;

/// Adds a request that can be claimed from `claimable_at`, or from when the controller's last one
/// can; its id and that time.
pub fn push(
    queue: WriteQueue,
    controller: ContractAddress,
    owner: ContractAddress,
    shares: u256,
    claimable_at: u64,
) -> (u64, u64) {
    let place = queue.lengths.entry(controller).read();
    let (sum, not_before) = if place == 0 {
        (0, 0)
    } else {
        let last = request_at(queue.as_non_mut(), controller, place - 1);
        (last.end.into(), last.claimable_at)
    };
    let id = queue.count.read() + 1;
    let claimable_at = max(claimable_at, not_before);
    let end = felt_of(sum + shares);
    let request = Request { controller, owner, shares: felt_of(shares), end, claimable_at };
    queue.count.write(id);
    queue.requests.entry(id).write(request);
    queue.ids.entry((controller, place)).write(id);
    queue.lengths.entry(controller).write(place + 1);
    (id, claimable_at)
}

/// The request with what is not claimed of it; all 0 where there is none.
pub fn redemption(queue: ReadQueue, id: u64) -> Redemption {
    let request = queue.requests.entry(id).read();
    let (shares, end): (u256, u256) = (request.shares.into(), request.end.into());
    let claimed: u256 = queue.claimed.entry(request.controller).read().into();
    let left = if claimed >= end {
        0
    } else if claimed <= end - shares {
        shares
    } else {
        end - claimed
    };
    Redemption {
        controller: request.controller,
        owner: request.owner,
        shares: left,
        claimable_at: request.claimable_at,
    }
}

/// What the controller can claim at a time.
pub fn claimable(queue: ReadQueue, controller: ContractAddress, now: u64) -> u256 {
    // The first place that cannot be claimed yet: times never fall from place to place.
    let (mut low, mut high) = (0, queue.lengths.entry(controller).read());
    while low != high {
        let middle = low + (high - low) / 2;
        if request_at(queue, controller, middle).claimable_at <= now {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if low == 0 {
        return 0;
    }
    let end: u256 = request_at(queue, controller, low - 1).end.into();
    end - queue.claimed.entry(controller).read().into()
}

/// Takes `shares` from the oldest requests of the controller.
pub fn claim(queue: WriteQueue, controller: ContractAddress, shares: u256, now: u64) {
    let most = claimable(queue.as_non_mut(), controller, now);
    assert(shares <= most, 'VAULT: more than is claimable');
    let claimed = queue.claimed.entry(controller);
    claimed.write(felt_of(claimed.read().into() + shares));
}

/// How many requests there were.
pub fn count(queue: ReadQueue) -> u64 {
    queue.count.read()
}

fn request_at(queue: ReadQueue, controller: ContractAddress, place: u64) -> Request {
    queue.requests.entry(queue.ids.entry((controller, place)).read()).read()
}

fn felt_of(shares: u256) -> felt252 {
    shares.try_into().expect('VAULT: amount too large')
}
