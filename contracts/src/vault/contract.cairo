/// The vault: shares of one margin account. Deposits are credited to it at once; redemptions are
/// requested, locked and paid at the price of their claim. Its own token balance is 0 between
/// calls; its share balance is what is locked.
#[starknet::contract]
pub mod Vault {
    use core::cmp::min;
    use core::num::traits::{Bounded, Zero};
    use starknet::storage::{
        Map, StorageAsPath, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{
        ClassHash, ContractAddress, get_block_timestamp, get_caller_address, get_contract_address,
    };
    use crate::access::component::AccessComponent;
    use crate::clearinghouse::interface::{IClearinghouseDispatcher, IClearinghouseDispatcherTrait};
    use crate::token::erc20::ERC20Component;
    use crate::token::interface::{IERC20Dispatcher, IERC20DispatcherTrait};
    use crate::upgrades::component::UpgradeComponent;
    use crate::upgrades::names;
    use crate::upgrades::rules::{assert_nothing_to_migrate, is_halted};
    use crate::vault::interface::{
        ERC165_ID, ERC7540_OPERATOR_ID, ERC7540_REDEEM_ID, ERC7575_ID, IVault, Redemption, SRC5_ID,
    };
    use crate::vault::math::Pool;
    use crate::vault::queue::Queue;
    use crate::vault::venue::Standing;
    use crate::vault::{math, queue, venue};

    /// The collateral token has this many decimals.
    const ASSET_DECIMALS: u8 = 6;
    /// The most that the vault holds, 2^93: its value in 1e-16 USD fits an i128.
    const MAX_ASSETS: u256 = 0x200000000000000000000000;
    /// An admin cannot lock anybody longer than this; seconds.
    const MAX_LOCK: u64 = 2_592_000;

    component!(path: AccessComponent, storage: access, event: AccessEvent);
    component!(path: UpgradeComponent, storage: upgrades, event: UpgradeEvent);
    component!(path: ERC20Component, storage: erc20, event: ERC20Event);

    #[abi(embed_v0)]
    impl AccessImpl = AccessComponent::AccessImpl<ContractState>;
    impl AccessInternal = AccessComponent::InternalImpl<ContractState>;
    #[abi(embed_v0)]
    impl UpgradeImpl = UpgradeComponent::UpgradeImpl<ContractState>;
    #[abi(embed_v0)]
    impl ERC20Impl = ERC20Component::ERC20Impl<ContractState>;
    impl ERC20Internal = ERC20Component::InternalImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        access: AccessComponent::Storage,
        #[substorage(v0)]
        upgrades: UpgradeComponent::Storage,
        #[substorage(v0)]
        erc20: ERC20Component::Storage,
        asset: ContractAddress,
        clearinghouse: ContractAddress,
        lock_secs: u64,
        pub(crate) queue: Queue,
        /// (controller, operator).
        operators: Map<(ContractAddress, ContractAddress), bool>,
    }

    #[event]
    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub enum Event {
        #[flat]
        AccessEvent: AccessComponent::Event,
        #[flat]
        UpgradeEvent: UpgradeComponent::Event,
        #[flat]
        ERC20Event: ERC20Component::Event,
        Deposit: Deposit,
        Withdraw: Withdraw,
        RedeemRequest: RedeemRequest,
        OperatorSet: OperatorSet,
        LockChanged: LockChanged,
    }

    /// ERC-4626.
    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct Deposit {
        #[key]
        pub sender: ContractAddress,
        #[key]
        pub owner: ContractAddress,
        pub assets: u256,
        pub shares: u256,
    }

    /// ERC-4626; the owner is the controller of the redemption.
    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct Withdraw {
        #[key]
        pub sender: ContractAddress,
        #[key]
        pub receiver: ContractAddress,
        #[key]
        pub owner: ContractAddress,
        pub assets: u256,
        pub shares: u256,
    }

    /// ERC-7540, and when it can be claimed.
    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct RedeemRequest {
        #[key]
        pub controller: ContractAddress,
        #[key]
        pub owner: ContractAddress,
        #[key]
        pub request_id: u256,
        pub sender: ContractAddress,
        pub shares: u256,
        pub claimable_at: u64,
    }

    /// ERC-7540.
    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct OperatorSet {
        #[key]
        pub controller: ContractAddress,
        #[key]
        pub operator: ContractAddress,
        pub approved: bool,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct LockChanged {
        pub secs: u64,
    }

    #[constructor]
    fn constructor(
        ref self: ContractState,
        admin: ContractAddress,
        name: ByteArray,
        symbol: ByteArray,
        asset: ContractAddress,
        clearinghouse: ContractAddress,
        lock_secs: u64,
    ) {
        assert(asset.is_non_zero() && clearinghouse.is_non_zero(), 'VAULT: zero address');
        self.access.initializer(admin);
        self.erc20.initializer(name, symbol, ASSET_DECIMALS + math::OFFSET_DECIMALS);
        self.asset.write(asset);
        self.clearinghouse.write(clearinghouse);
        self.write_lock_secs(lock_secs);
    }

    #[abi(embed_v0)]
    impl VaultImpl of IVault<ContractState> {
        fn asset(self: @ContractState) -> ContractAddress {
            self.asset.read()
        }

        fn share(self: @ContractState) -> ContractAddress {
            get_contract_address()
        }

        fn total_assets(self: @ContractState) -> u256 {
            self.standing().assets
        }

        fn convert_to_shares(self: @ContractState, assets: u256) -> u256 {
            expect(math::shares_down(self.pool(@self.standing()), assets))
        }

        fn convert_to_assets(self: @ContractState, shares: u256) -> u256 {
            expect(math::assets_down(self.pool(@self.standing()), shares))
        }

        fn max_deposit(self: @ContractState, receiver: ContractAddress) -> u256 {
            let standing = self.standing();
            if standing.is_open && self.may_receive(receiver) {
                room(self.pool(@standing))
            } else {
                0
            }
        }

        fn preview_deposit(self: @ContractState, assets: u256) -> u256 {
            expect(math::shares_down(self.pool(@self.standing()), assets))
        }

        fn deposit(ref self: ContractState, assets: u256, receiver: ContractAddress) -> u256 {
            let pool = self.open_pool();
            let shares = expect(math::shares_down(pool, assets));
            self.enter(pool, assets, shares, receiver);
            shares
        }

        fn max_mint(self: @ContractState, receiver: ContractAddress) -> u256 {
            let standing = self.standing();
            if !standing.is_open || !self.may_receive(receiver) {
                return 0;
            }
            let pool = self.pool(@standing);
            min(
                math::shares_down(pool, room(pool)).unwrap_or(Bounded::MAX),
                ERC20Component::SUPPLY_BOUND - 1 - pool.shares,
            )
        }

        fn preview_mint(self: @ContractState, shares: u256) -> u256 {
            expect(math::assets_up(self.pool(@self.standing()), shares))
        }

        fn mint(ref self: ContractState, shares: u256, receiver: ContractAddress) -> u256 {
            let pool = self.open_pool();
            let assets = expect(math::assets_up(pool, shares));
            self.enter(pool, assets, shares, receiver);
            assets
        }

        fn request_redeem(
            ref self: ContractState,
            shares: u256,
            controller: ContractAddress,
            owner: ContractAddress,
        ) -> u256 {
            let caller = get_caller_address();
            assert(shares != 0, 'VAULT: shares are zero');
            assert(self.may_receive(controller), 'VAULT: bad controller');
            if !self.acts_for(owner, caller) {
                self.erc20.spend_allowance(owner, caller, shares);
            }
            assert(self.standing().takes_requests, 'VAULT: venue is halted');

            let here = get_contract_address();
            let unlocked = get_block_timestamp() + self.lock_secs.read();
            let (id, claimable_at) = queue::push(
                self.queue.as_path(), controller, owner, shares, unlocked,
            );
            self.erc20.move(owner, here, shares);
            let request_id = id.into();
            self
                .emit(
                    RedeemRequest {
                        controller, owner, request_id, sender: caller, shares, claimable_at,
                    },
                );
            request_id
        }

        fn pending_redeem_request(
            self: @ContractState, request_id: u256, controller: ContractAddress,
        ) -> u256 {
            let redemption = self.redemption(request_id);
            if redemption.controller == controller
                && get_block_timestamp() < redemption.claimable_at {
                redemption.shares
            } else {
                0
            }
        }

        fn claimable_redeem_request(
            self: @ContractState, request_id: u256, controller: ContractAddress,
        ) -> u256 {
            let redemption = self.redemption(request_id);
            if redemption.controller == controller
                && get_block_timestamp() >= redemption.claimable_at {
                redemption.shares
            } else {
                0
            }
        }

        fn redemption(self: @ContractState, request_id: u256) -> Redemption {
            // A number beyond 64 bits is none, as 0 is.
            queue::redemption(self.queue.as_path(), request_id.try_into().unwrap_or(0))
        }

        fn max_redeem(self: @ContractState, controller: ContractAddress) -> u256 {
            let standing = self.standing();
            if !standing.pays {
                return 0;
            }
            let pool = self.pool(@standing);
            let payable = math::most_shares(pool, standing.free).unwrap_or(Bounded::MAX);
            let shares = min(self.claimable(controller), payable);
            // Shares that are worth less than a unit are not burnt for nothing.
            if math::assets_down(pool, shares).unwrap_or(0) == 0 {
                0
            } else {
                shares
            }
        }

        fn max_withdraw(self: @ContractState, controller: ContractAddress) -> u256 {
            let standing = self.standing();
            if !standing.pays {
                return 0;
            }
            let claimable = self.claimable(controller);
            let worth = math::assets_down(self.pool(@standing), claimable);
            min(worth.unwrap_or(Bounded::MAX), standing.free)
        }

        fn redeem(
            ref self: ContractState,
            shares: u256,
            receiver: ContractAddress,
            controller: ContractAddress,
        ) -> u256 {
            assert(shares != 0, 'VAULT: shares are zero');
            let standing = self.paying();
            let assets = expect(math::assets_down(self.pool(@standing), shares));
            self.leave(standing, assets, shares, receiver, controller);
            assets
        }

        fn withdraw(
            ref self: ContractState,
            assets: u256,
            receiver: ContractAddress,
            controller: ContractAddress,
        ) -> u256 {
            let standing = self.paying();
            let shares = expect(math::shares_up(self.pool(@standing), assets));
            self.leave(standing, assets, shares, receiver, controller);
            shares
        }

        fn preview_redeem(self: @ContractState, shares: u256) -> u256 {
            core::panic_with_felt252('VAULT: priced at the claim')
        }

        fn preview_withdraw(self: @ContractState, assets: u256) -> u256 {
            core::panic_with_felt252('VAULT: priced at the claim')
        }

        fn is_operator(
            self: @ContractState, controller: ContractAddress, operator: ContractAddress,
        ) -> bool {
            self.operators.read((controller, operator))
        }

        fn set_operator(
            ref self: ContractState, operator: ContractAddress, approved: bool,
        ) -> bool {
            assert(operator.is_non_zero(), 'VAULT: zero operator');
            let controller = get_caller_address();
            self.operators.write((controller, operator), approved);
            self.emit(OperatorSet { controller, operator, approved });
            true
        }

        fn supports_interface(self: @ContractState, interface_id: felt252) -> bool {
            interface_id == SRC5_ID
                || interface_id == ERC165_ID
                || interface_id == ERC7540_OPERATOR_ID
                || interface_id == ERC7540_REDEEM_ID
                || interface_id == ERC7575_ID
        }

        fn lock_secs(self: @ContractState) -> u64 {
            self.lock_secs.read()
        }

        fn clearinghouse(self: @ContractState) -> ContractAddress {
            self.clearinghouse.read()
        }

        fn set_lock_secs(ref self: ContractState, secs: u64) {
            self.access.assert_admin();
            self.write_lock_secs(secs);
        }
    }

    impl UpgradeHooks of UpgradeComponent::HooksTrait<ContractState> {
        fn name() -> felt252 {
            names::VAULT
        }

        fn assert_admin(self: @ContractState) {
            self.access.assert_admin();
        }

        fn assert_admin_or_guardian(self: @ContractState) {
            self.access.assert_admin_or_guardian();
        }

        fn is_halted(self: @ContractState) -> bool {
            is_halted(self.clearinghouse.read())
        }

        fn conserved(self: @ContractState) -> Span<felt252> {
            let pool = self.pool(@self.standing());
            let locked = self.erc20.ERC20_balances.read(get_contract_address());
            array![
                self.access.Access_admin.read().into(), self.asset.read().into(),
                self.clearinghouse.read().into(), pool.assets.try_into().unwrap(),
                pool.shares.try_into().unwrap(), locked, queue::count(self.queue.as_path()).into(),
            ]
                .span()
        }

        fn migrate(ref self: ContractState, classes: Span<ClassHash>, data: Span<felt252>) {
            assert_nothing_to_migrate(classes, data);
        }
    }

    #[generate_trait]
    impl Internal of InternalTrait {
        fn standing(self: @ContractState) -> Standing {
            venue::standing(self.clearinghouse.read())
        }

        fn pool(self: @ContractState, standing: @Standing) -> Pool {
            Pool { assets: *standing.assets, shares: self.erc20.ERC20_total_supply.read().into() }
        }

        /// What claims are paid from.
        fn paying(self: @ContractState) -> Standing {
            let standing = self.standing();
            assert(standing.pays, 'VAULT: closed');
            standing
        }

        /// What shares are bought at.
        fn open_pool(self: @ContractState) -> Pool {
            let standing = self.standing();
            assert(standing.is_open, 'VAULT: closed');
            self.pool(@standing)
        }

        fn claimable(self: @ContractState, controller: ContractAddress) -> u256 {
            queue::claimable(self.queue.as_path(), controller, get_block_timestamp())
        }

        /// Shares at the vault itself are those of requests; at zero they are none.
        fn may_receive(self: @ContractState, receiver: ContractAddress) -> bool {
            receiver.is_non_zero() && receiver != get_contract_address()
        }

        fn acts_for(
            self: @ContractState, account: ContractAddress, caller: ContractAddress,
        ) -> bool {
            caller == account || self.operators.read((account, caller))
        }

        fn write_lock_secs(ref self: ContractState, secs: u64) {
            assert(secs <= MAX_LOCK, 'VAULT: lock too long');
            self.lock_secs.write(secs);
            self.emit(LockChanged { secs });
        }

        fn enter(
            ref self: ContractState,
            pool: Pool,
            assets: u256,
            shares: u256,
            receiver: ContractAddress,
        ) {
            assert(assets != 0, 'VAULT: assets are zero');
            assert(shares != 0, 'VAULT: shares are zero');
            assert(self.may_receive(receiver), 'VAULT: bad receiver');
            assert(pool.assets != 0 || pool.shares == 0, 'VAULT: nothing left');
            assert(assets <= room(pool), 'VAULT: above max_deposit');

            let caller = get_caller_address();
            self.erc20.mint(receiver, shares);
            self.emit(Deposit { sender: caller, owner: receiver, assets, shares });
            let here = get_contract_address();
            let token = IERC20Dispatcher { contract_address: self.asset.read() };
            let clearinghouse = self.clearinghouse.read();
            assert(token.transfer_from(caller, here, assets), 'VAULT: token transfer failed');
            assert(token.approve(clearinghouse, assets), 'VAULT: token approval failed');
            IClearinghouseDispatcher { contract_address: clearinghouse }
                .deposit_for(here, assets.try_into().unwrap());
        }

        fn leave(
            ref self: ContractState,
            standing: Standing,
            assets: u256,
            shares: u256,
            receiver: ContractAddress,
            controller: ContractAddress,
        ) {
            let caller = get_caller_address();
            assert(self.acts_for(controller, caller), 'VAULT: not controller or op');
            assert(assets != 0, 'VAULT: assets are zero');
            assert(self.may_receive(receiver), 'VAULT: bad receiver');
            queue::claim(self.queue.as_path(), controller, shares, get_block_timestamp());

            self.erc20.burn(get_contract_address(), shares);
            self.emit(Withdraw { sender: caller, receiver, owner: controller, assets, shares });
            let clearinghouse = IClearinghouseDispatcher {
                contract_address: self.clearinghouse.read(),
            };
            let amount = assets.try_into().expect('VAULT: amount too large');
            if standing.escapes {
                clearinghouse.escape(clearinghouse.epoch(), amount);
            } else {
                clearinghouse.withdraw(clearinghouse.epoch(), amount);
            }
            let token = IERC20Dispatcher { contract_address: self.asset.read() };
            assert(token.transfer(receiver, assets), 'VAULT: token transfer failed');
        }
    }

    /// What can still be deposited. A vault that lost everything, with shares outstanding, takes
    /// nothing: a new deposit would be theirs.
    fn room(pool: Pool) -> u256 {
        if pool.assets >= MAX_ASSETS || (pool.assets == 0 && pool.shares != 0) {
            return 0;
        }
        let mintable = ERC20Component::SUPPLY_BOUND - 1 - pool.shares;
        min(MAX_ASSETS - pool.assets, math::most_assets(pool, mintable).unwrap_or(Bounded::MAX))
    }

    fn expect(amount: Option<u256>) -> u256 {
        amount.expect('VAULT: amount too large')
    }
}
