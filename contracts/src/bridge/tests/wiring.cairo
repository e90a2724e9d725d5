//! Connecting the bridge, and the epoch that L1 counts.

use core::num::traits::Zero;
use crate::bridge::contract::Bridge;
use crate::bridge::events::{Connected, EpochChanged, EpochIgnored};
use crate::bridge::interface::{IBridgeDispatcherTrait, IBridgeSafeDispatcherTrait};
use crate::bridge::tests::setup::{
    DEPOSITOR, Handler, L1_BRIDGE, L1_TOKEN, RETURN_DELAY, WALLET, by, connected, deposit, eth,
    from_l1, happened, house_of, new_epoch, pass_logs, person, refused, safe, token_of, unconnected,
    vault_of,
};
use crate::vault::mocks::{IMockHouseDispatcherTrait, IMockOracleDispatcherTrait};

#[test]
#[feature("safe_dispatcher")]
fn a_bridge_is_connected_once_by_its_admin() {
    let desk = unconnected();
    let (token, oracle) = (desk.token.contract_address, desk.oracle.contract_address);
    let (house, vault) = (desk.house.contract_address, desk.shares.contract_address);
    let safe = safe(desk);
    let (l1_bridge, l1_token) = (eth(L1_BRIDGE), eth(L1_TOKEN));
    by('nobody');
    refused(
        safe.connect(token, l1_bridge, l1_token, oracle, house, vault), 'ACCESS: not the admin',
    );
    by('admin');
    let zero = Zero::zero();
    for (token, l1_bridge, l1_token, oracle, house, vault) in array![
        (zero, l1_bridge, l1_token, oracle, house, vault),
        (token, eth(0), l1_token, oracle, house, vault),
        (token, l1_bridge, eth(0), oracle, house, vault),
        (token, l1_bridge, l1_token, zero, house, vault),
        (token, l1_bridge, l1_token, oracle, zero, vault),
        (token, l1_bridge, l1_token, oracle, house, zero),
    ] {
        refused(
            safe.connect(token, l1_bridge, l1_token, oracle, house, vault), 'BRIDGE: zero address',
        );
    }
    pass_logs(desk);
    desk.bridge.connect(token, l1_bridge, l1_token, oracle, house, vault);
    let expected = Connected { token, l1_bridge, l1_token, oracle, clearinghouse: house, vault };
    happened(desk, Bridge::Event::Connected(expected));
    assert_eq!((desk.bridge.token(), desk.bridge.oracle()), (token, oracle));
    assert_eq!((desk.bridge.clearinghouse(), desk.bridge.vault()), (house, vault));
    assert_eq!((desk.bridge.l1_bridge(), desk.bridge.l1_token()), (l1_bridge, l1_token));
    assert_eq!((desk.bridge.epoch(), desk.bridge.return_delay()), (0, RETURN_DELAY));
    refused(
        safe.connect(token, l1_bridge, l1_token, oracle, house, vault), 'BRIDGE: already connected',
    );
}

#[test]
#[feature("safe_dispatcher")]
fn a_bridge_and_its_venue_share_one_token() {
    let desk = unconnected();
    let (token, oracle) = (desk.token.contract_address, desk.oracle.contract_address);
    let (house, vault) = (desk.house.contract_address, desk.shares.contract_address);
    // A token of another bridge, and a clearinghouse and a vault on it.
    let other = token_of(person('other'));
    let other_house = house_of(other, oracle);
    let other_vault = vault_of(other, other_house);
    for (token, house, vault) in array![
        (other, other_house, other_vault), (token, other_house, vault), (token, house, other_vault),
    ] {
        refused(
            safe(desk).connect(token, eth(L1_BRIDGE), eth(L1_TOKEN), oracle, house, vault),
            'BRIDGE: another token',
        );
    }
}

#[test]
#[should_panic(expected: ('BRIDGE: not connected',))]
fn an_unconnected_bridge_takes_no_deposit() {
    deposit(unconnected(), 7, WALLET, 'alice', 100);
}

#[test]
#[should_panic(expected: ('BRIDGE: not connected',))]
fn an_unconnected_bridge_takes_no_epoch() {
    new_epoch(unconnected(), 1);
}

#[test]
#[should_panic(expected: ('BRIDGE: not connected', 'ENTRYPOINT_FAILED'))]
fn an_unconnected_bridge_pays_nothing() {
    unconnected().bridge.withdraw(0, eth(DEPOSITOR), 1);
}

#[test]
fn an_epoch_is_told_to_the_oracle_and_the_clearinghouse() {
    let desk = connected();
    new_epoch(desk, 3);
    happened(desk, Bridge::Event::EpochChanged(EpochChanged { from: 0, to: 3 }));
    assert_eq!((desk.bridge.epoch(), desk.oracle.epoch(), desk.house.epoch()), (3, 3, 3));
    // Late ones change nothing, and do not stop the messages behind them.
    for late in array![2, 3] {
        new_epoch(desk, late.into());
        happened(desk, Bridge::Event::EpochIgnored(EpochIgnored { epoch: late, current: 3 }));
    }
    assert_eq!((desk.bridge.epoch(), desk.oracle.epoch(), desk.house.epoch()), (3, 3, 3));
    new_epoch(desk, 4);
    assert_eq!((desk.bridge.epoch(), desk.oracle.epoch(), desk.house.epoch()), (4, 4, 4));
}

#[test]
#[should_panic(expected: ('BRIDGE: not the L1 bridge',))]
fn another_l1_contract_counts_no_epoch() {
    from_l1(connected(), 7, L1_BRIDGE + 1, array![1].span(), Handler::Epoch);
}

#[test]
#[should_panic(expected: ('MOCK: no', 'ENTRYPOINT_FAILED'))]
fn an_epoch_is_known_to_all_or_to_none() {
    let desk = connected();
    desk.oracle.refuse('MOCK: no');
    new_epoch(desk, 1);
}
