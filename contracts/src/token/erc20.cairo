/// ERC-20 balances, shared by the collateral token and the vault's shares. A balance and the supply
/// are one slot each:
/// they are far below the field's size, which `mint` holds them to.
#[starknet::component]
pub mod ERC20Component {
    use core::num::traits::{Bounded, Zero};
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{ContractAddress, get_caller_address};
    use crate::token::interface::IERC20;

    /// The supply stays below this, so every balance is exact in a felt252.
    pub const SUPPLY_BOUND: u256 = 0x4000000000000000000000000000000000000000000000000000000000000;

    #[storage]
    pub struct Storage {
        ERC20_name: ByteArray,
        ERC20_symbol: ByteArray,
        pub ERC20_decimals: u8,
        pub ERC20_total_supply: felt252,
        pub ERC20_balances: Map<ContractAddress, felt252>,
        ERC20_allowances: Map<(ContractAddress, ContractAddress), u256>,
    }

    #[event]
    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub enum Event {
        Transfer: Transfer,
        Approval: Approval,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct Transfer {
        #[key]
        pub from: ContractAddress,
        #[key]
        pub to: ContractAddress,
        pub value: u256,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct Approval {
        #[key]
        pub owner: ContractAddress,
        #[key]
        pub spender: ContractAddress,
        pub value: u256,
    }

    #[embeddable_as(ERC20Impl)]
    pub impl ERC20<
        TContractState, +HasComponent<TContractState>, +Drop<TContractState>,
    > of IERC20<ComponentState<TContractState>> {
        fn name(self: @ComponentState<TContractState>) -> ByteArray {
            self.ERC20_name.read()
        }

        fn symbol(self: @ComponentState<TContractState>) -> ByteArray {
            self.ERC20_symbol.read()
        }

        fn decimals(self: @ComponentState<TContractState>) -> u8 {
            self.ERC20_decimals.read()
        }

        fn total_supply(self: @ComponentState<TContractState>) -> u256 {
            self.ERC20_total_supply.read().into()
        }

        fn balance_of(self: @ComponentState<TContractState>, account: ContractAddress) -> u256 {
            self.ERC20_balances.read(account).into()
        }

        fn allowance(
            self: @ComponentState<TContractState>, owner: ContractAddress, spender: ContractAddress,
        ) -> u256 {
            self.ERC20_allowances.read((owner, spender))
        }

        fn transfer(
            ref self: ComponentState<TContractState>, recipient: ContractAddress, amount: u256,
        ) -> bool {
            self.move(get_caller_address(), recipient, amount);
            true
        }

        fn transfer_from(
            ref self: ComponentState<TContractState>,
            sender: ContractAddress,
            recipient: ContractAddress,
            amount: u256,
        ) -> bool {
            self.spend_allowance(sender, get_caller_address(), amount);
            self.move(sender, recipient, amount);
            true
        }

        fn approve(
            ref self: ComponentState<TContractState>, spender: ContractAddress, amount: u256,
        ) -> bool {
            assert(spender.is_non_zero(), 'ERC20: zero spender');
            let owner = get_caller_address();
            self.ERC20_allowances.write((owner, spender), amount);
            self.emit(Approval { owner, spender, value: amount });
            true
        }
    }

    #[generate_trait]
    pub impl InternalImpl<
        TContractState, +HasComponent<TContractState>, +Drop<TContractState>,
    > of InternalTrait<TContractState> {
        /// Called once, by the constructor.
        fn initializer(
            ref self: ComponentState<TContractState>,
            name: ByteArray,
            symbol: ByteArray,
            decimals: u8,
        ) {
            self.ERC20_name.write(name);
            self.ERC20_symbol.write(symbol);
            self.ERC20_decimals.write(decimals);
        }

        fn mint(
            ref self: ComponentState<TContractState>, recipient: ContractAddress, amount: u256,
        ) {
            assert(recipient.is_non_zero(), 'ERC20: zero recipient');
            let supply: u256 = self.ERC20_total_supply.read().into();
            assert(
                amount < SUPPLY_BOUND && supply + amount < SUPPLY_BOUND, 'ERC20: supply too large',
            );
            let minted: felt252 = amount.try_into().unwrap();
            self.ERC20_total_supply.write(self.ERC20_total_supply.read() + minted);
            self.ERC20_balances.write(recipient, self.ERC20_balances.read(recipient) + minted);
            self.emit(Transfer { from: Zero::zero(), to: recipient, value: amount });
        }

        fn burn(ref self: ComponentState<TContractState>, account: ContractAddress, amount: u256) {
            self.debit(account, amount);
            // The balance covers the amount and the supply covers the balance.
            let burnt: felt252 = amount.try_into().unwrap();
            self.ERC20_total_supply.write(self.ERC20_total_supply.read() - burnt);
            self.emit(Transfer { from: account, to: Zero::zero(), value: amount });
        }

        fn move(
            ref self: ComponentState<TContractState>,
            sender: ContractAddress,
            recipient: ContractAddress,
            amount: u256,
        ) {
            assert(recipient.is_non_zero(), 'ERC20: zero recipient');
            self.debit(sender, amount);
            let moved: felt252 = amount.try_into().unwrap();
            self.ERC20_balances.write(recipient, self.ERC20_balances.read(recipient) + moved);
            self.emit(Transfer { from: sender, to: recipient, value: amount });
        }

        /// An allowance of all 256 bits is without end.
        fn spend_allowance(
            ref self: ComponentState<TContractState>,
            owner: ContractAddress,
            spender: ContractAddress,
            amount: u256,
        ) {
            let allowed = self.ERC20_allowances.read((owner, spender));
            if allowed != Bounded::MAX {
                assert(amount <= allowed, 'ERC20: allowance too low');
                self.ERC20_allowances.write((owner, spender), allowed - amount);
            }
        }

        fn debit(ref self: ComponentState<TContractState>, account: ContractAddress, amount: u256) {
            let balance: u256 = self.ERC20_balances.read(account).into();
            assert(amount <= balance, 'ERC20: balance too low');
            self.ERC20_balances.write(account, (balance - amount).try_into().unwrap());
        }
    }
}
