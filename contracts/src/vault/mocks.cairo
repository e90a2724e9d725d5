//! Stand-ins for the clearinghouse and the oracle, for the tests of the vault and of the bridge:
//! they hold real tokens and answer as a test tells them to.

use starknet::ContractAddress;
use crate::clearinghouse::interface::{AccountView, MarginView, Mode, Standing};

#[starknet::interface]
pub trait IMockHouse<TState> {
    // As the clearinghouse has them.
    fn deposit_for(ref self: TState, account: ContractAddress, amount: u128);
    fn withdraw(ref self: TState, epoch: u64, amount: u128);
    fn escape(ref self: TState, epoch: u64, amount: u128);
    fn reconcile(ref self: TState, account: ContractAddress, amount: u128);
    fn margin_of(self: @TState, account: ContractAddress) -> MarginView;
    fn standing(self: @TState, account: ContractAddress) -> Standing;
    fn account(self: @TState, account: ContractAddress) -> AccountView;
    fn mode(self: @TState) -> Mode;
    fn epoch(self: @TState) -> u64;
    fn set_epoch(ref self: TState, epoch: u64);
    fn oracle(self: @TState) -> ContractAddress;
    fn token(self: @TState) -> ContractAddress;

    // What a test sets.
    fn put_mode(ref self: TState, mode: Mode);
    /// Trading profit, or loss below 0; 1e-16 USD.
    fn gain(ref self: TState, account: ContractAddress, value: i128);
    /// Open markets and the initial margin that they need, 1e-16 USD.
    fn hold(ref self: TState, account: ContractAddress, open_markets: u128, initial: i128);
    /// Markets that are not Valid, and what an account's value is less at their worst prices; 1e-16
    /// USD.
    fn put_invalid(ref self: TState, markets: u128, loss: i128);
    /// How much the quota lets out; at first all.
    fn put_room(ref self: TState, room: u128);
    /// Whether `standing` panics.
    fn put_broken(ref self: TState, broken: bool);
    /// Halted for good.
    fn wind_down(ref self: TState);
    /// Deposits and reconciliations panic with this; 0: they do not.
    fn refuse(ref self: TState, reason: felt252);
    /// Deposits for this account panic.
    fn refuse_account(ref self: TState, account: ContractAddress);
}

#[starknet::contract]
pub mod MockHouse {
    use core::num::traits::Bounded;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{ContractAddress, get_caller_address, get_contract_address};
    use crate::clearinghouse::interface::{AccountView, MarginView, Mode, Standing};
    use crate::rules::modes::{from_rank, rank};
    use crate::token::interface::{IERC20Dispatcher, IERC20DispatcherTrait};
    use crate::units::VALUE_PER_COLLATERAL;

    #[storage]
    struct Storage {
        token: ContractAddress,
        oracle: ContractAddress,
        mode: u8,
        epoch: u64,
        refusal: felt252,
        refused: Map<ContractAddress, bool>,
        collateral: Map<ContractAddress, i128>,
        gains: Map<ContractAddress, i128>,
        open_markets: Map<ContractAddress, u128>,
        initial: Map<ContractAddress, i128>,
        invalid: u128,
        worst_loss: i128,
        broken: bool,
        wound_down: bool,
        /// The quota's room, counted from the top: all of it at first.
        withheld: u128,
    }

    #[constructor]
    fn constructor(ref self: ContractState, token: ContractAddress, oracle: ContractAddress) {
        self.token.write(token);
        self.oracle.write(oracle);
        self.mode.write(rank(Mode::Full));
    }

    #[abi(embed_v0)]
    impl MockHouseImpl of super::IMockHouse<ContractState> {
        fn deposit_for(ref self: ContractState, account: ContractAddress, amount: u128) {
            let refusal = self.refusal.read();
            assert(refusal == 0, refusal);
            assert(!self.refused.read(account), 'MOCK: no such account');
            // As the clearinghouse refuses its bridge.
            assert(self.mode.read() != rank(Mode::Halted), 'BRIDGE: venue is halted');
            let token = IERC20Dispatcher { contract_address: self.token.read() };
            token.transfer_from(get_caller_address(), get_contract_address(), amount.into());
            self
                .collateral
                .write(account, self.collateral.read(account) + amount.try_into().unwrap());
        }

        fn withdraw(ref self: ContractState, epoch: u64, amount: u128) {
            assert(epoch == self.epoch.read(), 'MOCK: another epoch');
            let account = get_caller_address();
            let paid: i128 = amount.try_into().unwrap();
            let margin = self.margin_of(account);
            assert(
                paid * VALUE_PER_COLLATERAL <= margin.value - margin.initial,
                'MOCK: initial margin',
            );
            assert(amount <= Bounded::MAX - self.withheld.read(), 'MOCK: quota');
            self.collateral.write(account, self.collateral.read(account) - paid);
            let token = IERC20Dispatcher { contract_address: self.token.read() };
            token.transfer(account, amount.into());
        }

        fn escape(ref self: ContractState, epoch: u64, amount: u128) {
            assert(self.wound_down.read(), 'MOCK: not wound down');
            assert(self.open_markets.read(get_caller_address()) == 0, 'MOCK: something open');
            self.withdraw(epoch, amount);
        }

        fn reconcile(ref self: ContractState, account: ContractAddress, amount: u128) {
            let refusal = self.refusal.read();
            assert(refusal == 0, refusal);
            self
                .collateral
                .write(account, self.collateral.read(account) - amount.try_into().unwrap());
            let token = IERC20Dispatcher { contract_address: self.token.read() };
            token.transfer(get_caller_address(), amount.into());
        }

        fn margin_of(self: @ContractState, account: ContractAddress) -> MarginView {
            let value = self.collateral.read(account) * VALUE_PER_COLLATERAL
                + self.gains.read(account);
            let initial = self.initial.read(account);
            MarginView { value, initial, maintenance: initial / 2 }
        }

        fn standing(self: @ContractState, account: ContractAddress) -> Standing {
            assert(!self.broken.read(), 'MOCK: broken');
            let margin = self.margin_of(account);
            let valid = self.open_markets.read(account) & self.invalid.read() == 0;
            let loss = if valid {
                0
            } else {
                self.worst_loss.read()
            };
            Standing {
                mode: self.mode(),
                valid,
                margin: MarginView { value: margin.value - loss, ..margin },
                room: Bounded::MAX - self.withheld.read(),
                escapes: self.wound_down.read() && self.open_markets.read(account) == 0,
            }
        }

        fn account(self: @ContractState, account: ContractAddress) -> AccountView {
            AccountView {
                collateral: self.collateral.read(account),
                account_epoch: 0,
                open_markets: self.open_markets.read(account),
                positions: array![].span(),
            }
        }

        fn mode(self: @ContractState) -> Mode {
            from_rank(self.mode.read()).unwrap()
        }

        fn epoch(self: @ContractState) -> u64 {
            self.epoch.read()
        }

        fn set_epoch(ref self: ContractState, epoch: u64) {
            self.epoch.write(epoch);
        }

        fn oracle(self: @ContractState) -> ContractAddress {
            self.oracle.read()
        }

        fn token(self: @ContractState) -> ContractAddress {
            self.token.read()
        }

        fn put_mode(ref self: ContractState, mode: Mode) {
            self.mode.write(rank(mode));
        }

        fn gain(ref self: ContractState, account: ContractAddress, value: i128) {
            self.gains.write(account, self.gains.read(account) + value);
        }

        fn hold(
            ref self: ContractState, account: ContractAddress, open_markets: u128, initial: i128,
        ) {
            self.open_markets.write(account, open_markets);
            self.initial.write(account, initial);
        }

        fn put_invalid(ref self: ContractState, markets: u128, loss: i128) {
            self.invalid.write(markets);
            self.worst_loss.write(loss);
        }

        fn put_room(ref self: ContractState, room: u128) {
            self.withheld.write(Bounded::MAX - room);
        }

        fn put_broken(ref self: ContractState, broken: bool) {
            self.broken.write(broken);
        }

        fn wind_down(ref self: ContractState) {
            self.wound_down.write(true);
            self.mode.write(rank(Mode::Halted));
        }

        fn refuse(ref self: ContractState, reason: felt252) {
            self.refusal.write(reason);
        }

        fn refuse_account(ref self: ContractState, account: ContractAddress) {
            self.refused.write(account, true);
        }
    }
}

#[starknet::interface]
pub trait IMockOracle<TState> {
    // As the oracle has them.
    fn epoch(self: @TState) -> u64;
    fn set_epoch(ref self: TState, epoch: u64);

    // What a test sets.
    /// A new epoch panics with this; 0: it does not.
    fn refuse(ref self: TState, reason: felt252);
}

#[starknet::contract]
pub mod MockOracle {
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};

    #[storage]
    struct Storage {
        epoch: u64,
        refusal: felt252,
    }

    #[abi(embed_v0)]
    impl MockOracleImpl of super::IMockOracle<ContractState> {
        fn epoch(self: @ContractState) -> u64 {
            self.epoch.read()
        }

        fn set_epoch(ref self: ContractState, epoch: u64) {
            let refusal = self.refusal.read();
            assert(refusal == 0, refusal);
            self.epoch.write(epoch);
        }

        fn refuse(ref self: ContractState, reason: felt252) {
            self.refusal.write(reason);
        }
    }
}
