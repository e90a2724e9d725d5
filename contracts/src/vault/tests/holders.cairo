//! Nobody gains from what the others hold.

use core::dict::Felt252Dict;
use core::poseidon::poseidon_hash_span;
use crate::token::interface::{
    IBridgedTokenDispatcher, IBridgedTokenDispatcherTrait, IERC20DispatcherTrait,
};
use crate::vault::interface::IVaultDispatcherTrait;
use crate::vault::math::{Pool, assets_down, assets_up, shares_down, shares_up};
use crate::vault::tests::desk::{DeskTrait, by, open, person};

/// Deposits, requests and claims of two people on the contract, with gains between: no step of
/// theirs lowers the price, and nobody takes out more than came in.
#[test]
#[ignore]
fn nobody_gains_from_the_others() {
    let desk = open();
    by('admin');
    desk.vault.set_lock_secs(0);
    let (mut came_in, mut went_out): (u256, u256) = (0, 0);
    let (mut assets, mut supply): (u256, u256) = (0, 0);
    for step in 0..15_u32 {
        let draw: u256 = poseidon_hash_span(array!['walk', step.into()].span()).into();
        let name = if step % 2 == 0 {
            'alice'
        } else {
            'bob'
        };
        let amount: u256 = (draw.low % 50_000_000 + 1).into();
        by(name);
        match step % 5 {
            0 | 1 => {
                desk.vault.deposit(amount, person(name));
                came_in += amount;
            },
            2 => came_in += desk.vault.mint(amount * 1_000_000, person(name)),
            3 => {
                let shares = core::cmp::min(
                    amount * 1_000_000, desk.shares.balance_of(person(name)),
                );
                desk.vault.request_redeem(shares, person(name), person(name));
                went_out += desk.vault.redeem(shares, person(name), person(name));
            },
            _ => {
                // A gain is paid for by another account of the house.
                by('bridge');
                let token = IBridgedTokenDispatcher {
                    contract_address: desk.token.contract_address,
                };
                token.mint(desk.house.contract_address, amount);
                came_in += amount;
                desk.gain((draw.low % 50_000_000 + 1).try_into().unwrap() * 10_000_000_000);
            },
        }
        let (after, shares) = (desk.vault.total_assets(), desk.shares.total_supply());
        assert!(
            (after + 1) * (supply + 1_000_000) >= (assets + 1) * (shares + 1_000_000),
            "step {}",
            step,
        );
        assert!(after + went_out <= came_in, "step {}", step);
        assets = after;
        supply = shares;
    }
    assert!(went_out != 0);
}

const HOLDERS: u32 = 5;
const STEPS: u32 = 600;

/// A linear congruential generator; the high bits of its state, below `bound`.
pub fn draw(ref state: u64, bound: u64) -> u64 {
    let product: u128 = state.into() * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407;
    state = (product & 0xffffffffffffffff).try_into().unwrap();
    (state / 0x80000000) % bound
}

/// The rules alone, over many more steps: five holders, amounts of every size, gains and losses
/// down to the last units. A holder's shares are never worth less for what another one does, and no
/// one's deposit and redemption on the spot pays.
#[test]
fn a_share_is_never_worth_less_by_what_another_does() {
    let mut state = 20_260_119;
    let mut pool = Pool { assets: 0, shares: 0 };
    let mut holdings: Felt252Dict<felt252> = Default::default();
    let mut redeemed = 0_u32;
    for step in 0..STEPS {
        let who = draw(ref state, HOLDERS.into());
        let own: u256 = holdings.get(who.into()).into();
        let mut size = 1;
        for _ in 0..draw(ref state, 12) {
            size *= 10;
        }
        let amount: u256 = (draw(ref state, size) + 1).into();
        let mut before = array![];
        for holder in 0..HOLDERS {
            let shares: u256 = holdings.get(holder.into()).into();
            before.append(assets_down(pool, shares).unwrap());
        }
        let closed = pool.assets == 0 && pool.shares != 0;
        let action = draw(ref state, 6);
        let mut own_after = own;
        match action {
            0 => if !closed {
                let shares = shares_down(pool, amount).unwrap();
                own_after = own + shares;
                pool = Pool { assets: pool.assets + amount, shares: pool.shares + shares };
                assert!(assets_down(pool, shares).unwrap() <= amount, "step {}", step);
            },
            1 => if !closed {
                let shares = amount * 1_000_000 + step.into();
                let assets = assets_up(pool, shares).unwrap();
                own_after = own + shares;
                pool = Pool { assets: pool.assets + assets, shares: pool.shares + shares };
            },
            2 => {
                let shares = amount * 1_000_000 % (own + 1);
                let assets = assets_down(pool, shares).unwrap();
                own_after = own - shares;
                pool = Pool { assets: pool.assets - assets, shares: pool.shares - shares };
                redeemed += 1;
            },
            3 => {
                let assets = amount % (assets_down(pool, own).unwrap() + 1);
                let shares = shares_up(pool, assets).unwrap();
                own_after = own - shares;
                pool = Pool { assets: pool.assets - assets, shares: pool.shares - shares };
                redeemed += 1;
            },
            // What the account gains and loses is everybody's.
            4 => pool.assets += amount,
            _ => pool.assets -= core::cmp::min(amount, pool.assets),
        }
        holdings.insert(who.into(), own_after.try_into().unwrap());
        if action < 4 {
            for holder in 0..HOLDERS {
                let shares: u256 = holdings.get(holder.into()).into();
                let worth = assets_down(pool, shares).unwrap();
                assert!(holder.into() == who || worth >= *before[holder], "step {}", step);
            }
        }
    }
    assert!(redeemed > STEPS / 6);
}
