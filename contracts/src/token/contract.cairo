/// The collateral on L2: what L1 locked, one for one. 1e-6 USD.
#[starknet::contract]
pub mod CollateralToken {
    use core::num::traits::Zero;
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};
    use starknet::{ClassHash, ContractAddress, get_caller_address};
    use crate::access::GUARDIAN;
    use crate::access::interface::{IAccessDispatcher, IAccessDispatcherTrait};
    use crate::token::erc20::ERC20Component;
    use crate::token::interface::{
        IBridgedToken, ITokenBridgeDispatcher, ITokenBridgeDispatcherTrait,
    };
    use crate::upgrades::component::UpgradeComponent;
    use crate::upgrades::names;
    use crate::upgrades::rules::{assert_nothing_to_migrate, is_halted};

    const DECIMALS: u8 = 6;

    component!(path: ERC20Component, storage: erc20, event: ERC20Event);
    component!(path: UpgradeComponent, storage: upgrades, event: UpgradeEvent);

    #[abi(embed_v0)]
    impl ERC20Impl = ERC20Component::ERC20Impl<ContractState>;
    impl ERC20Internal = ERC20Component::InternalImpl<ContractState>;
    #[abi(embed_v0)]
    impl UpgradeImpl = UpgradeComponent::UpgradeImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        erc20: ERC20Component::Storage,
        #[substorage(v0)]
        upgrades: UpgradeComponent::Storage,
        bridge: ContractAddress,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        #[flat]
        ERC20Event: ERC20Component::Event,
        #[flat]
        UpgradeEvent: UpgradeComponent::Event,
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

    /// Whoever decides over the bridge, which alone makes and destroys tokens, decides over them.
    impl UpgradeHooks of UpgradeComponent::HooksTrait<ContractState> {
        fn name() -> felt252 {
            names::TOKEN
        }

        fn assert_admin(self: @ContractState) {
            let bridge = IAccessDispatcher { contract_address: self.bridge.read() };
            assert(get_caller_address() == bridge.admin(), 'ACCESS: not the admin');
        }

        fn assert_admin_or_guardian(self: @ContractState) {
            let bridge = IAccessDispatcher { contract_address: self.bridge.read() };
            let caller = get_caller_address();
            assert(
                caller == bridge.admin() || bridge.has_role(GUARDIAN, caller),
                'ACCESS: not admin or guardian',
            );
        }

        fn is_halted(self: @ContractState) -> bool {
            let bridge = ITokenBridgeDispatcher { contract_address: self.bridge.read() };
            is_halted(bridge.clearinghouse())
        }

        fn conserved(self: @ContractState) -> Span<felt252> {
            array![
                self.bridge.read().into(), self.erc20.ERC20_total_supply.read(),
                self.erc20.ERC20_decimals.read().into(),
            ]
                .span()
        }

        fn migrate(ref self: ContractState, classes: Span<ClassHash>, data: Span<felt252>) {
            assert_nothing_to_migrate(classes, data);
        }
    }

    #[generate_trait]
    impl Guards of GuardsTrait {
        fn assert_bridge(self: @ContractState) {
            assert(get_caller_address() == self.bridge.read(), 'TOKEN: not the bridge');
        }
    }
}
