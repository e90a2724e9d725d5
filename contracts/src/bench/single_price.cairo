//! The usual design, done well: a relayer brings three signed prices of one market in a
//! transaction; the contract checks the signatures natively and applies rules 1 to 4 of
//! docs/oracle.md. What a round of reports is compared with.

/// What one reporter signed.
#[derive(Copy, Drop, Serde)]
pub struct SignedPrice {
    pub price: u64,
    pub observed_at: u64,
    pub r: felt252,
    pub s: felt252,
}

#[starknet::interface]
pub trait ISinglePrice<TState> {
    /// The prices of the three reporters, in the order of their keys.
    fn set_price(ref self: TState, market: u8, prices: [SignedPrice; 3]);
    fn price(self: @TState, market: u8) -> u64;
}

#[starknet::contract]
pub mod SinglePrice {
    use core::ecdsa::check_ecdsa_signature;
    use core::poseidon::poseidon_hash_span;
    use starknet::get_block_timestamp;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use crate::rules::guard::{age, within};
    use crate::rules::median::middle;
    use super::{ISinglePrice, SignedPrice};

    const TWO_16: NonZero<u128> = 0x10000;
    const TWO_64: NonZero<u128> = 0x10000000000000000;
    const SHIFT_64: felt252 = 0x10000000000000000;
    const SHIFT_128: felt252 = 0x100000000000000000000000000000000;

    #[storage]
    struct Storage {
        first_key: felt252,
        second_key: felt252,
        third_key: felt252,
        /// Of all markets: least price 64, greatest 64, max_age 16, max_skew 16, max_step 16.
        guard: felt252,
        /// Price 64, accepted at 64.
        marks: Map<u8, felt252>,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    pub enum Event {
        PriceSet: PriceSet,
    }

    #[derive(Drop, starknet::Event)]
    pub struct PriceSet {
        #[key]
        pub market: u8,
        pub price: u64,
    }

    #[constructor]
    fn constructor(
        ref self: ContractState,
        keys: [felt252; 3],
        min_price: u64,
        max_price: u64,
        max_age: u16,
        max_skew: u16,
        max_step_bps: u16,
    ) {
        let [first, second, third] = keys;
        self.first_key.write(first);
        self.second_key.write(second);
        self.third_key.write(third);
        let numbers = max_age.into() + 0x10000 * (max_skew.into() + 0x10000 * max_step_bps.into());
        self.guard.write(min_price.into() + SHIFT_64 * max_price.into() + SHIFT_128 * numbers);
    }

    #[abi(embed_v0)]
    impl SinglePriceImpl of ISinglePrice<ContractState> {
        fn set_price(ref self: ContractState, market: u8, prices: [SignedPrice; 3]) {
            let [first, second, third] = prices;
            check(self.first_key.read(), market, @first);
            check(self.second_key.read(), market, @second);
            check(self.third_key.read(), market, @third);
            let guard: u256 = self.guard.read().into();
            let (max_price, min_price) = DivRem::div_rem(guard.low, TWO_64);
            let (rest, max_age) = DivRem::div_rem(guard.high, TWO_16);
            let (max_step, max_skew) = DivRem::div_rem(rest, TWO_16);
            let max_age: u64 = max_age.try_into().unwrap();
            let max_skew: u64 = max_skew.try_into().unwrap();
            let now = get_block_timestamp();
            // Rule 1.
            let mut newest = 0;
            for said in [first, second, third].span() {
                let at = *said.observed_at;
                if at > newest && at <= now {
                    newest = at;
                }
            }
            let mut kept = array![];
            for said in [first, second, third].span() {
                let at = *said.observed_at;
                if *said.price != 0 && at <= newest && newest
                    - at <= max_skew && age(now, at) <= max_age {
                    kept.append(*said.price);
                }
            }
            assert(kept.len() == 3, 'PRICE: no quorum');
            // Rules 2 to 4.
            let (found, _) = middle(kept.span());
            assert(found.into() >= min_price && found.into() <= max_price, 'PRICE: out of bounds');
            let mark: u128 = self.marks.read(market).try_into().unwrap();
            let (accepted_at, last) = DivRem::div_rem(mark, TWO_64);
            assert(accepted_at <= now.into(), 'PRICE: ahead of time');
            let last: u64 = last.try_into().unwrap();
            assert(last == 0 || within(found, last, max_step.try_into().unwrap()), 'PRICE: step');
            self.marks.write(market, found.into() + now.into() * SHIFT_64);
            self.emit(PriceSet { market, price: found });
        }

        fn price(self: @ContractState, market: u8) -> u64 {
            let mark: u128 = self.marks.read(market).try_into().unwrap();
            let (_, price) = DivRem::div_rem(mark, TWO_64);
            price.try_into().unwrap()
        }
    }

    fn check(key: felt252, market: u8, said: @SignedPrice) {
        let hash = poseidon_hash_span(
            [market.into(), (*said.price).into(), (*said.observed_at).into()].span(),
        );
        assert(check_ecdsa_signature(hash, key, *said.r, *said.s), 'PRICE: signature');
    }
}
