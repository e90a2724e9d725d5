/// The collateral on L2: what L1 locked, one for one. 1e-6 USD.
#[starknet::contract]
pub mod CollateralToken {
    use core::num::traits::Zero;
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};
    use starknet::{ContractAddress, get_caller_address};
    use crate::token::erc20::ERC20Component;
    use crate::token::interface::IBridgedToken;

    const DECIMALS: u8 = 6;

    component!(path: ERC20Component, storage: erc20, event: ERC20Event);

    #[abi(embed_v0)]
    impl ERC20Impl = ERC20Component::ERC20Impl<ContractState>;
    impl ERC20Internal = ERC20Component::InternalImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        erc20: ERC20Component::Storage,
        bridge: ContractAddress,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        #[flat]
        ERC20Event: ERC20Component::Event,
    }

    #[constructor]
    fn constructor(
        ref self: ContractState, name: ByteArray, symbol: ByteArray, bridge: ContractAddress,
    ) {
        assert(bridge.is_non_zero(), 'TOKEN: zero bridge');
        self.erc20.initializer(name, symbol, DECIMALS);
        self.bridge.write(bridge);
    }

    #[abi(embed_v0)]
    impl BridgedTokenImpl of IBridgedToken<ContractState> {
        fn mint(ref self: ContractState, recipient: ContractAddress, amount: u256) {
            self.assert_bridge();
            self.erc20.mint(recipient, amount);
        }

        fn burn(ref self: ContractState, account: ContractAddress, amount: u256) {
            self.assert_bridge();
            self.erc20.burn(account, amount);
        }

        fn bridge(self: @ContractState) -> ContractAddress {
            self.bridge.read()
        }
    }

    #[generate_trait]
    impl Guards of GuardsTrait {
        fn assert_bridge(self: @ContractState) {
            assert(get_caller_address() == self.bridge.read(), 'TOKEN: not the bridge');
        }
    }
}
