/// The vault: shares of one margin account. Deposits are credited to it at once; redemptions are
/// requested, locked and paid at the price of their claim. Its own token balance is 0 between
/// calls; its share balance is what is locked.
#[starknet::contract]
pub mod Vault {
    use core::cmp::min;
    use core::num::traits::Zero;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{ContractAddress, get_block_timestamp, get_caller_address, get_contract_address};
    use crate::access::component::AccessComponent;
    use crate::clearinghouse::interface::{IClearinghouseDispatcher, IClearinghouseDispatcherTrait};
    use crate::oracle::interface::{IOracleDispatcher, IOracleDispatcherTrait, MarketStatus};
    use crate::rules::cash::cash_down;
    use crate::rules::modes::{Action, allows};
    use crate::token::erc20::ERC20Component;
    use crate::token::interface::{IERC20Dispatcher, IERC20DispatcherTrait};
    use crate::vault::interface::{IVault, Redemption};
    use crate::vault::math;
    use crate::vault::math::Pool;

    /// The collateral token has this many decimals.
    const ASSET_DECIMALS: u8 = 6;
    /// The most that the vault holds, 2^93: its value in 1e-16 USD fits an i128.
    const MAX_ASSETS: u256 = 0x200000000000000000000000;
    /// Open requests of one controller: a claim goes through all of them.
    const MAX_REQUESTS: u32 = 32;
    /// An admin cannot lock anybody longer than this; seconds.
    const MAX_LOCK: u64 = 2_592_000;

    component!(path: AccessComponent, storage: access, event: AccessEvent);
    component!(path: ERC20Component, storage: erc20, event: ERC20Event);

    #[abi(embed_v0)]
    impl AccessImpl = AccessComponent::AccessImpl<ContractState>;
    impl AccessInternal = AccessComponent::InternalImpl<ContractState>;
    #[abi(embed_v0)]
    impl ERC20Impl = ERC20Component::ERC20Impl<ContractState>;
    impl ERC20Internal = ERC20Component::InternalImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        access: AccessComponent::Storage,
        #[substorage(v0)]
        erc20: ERC20Component::Storage,
        asset: ContractAddress,
        clearinghouse: ContractAddress,
        lock_secs: u64,
        request_count: u64,
        redemptions: Map<u64, Redemption>,
        /// The open requests of a controller, oldest first: ids at first <= place < next.
        queue: Map<(ContractAddress, u32), u64>,
        queue_first: Map<ContractAddress, u32>,
        queue_next: Map<ContractAddress, u32>,
        /// (controller, operator).
        operators: Map<(ContractAddress, ContractAddress), bool>,
    }

    #[event]
    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub enum Event {
        #[flat]
        AccessEvent: AccessComponent::Event,
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

        fn total_assets(self: @ContractState) -> u256 {
            self.pool().assets
        }

        fn convert_to_shares(self: @ContractState, assets: u256) -> u256 {
            expect(math::shares_down(self.pool(), assets))
        }

        fn convert_to_assets(self: @ContractState, shares: u256) -> u256 {
            expect(math::assets_down(self.pool(), shares))
        }

        fn max_deposit(self: @ContractState, receiver: ContractAddress) -> u256 {
            if self.may_receive(receiver) && self.is_open() {
                room(self.pool())
            } else {
                0
            }
        }

        fn preview_deposit(self: @ContractState, assets: u256) -> u256 {
            expect(math::shares_down(self.pool(), assets))
        }

        fn deposit(ref self: ContractState, assets: u256, receiver: ContractAddress) -> u256 {
            let pool = self.pool();
            let shares = expect(math::shares_down(pool, assets));
            self.enter(pool, assets, shares, receiver);
            shares
        }

        fn max_mint(self: @ContractState, receiver: ContractAddress) -> u256 {
            if self.may_receive(receiver) && self.is_open() {
                let pool = self.pool();
                expect(math::shares_down(pool, room(pool)))
            } else {
                0
            }
        }

        fn preview_mint(self: @ContractState, shares: u256) -> u256 {
            expect(math::assets_up(self.pool(), shares))
        }

        fn mint(ref self: ContractState, shares: u256, receiver: ContractAddress) -> u256 {
            let pool = self.pool();
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
            assert(self.acts_for(owner, caller), 'VAULT: not owner or operator');
            // Nobody fills another's queue: the controller is the owner, or the caller acts for it
            // as well.
            assert(
                controller == owner || self.acts_for(controller, caller), 'VAULT: bad controller',
            );
            assert(controller.is_non_zero(), 'VAULT: bad controller');
            assert(shares != 0, 'VAULT: shares are zero');
            let mode = IClearinghouseDispatcher { contract_address: self.clearinghouse.read() }
                .mode();
            assert(allows(mode, Action::Withdraw), 'VAULT: venue is halted');

            let place = self.queue_next.read(controller);
            assert(
                place - self.queue_first.read(controller) < MAX_REQUESTS,
                'VAULT: too many requests',
            );
            let id = self.request_count.read() + 1;
            let claimable_at = get_block_timestamp() + self.lock_secs.read();
            self.request_count.write(id);
            self.redemptions.write(id, Redemption { controller, owner, shares, claimable_at });
            self.queue.write((controller, place), id);
            self.queue_next.write(controller, place + 1);
            self.erc20.move(owner, get_contract_address(), shares);
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
            let redemption = self.redemption_of(request_id, controller);
            if get_block_timestamp() < redemption.claimable_at {
                redemption.shares
            } else {
                0
            }
        }

        fn claimable_redeem_request(
            self: @ContractState, request_id: u256, controller: ContractAddress,
        ) -> u256 {
            let redemption = self.redemption_of(request_id, controller);
            if get_block_timestamp() >= redemption.claimable_at {
                redemption.shares
            } else {
                0
            }
        }

        fn redemption(self: @ContractState, request_id: u256) -> Redemption {
            self.redemptions.read(expect_id(request_id))
        }

        fn max_redeem(self: @ContractState, controller: ContractAddress) -> u256 {
            if !self.is_open() {
                return 0;
            }
            let payable = expect(math::shares_down(self.pool(), self.free_assets()));
            min(self.claimable_shares(controller), payable)
        }

        fn max_withdraw(self: @ContractState, controller: ContractAddress) -> u256 {
            if !self.is_open() {
                return 0;
            }
            let claimable = expect(
                math::assets_down(self.pool(), self.claimable_shares(controller)),
            );
            min(claimable, self.free_assets())
        }

        fn redeem(
            ref self: ContractState,
            shares: u256,
            receiver: ContractAddress,
            controller: ContractAddress,
        ) -> u256 {
            assert(shares != 0, 'VAULT: shares are zero');
            let assets = expect(math::assets_down(self.pool(), shares));
            self.leave(assets, shares, receiver, controller);
            assets
        }

        fn withdraw(
            ref self: ContractState,
            assets: u256,
            receiver: ContractAddress,
            controller: ContractAddress,
        ) -> u256 {
            let shares = expect(math::shares_up(self.pool(), assets));
            self.leave(assets, shares, receiver, controller);
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

    #[generate_trait]
    impl Internal of InternalTrait {
        fn pool(self: @ContractState) -> Pool {
            let clearinghouse = IClearinghouseDispatcher {
                contract_address: self.clearinghouse.read(),
            };
            let value = clearinghouse.margin_of(get_contract_address()).value;
            Pool { assets: cash_of(value), shares: self.erc20.ERC20_total_supply.read().into() }
        }

        /// What can leave the margin account with its initial margin kept.
        fn free_assets(self: @ContractState) -> u256 {
            let clearinghouse = IClearinghouseDispatcher {
                contract_address: self.clearinghouse.read(),
            };
            let margin = clearinghouse.margin_of(get_contract_address());
            cash_of(margin.value - margin.initial)
        }

        /// The mode allows it and every market that the vault holds is Valid: its value is one that
        /// can be proved.
        fn is_open(self: @ContractState) -> bool {
            let clearinghouse = IClearinghouseDispatcher {
                contract_address: self.clearinghouse.read(),
            };
            if !allows(clearinghouse.mode(), Action::VaultMove) {
                return false;
            }
            let open_markets = clearinghouse.account(get_contract_address()).open_markets;
            if open_markets == 0 {
                return true;
            }
            let oracle = IOracleDispatcher { contract_address: clearinghouse.oracle() };
            for mark in oracle.marks(open_markets).marks {
                if *mark.status != MarketStatus::Valid {
                    return false;
                }
            }
            true
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
            assert(self.is_open(), 'VAULT: closed');
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
            assets: u256,
            shares: u256,
            receiver: ContractAddress,
            controller: ContractAddress,
        ) {
            let caller = get_caller_address();
            assert(self.acts_for(controller, caller), 'VAULT: not controller or op');
            assert(assets != 0, 'VAULT: assets are zero');
            assert(self.may_receive(receiver), 'VAULT: bad receiver');
            assert(self.is_open(), 'VAULT: closed');
            self.take_claimable(controller, shares);

            self.erc20.burn(get_contract_address(), shares);
            self.emit(Withdraw { sender: caller, receiver, owner: controller, assets, shares });
            let clearinghouse = IClearinghouseDispatcher {
                contract_address: self.clearinghouse.read(),
            };
            let amount = assets.try_into().expect('VAULT: amount too large');
            clearinghouse.withdraw(clearinghouse.epoch(), amount);
            let token = IERC20Dispatcher { contract_address: self.asset.read() };
            assert(token.transfer(receiver, assets), 'VAULT: token transfer failed');
        }

        /// The request if it is the controller's, else an empty one.
        fn redemption_of(
            self: @ContractState, request_id: u256, controller: ContractAddress,
        ) -> Redemption {
            let redemption = self.redemptions.read(expect_id(request_id));
            if redemption.controller == controller {
                redemption
            } else {
                Redemption { shares: 0, ..redemption }
            }
        }

        fn claimable_shares(self: @ContractState, controller: ContractAddress) -> u256 {
            let now = get_block_timestamp();
            let mut shares = 0;
            for place in self.queue_first.read(controller)..self.queue_next.read(controller) {
                let redemption = self.redemptions.read(self.queue.read((controller, place)));
                if now >= redemption.claimable_at {
                    shares += redemption.shares;
                }
            }
            shares
        }

        /// Takes `shares` from the controller's claimable requests, the oldest first.
        fn take_claimable(ref self: ContractState, controller: ContractAddress, shares: u256) {
            let now = get_block_timestamp();
            let mut left = shares;
            let mut first = self.queue_first.read(controller);
            for place in first..self.queue_next.read(controller) {
                let id = self.queue.read((controller, place));
                let mut redemption = self.redemptions.read(id);
                if left != 0 && redemption.shares != 0 && now >= redemption.claimable_at {
                    let taken = min(left, redemption.shares);
                    left -= taken;
                    redemption.shares -= taken;
                    self.redemptions.write(id, redemption);
                }
                // Finished ones leave at the front only: a lock that the admin shortened ends later
                // ones earlier.
                if redemption.shares == 0 && place == first {
                    first += 1;
                }
            }
            assert(left == 0, 'VAULT: more than is claimable');
            self.queue_first.write(controller, first);
        }
    }

    /// 1e-16 USD to whole units of collateral; 0 if below.
    fn cash_of(value: i128) -> u256 {
        let magnitude: Option<u128> = value.try_into();
        match magnitude {
            Some(magnitude) => cash_down(magnitude).into(),
            None => 0,
        }
    }

    /// What can still be deposited. A vault that lost everything, with shares outstanding, takes
    /// nothing: a new deposit would be theirs.
    fn room(pool: Pool) -> u256 {
        if pool.assets >= MAX_ASSETS || (pool.assets == 0 && pool.shares != 0) {
            0
        } else {
            MAX_ASSETS - pool.assets
        }
    }

    fn expect(amount: Option<u256>) -> u256 {
        amount.expect('VAULT: amount too large')
    }

    fn expect_id(request_id: u256) -> u64 {
        request_id.try_into().expect('VAULT: no such request')
    }
}
