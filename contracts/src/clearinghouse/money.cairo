use starknet::ContractAddress;

#[starknet::interface]
pub trait IMoney<TState> {
    fn deposit_for(ref self: TState, account: ContractAddress, amount: u128);
    fn credit_pending(ref self: TState, account: ContractAddress);
    fn withdraw(ref self: TState, epoch: u64, amount: u128);
    fn collect_fees(ref self: TState, account: ContractAddress, amount: u128);
    fn fund_insurance(ref self: TState, amount: u128);
    fn book_surplus(ref self: TState) -> u128;
}

/// Collateral in and out. Runs on the clearinghouse's storage, by library call.
#[starknet::contract]
pub mod Money {
    use core::num::traits::Zero;
    use starknet::storage::{
        StorageAsPath, StoragePathEntry, StoragePathMutableConversion, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{ContractAddress, get_caller_address, get_contract_address};
    use crate::access::component::AccessComponent;
    use crate::clearinghouse::book::{Basis, BookTrait, ViewTrait, load_view, mode_in_force};
    use crate::clearinghouse::events::{
        DepositCredited, DepositHeld, Deposited, FeesCollected, InsuranceFunded, SurplusBooked,
        Withdrawn,
    };
    use crate::clearinghouse::slots::{AccountSlot, BooksSlot, CustodySlot};
    use crate::clearinghouse::state::{
        State, read_account, read_books, read_custody, write_account, write_books, write_custody,
    };
    use crate::rules::modes::{Action, allows};
    use crate::rules::risk::{Margin, is_healthy};
    use crate::token::interface::{IERC20Dispatcher, IERC20DispatcherTrait};
    use crate::upgrades::interface::INamed;
    use crate::upgrades::names;

    component!(path: AccessComponent, storage: access, event: AccessEvent);
    impl AccessInternalImpl = AccessComponent::InternalImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        access: AccessComponent::Storage,
        state: State,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    pub enum Event {
        #[flat]
        AccessEvent: AccessComponent::Event,
        Deposited: Deposited,
        DepositHeld: DepositHeld,
        DepositCredited: DepositCredited,
        Withdrawn: Withdrawn,
        FeesCollected: FeesCollected,
        InsuranceFunded: InsuranceFunded,
        SurplusBooked: SurplusBooked,
    }

    #[abi(embed_v0)]
    impl Named of INamed<ContractState> {
        fn implements(self: @ContractState) -> felt252 {
            names::MONEY
        }
    }

    #[abi(embed_v0)]
    impl MoneyImpl of super::IMoney<ContractState> {
        fn deposit_for(ref self: ContractState, account: ContractAddress, amount: u128) {
            assert(amount != 0, 'MONEY: amount is zero');
            self.assert_account(account);
            let payer = get_caller_address();
            let state = self.state.as_path();
            let custody = read_custody(state.as_non_mut());
            let total = custody.total + amount;
            if allows(mode_in_force(state.as_non_mut()), Action::Deposit) {
                write_custody(state, CustodySlot { total, pending: custody.pending });
                self.credit(account, amount.into());
                self.emit(Deposited { account, payer, amount });
            } else {
                write_custody(state, CustodySlot { total, pending: custody.pending + amount });
                let held = state.pending.entry(account);
                held.write(held.read() + amount);
                self.emit(DepositHeld { account, payer, amount });
            }
            let paid = self.token().transfer_from(payer, get_contract_address(), amount.into());
            assert(paid, 'MONEY: token transfer failed');
        }

        fn credit_pending(ref self: ContractState, account: ContractAddress) {
            let state = self.state.as_path();
            assert(allows(mode_in_force(state.as_non_mut()), Action::Deposit), 'MODE: halted');
            let held = state.pending.entry(account);
            let amount = held.read();
            assert(amount != 0, 'MONEY: nothing pending');
            held.write(0);
            let custody = read_custody(state.as_non_mut());
            write_custody(
                state, CustodySlot { total: custody.total, pending: custody.pending - amount },
            );
            self.credit(account, amount.into());
            self.emit(DepositCredited { account, amount });
        }

        fn withdraw(ref self: ContractState, epoch: u64, amount: u128) {
            let state = self.state.as_path();
            assert(epoch == state.epoch.read(), 'EPOCH: another epoch');
            let account = get_caller_address();
            let margin = self.debit(account, amount);
            let custody = read_custody(state.as_non_mut());
            // What is held pending is not there to be paid out.
            assert(custody.total - custody.pending >= amount, 'MONEY: more than is held');
            write_custody(
                state, CustodySlot { total: custody.total - amount, pending: custody.pending },
            );
            self.emit(Withdrawn { account, amount, value: margin.value, initial: margin.initial });
            let paid = self.token().transfer(account, amount.into());
            assert(paid, 'MONEY: token transfer failed');
        }

        fn collect_fees(ref self: ContractState, account: ContractAddress, amount: u128) {
            self.access.assert_admin();
            self.assert_account(account);
            let state = self.state.as_path();
            assert(allows(mode_in_force(state.as_non_mut()), Action::Deposit), 'MODE: halted');
            assert(amount != 0, 'MONEY: amount is zero');
            let books = read_books(state.as_non_mut());
            let fees: Option<u128> = (books.fees - amount.into()).try_into();
            assert(fees.is_some(), 'MONEY: more than the fees');
            write_books(state, BooksSlot { fees: fees.unwrap().into(), ..books });
            self.credit(account, amount.into());
            self.emit(FeesCollected { account, amount });
        }

        fn fund_insurance(ref self: ContractState, amount: u128) {
            let account = get_caller_address();
            self.debit(account, amount);
            let state = self.state.as_path();
            let books = read_books(state.as_non_mut());
            write_books(state, BooksSlot { insurance: books.insurance + amount.into(), ..books });
            self.emit(InsuranceFunded { account, amount });
        }

        fn book_surplus(ref self: ContractState) -> u128 {
            self.access.assert_admin();
            let state = self.state.as_path();
            let custody = read_custody(state.as_non_mut());
            let balance: u128 = self
                .token()
                .balance_of(get_contract_address())
                .try_into()
                .expect('MONEY: balance');
            assert(balance > custody.total, 'MONEY: no surplus');
            let amount = balance - custody.total;
            write_custody(state, CustodySlot { total: balance, pending: custody.pending });
            let books = read_books(state.as_non_mut());
            write_books(state, BooksSlot { insurance: books.insurance + amount.into(), ..books });
            self.emit(SurplusBooked { amount });
            amount
        }
    }

    #[generate_trait]
    impl Internal of InternalTrait {
        fn token(self: @ContractState) -> IERC20Dispatcher {
            IERC20Dispatcher { contract_address: self.state.token.read() }
        }

        /// Someone who can act on what is credited: nobody acts for the zero address or for this
        /// contract.
        fn assert_account(self: @ContractState, account: ContractAddress) {
            assert(
                account.is_non_zero() && account != get_contract_address(), 'MONEY: not an account',
            );
        }

        fn credit(ref self: ContractState, account: ContractAddress, amount: felt252) {
            let state = self.state.as_path();
            let slot = read_account(state.as_non_mut(), account);
            let collateral: i128 = (Into::<i128, felt252>::into(slot.collateral) + amount)
                .try_into()
                .expect('MONEY: amount too large');
            write_account(state, account, AccountSlot { collateral, ..slot });
        }

        /// Takes `amount` from an account, which keeps initial margin at the worst prices; its
        /// margin after.
        fn debit(ref self: ContractState, account: ContractAddress, amount: u128) -> Margin {
            assert(amount != 0, 'MONEY: amount is zero');
            let state = self.state.as_path();
            let slot = read_account(state.as_non_mut(), account);
            let view = load_view(state.as_non_mut(), slot.open);
            assert(allows(view.mode, Action::Withdraw), 'MODE: halted');
            let mut book = view.load_book(state.as_non_mut(), account);
            assert(!book.is_broken(@view), 'FUNDING: broken');
            let collateral: i128 = (Into::<i128, felt252>::into(slot.collateral) - amount.into())
                .try_into()
                .expect('MONEY: amount too large');
            book.slot.collateral = collateral;
            let margin = book.margin(Basis::Worst);
            assert(is_healthy(margin.value, margin.initial), 'MARGIN: below initial');
            write_account(state, account, book.slot);
            margin
        }
    }
}
