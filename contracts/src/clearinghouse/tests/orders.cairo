//! The hash that wallets sign, and who may give an order.

use core::ec::stark_curve::{GEN_X, GEN_Y, ORDER};
use core::ec::{EcPointTrait, NonZeroEcPoint};
use core::ecdsa::check_ecdsa_signature;
use core::math::{u256_inv_mod, u256_mul_mod_n};
use starknet::get_block_timestamp;
use crate::clearinghouse::interface::{
    Fill, IClearinghouseSafeDispatcherTrait, Order, OrderSignature, SignedOrder,
};
use crate::clearinghouse::orders::{domain_hash, order_hash};
use crate::clearinghouse::tests::here::{HereTrait, by};
use crate::clearinghouse::tests::setup::{
    BTC, BTC_PRICE, ETH_PRICE, House, ONE, UNSIGNED, after, approved, clear, open, order, person,
    refusal, refused, report, safe, settle, size, try_fill,
};

const ALICE_SECRET: felt252 = 0xa11ce5ec2e7;

fn public_key(secret: felt252) -> felt252 {
    let point: NonZeroEcPoint = EcPointTrait::new(GEN_X, GEN_Y)
        .unwrap()
        .mul(secret)
        .try_into()
        .unwrap();
    point.x()
}

/// ECDSA with a nonce made of the hash: for tests.
fn sign(secret: felt252, hash: felt252) -> (felt252, felt252) {
    let order: NonZero<u256> = Into::<felt252, u256>::into(ORDER).try_into().unwrap();
    let nonce: felt252 = core::poseidon::poseidon_hash_span(array![secret, hash].span());
    let wide: u256 = nonce.into();
    let (_, nonce) = DivRem::div_rem(wide, order);
    let r = public_key(nonce.try_into().unwrap());
    let inverse: u256 = u256_inv_mod(nonce, order).unwrap().into();
    let product = u256_mul_mod_n(r.into(), secret.into(), order);
    let (_, message) = DivRem::div_rem(Into::<felt252, u256>::into(hash), order);
    let (_, sum) = DivRem::div_rem(product + message, order);
    (r, u256_mul_mod_n(sum, inverse, order).try_into().unwrap())
}

fn signed(house: House, order: Order, secret: felt252) -> SignedOrder {
    let (r, s) = sign(secret, house.venue.order_hash(order));
    SignedOrder { order, signature: OrderSignature { key: public_key(secret), r, s } }
}

/// Somebody buys of bob with this signed order; the reason if it is refused.
fn try_signed(house: House, taker: SignedOrder) -> Option<felt252> {
    let size = taker.order.size;
    let maker = approved(house, order(house, 'bob', false, size, BTC_PRICE));
    clear(house);
    settle(house, array![Fill { maker, taker, size, price: BTC_PRICE }].span());
    refusal(house)
}

/// The vectors are TypedData.message_hash of starknet.py (revision 1) for the type in `orders`, and
/// a signature of fast-stark-crypto.
#[test]
fn the_hash_is_that_of_the_standard() {
    let order = Order {
        venue: 0x7ea51de.try_into().unwrap(),
        account: 0xa11ce.try_into().unwrap(),
        epoch: 3,
        account_epoch: 2,
        market: BTC,
        is_buy: true,
        size: 150_000_000,
        limit_price: 9_547_510_000_000,
        max_fee_bps: 7,
        reduce_only: false,
        post_only: true,
        expiry: 1_768_777_200,
        salt: 0x123456789abcdef,
    };
    let domain = domain_hash('TRUEMARK_TEST');
    let hash = order_hash(domain, @order);
    assert!(hash == 0x32992bf9a99fea060bdac118ff96a9a2fcfe98f15f2611212393c2a4dc393fe);
    let key = 0x335578e702fb8e1835ef12342af7deda51c21e030dfce0dad3283880f4f8427;
    assert!(public_key(0x5ec2e7) == key);
    assert!(
        check_ecdsa_signature(
            hash,
            key,
            0x6f7d17c42ac6a0233410a65cb659a85adb9b4474ab61c8e792426fc4df67c94,
            0x132db9b5516a2d5cb772aa86b81ffc28146a132ce5d84659bf205b8be9d4e60,
        ),
    );
    let other = Order {
        epoch: 0,
        account_epoch: 0,
        is_buy: false,
        reduce_only: true,
        post_only: false,
        salt: 0,
        ..order,
    };
    let hash = order_hash(domain, @other);
    assert!(hash == 0xc1996e67c507b6e74fadeb4b27dd29efebd1b73ca6530a45b8ec931f4fbd86);
}

#[test]
fn every_field_is_signed() {
    let house = open();
    let order = order(house, 'alice', true, ONE, BTC_PRICE);
    let hash = house.venue.order_hash(order);
    for changed in array![
        Order { venue: person('other'), ..order }, Order { account: person('bob'), ..order },
        Order { epoch: 1, ..order }, Order { account_epoch: 1, ..order },
        Order { market: 'ETH-USD-PERP', ..order }, Order { is_buy: false, ..order },
        Order { size: 1, ..order }, Order { limit_price: 1, ..order },
        Order { max_fee_bps: 1, ..order }, Order { reduce_only: true, ..order },
        Order { post_only: true, ..order }, Order { expiry: 1, ..order },
        Order { salt: 1, ..order },
    ] {
        assert!(house.venue.order_hash(changed) != hash);
    }
}

#[test]
fn a_registered_key_signs_orders_until_it_expires_or_is_revoked() {
    let house = open();
    let key = public_key(ALICE_SECRET);
    let buy = order(house, 'alice', true, ONE, BTC_PRICE);
    let signed_buy = signed(house, buy, ALICE_SECRET);
    assert!(try_signed(house, signed_buy) == Some('ORDER: no such trading key'));
    by('alice');
    house.venue.register_trading_key(key, get_block_timestamp() + 50);
    assert!(house.venue.trading_key_expiry(person('alice'), key) == get_block_timestamp() + 50);
    assert!(try_signed(house, signed_buy) == None);
    assert!(size(house, 'alice', 0) == ONE.try_into().unwrap());
    // The same order once more, and another one whose key has expired.
    assert!(try_signed(house, signed_buy) == Some('ORDER: filled or cancelled'));
    after(50);
    report(house, BTC_PRICE, ETH_PRICE, 0);
    let late = signed(house, order(house, 'alice', true, ONE, BTC_PRICE), ALICE_SECRET);
    assert!(try_signed(house, late) == Some('ORDER: no such trading key'));
    by('alice');
    house.venue.register_trading_key(key, get_block_timestamp() + 50);
    house.venue.revoke_trading_key(key);
    assert!(try_signed(house, late) == Some('ORDER: no such trading key'));
}

#[test]
fn a_key_signs_for_nobody_else_and_nothing_else() {
    let house = open();
    by('alice');
    house.venue.register_trading_key(public_key(ALICE_SECRET), get_block_timestamp() + 1_000);
    let buy = order(house, 'alice', true, ONE, BTC_PRICE);
    let good = signed(house, buy, ALICE_SECRET);
    // bob's order under alice's key; alice's order with one field changed; r or s out of range.
    let stolen = signed(house, order(house, 'carol', true, ONE, BTC_PRICE), ALICE_SECRET);
    assert!(try_signed(house, stolen) == Some('ORDER: no such trading key'));
    let changed = SignedOrder { order: Order { salt: 7, ..buy }, signature: good.signature };
    assert!(try_signed(house, changed) == Some('ORDER: wrong signature'));
    let signature = good.signature;
    for bad in array![
        OrderSignature { r: 0, ..signature }, OrderSignature { s: 0, ..signature },
        OrderSignature { s: ORDER, ..signature }, OrderSignature { r: ORDER, ..signature },
        OrderSignature { s: signature.s + ORDER, ..signature },
    ] {
        let signed = SignedOrder { order: buy, signature: bad };
        assert!(try_signed(house, signed) == Some('ORDER: wrong signature'));
    }
    assert!(try_signed(house, good) == None);
}

#[test]
#[feature("safe_dispatcher")]
fn a_key_must_be_a_point_and_live() {
    let house = open();
    let safe = safe(house);
    by('alice');
    let key = public_key(ALICE_SECRET);
    let now = get_block_timestamp();
    refused(safe.register_trading_key(0, now + 1), 'KEY: not on the curve');
    // x = 5 has no point.
    assert!(EcPointTrait::new_nz_from_x(5).is_none());
    refused(safe.register_trading_key(5, now + 1), 'KEY: not on the curve');
    refused(safe.register_trading_key(key, now), 'KEY: expiry is past');
    refused(safe.revoke_trading_key(key), 'KEY: not registered');
}

#[test]
#[feature("safe_dispatcher")]
fn an_approval_is_for_this_venue_and_ends_with_the_order() {
    let house = open();
    let buy = order(house, 'alice', true, ONE, BTC_PRICE);
    let sell = order(house, 'bob', false, ONE, BTC_PRICE);
    by('alice');
    let foreign = Order { venue: person('other'), ..buy };
    refused(safe(house).approve_order(foreign), 'ORDER: another venue');
    refused(safe(house).cancel(foreign), 'ORDER: another venue');
    let unsigned = SignedOrder { order: buy, signature: UNSIGNED };
    assert!(try_signed(house, unsigned) == Some('ORDER: not approved'));
    by('alice');
    house.venue.cancel(buy);
    assert!(house.venue.order_filled(house.venue.order_hash(buy)) == ONE);
    // Approving it again does not bring it back.
    assert!(try_fill(house, sell, buy, ONE, BTC_PRICE) == Some('ORDER: filled or cancelled'));
}

#[test]
fn cancel_all_ends_what_was_signed_before() {
    let house = open();
    let buy = order(house, 'alice', true, ONE, BTC_PRICE);
    let sell = order(house, 'bob', false, ONE, BTC_PRICE);
    by('alice');
    house.venue.cancel_all();
    assert!(house.venue.account(person('alice')).account_epoch == 1);
    assert!(try_fill(house, sell, buy, ONE, BTC_PRICE) == Some('ORDER: old account epoch'));
    let fresh = Order { account_epoch: 1, ..buy };
    assert!(try_fill(house, sell, fresh, ONE, BTC_PRICE) == None);
}
