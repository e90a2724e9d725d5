/// The L2 side of the bridge: mints what L1 locked, burns what L1 is to pay, and hands on the epoch
/// that L1 counts.
///
/// Its own token balance is what is parked: deposits that could not be delivered.
#[starknet::contract]
pub mod Bridge {
    use core::num::traits::Zero;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::syscalls::send_message_to_l1_syscall;
    use starknet::{
        ClassHash, ContractAddress, EthAddress, SyscallResultTrait, get_block_timestamp,
        get_caller_address, get_contract_address, get_tx_info,
    };
    use crate::access::component::AccessComponent;
    use crate::bridge::interface::{Destination, IBridge, ParkedDeposit};
    use crate::clearinghouse::interface::{
        IClearinghouseDispatcher, IClearinghouseDispatcherTrait, IClearinghouseSafeDispatcher,
        IClearinghouseSafeDispatcherTrait,
    };
    use crate::oracle::interface::{IOracleDispatcher, IOracleDispatcherTrait};
    use crate::rules::modes::{Action, allows};
    use crate::token::interface::{
        IBridgedTokenDispatcher, IBridgedTokenDispatcherTrait, IERC20Dispatcher,
        IERC20DispatcherTrait,
    };
    use crate::upgrades::component::UpgradeComponent;
    use crate::upgrades::names;
    use crate::upgrades::rules::{assert_nothing_to_migrate, is_halted};
    use crate::vault::interface::{
        IVaultDispatcher, IVaultDispatcherTrait, IVaultSafeDispatcher, IVaultSafeDispatcherTrait,
    };

    /// How long only its recipient decides over a parked deposit; seconds.
    const RETURN_DELAY: u64 = 86_400;

    component!(path: AccessComponent, storage: access, event: AccessEvent);
    component!(path: UpgradeComponent, storage: upgrades, event: UpgradeEvent);

    #[abi(embed_v0)]
    impl AccessImpl = AccessComponent::AccessImpl<ContractState>;
    impl AccessInternal = AccessComponent::InternalImpl<ContractState>;
    #[abi(embed_v0)]
    impl UpgradeImpl = UpgradeComponent::UpgradeImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        access: AccessComponent::Storage,
        #[substorage(v0)]
        upgrades: UpgradeComponent::Storage,
        token: ContractAddress,
        oracle: ContractAddress,
        clearinghouse: ContractAddress,
        vault: ContractAddress,
        l1_bridge: EthAddress,
        l1_token: EthAddress,
        epoch: u64,
        /// Payments registered on L1 so far; the last one's counter.
        withdrawal_count: u64,
        parked_count: u64,
        parked_total: u128,
        parked: Map<u64, ParkedDeposit>,
        /// Nonces of the deposit messages that were handled. A rollback that erases a deposit
        /// erases its mark, so it can be delivered again, once.
        delivered: Map<felt252, bool>,
    }

    #[event]
    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub enum Event {
        #[flat]
        AccessEvent: AccessComponent::Event,
        #[flat]
        UpgradeEvent: UpgradeComponent::Event,
        DepositDelivered: DepositDelivered,
        DepositParked: DepositParked,
        ParkedClaimed: ParkedClaimed,
        ParkedReturned: ParkedReturned,
        WithdrawalRegistered: WithdrawalRegistered,
        EpochChanged: EpochChanged,
        EpochIgnored: EpochIgnored,
        Connected: Connected,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct DepositDelivered {
        #[key]
        pub recipient: ContractAddress,
        #[key]
        pub depositor: EthAddress,
        /// The L1 message's.
        pub nonce: felt252,
        pub destination: Destination,
        pub amount: u128,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct DepositParked {
        #[key]
        pub recipient: felt252,
        #[key]
        pub depositor: EthAddress,
        pub id: u64,
        pub nonce: felt252,
        pub destination: felt252,
        pub amount: u128,
        /// The bridge's own, or the first felt that the destination panicked with.
        pub reason: felt252,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct ParkedClaimed {
        #[key]
        pub recipient: ContractAddress,
        pub id: u64,
        pub amount: u128,
    }

    /// The payment itself is in the `WithdrawalRegistered` beside it.
    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct ParkedReturned {
        #[key]
        pub depositor: EthAddress,
        pub id: u64,
        pub amount: u128,
        pub counter: u64,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct WithdrawalRegistered {
        /// Whose tokens were burnt; the bridge itself for a parked deposit.
        #[key]
        pub account: ContractAddress,
        #[key]
        pub l1_recipient: EthAddress,
        pub amount: u128,
        pub epoch: u64,
        pub counter: u64,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct EpochChanged {
        pub from: u64,
        pub to: u64,
    }

    /// Messages can arrive out of order; an epoch that is not above the current one changes
    /// nothing.
    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct EpochIgnored {
        pub epoch: u64,
        pub current: u64,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct Connected {
        pub token: ContractAddress,
        pub l1_bridge: EthAddress,
        pub l1_token: EthAddress,
        pub oracle: ContractAddress,
        pub clearinghouse: ContractAddress,
        pub vault: ContractAddress,
    }

    #[constructor]
    fn constructor(ref self: ContractState, admin: ContractAddress) {
        self.access.initializer(admin);
    }

    /// Never reverts on what a depositor chose: what cannot be delivered is parked. It reverts for
    /// another sender, another token, no amount, and a message that was handled before.
    #[l1_handler]
    fn handle_deposit(
        ref self: ContractState,
        from_address: felt252,
        l1_token: EthAddress,
        depositor: EthAddress,
        destination: felt252,
        recipient: felt252,
        amount: u128,
    ) {
        self.assert_l1_bridge(from_address);
        assert(l1_token == self.l1_token.read(), 'BRIDGE: another token');
        assert(amount != 0, 'BRIDGE: amount is zero');
        let nonce = get_tx_info().unbox().nonce;
        assert(!self.delivered.read(nonce), 'BRIDGE: already delivered');
        self.delivered.write(nonce, true);

        match self.deliver(destination, recipient, amount) {
            Ok((destination, recipient)) => self
                .emit(DepositDelivered { recipient, depositor, nonce, destination, amount }),
            Err(reason) => {
                let id = self.parked_count.read() + 1;
                self.parked_count.write(id);
                self.parked_total.write(self.parked_total.read() + amount);
                let parked_at = get_block_timestamp();
                self
                    .parked
                    .write(
                        id, ParkedDeposit { depositor, recipient, destination, amount, parked_at },
                    );
                self
                    .emit(
                        DepositParked {
                            recipient, depositor, id, nonce, destination, amount, reason,
                        },
                    );
            },
        }
    }

    #[l1_handler]
    fn handle_epoch(ref self: ContractState, from_address: felt252, epoch: u64) {
        self.assert_l1_bridge(from_address);
        let current = self.epoch.read();
        if epoch <= current {
            self.emit(EpochIgnored { epoch, current });
            return;
        }
        self.epoch.write(epoch);
        self.emit(EpochChanged { from: current, to: epoch });
        // All three or none: an epoch that only some of them know would let old messages through at
        // the others.
        IOracleDispatcher { contract_address: self.oracle.read() }.set_epoch(epoch);
        IClearinghouseDispatcher { contract_address: self.clearinghouse.read() }.set_epoch(epoch);
    }

    #[abi(embed_v0)]
    impl BridgeImpl of IBridge<ContractState> {
        fn withdraw(
            ref self: ContractState, epoch: u64, l1_recipient: EthAddress, amount: u128,
        ) -> u64 {
            assert(epoch == self.epoch.read(), 'BRIDGE: another epoch');
            self.assert_connected();
            assert(l1_recipient.is_non_zero(), 'BRIDGE: zero L1 recipient');
            assert(
                l1_recipient != self.l1_bridge.read() && l1_recipient != self.l1_token.read(),
                'BRIDGE: bad L1 recipient',
            );
            assert(amount != 0, 'BRIDGE: amount is zero');
            self.release(get_caller_address(), l1_recipient, amount)
        }

        fn claim_parked(ref self: ContractState, id: u64) {
            let caller = get_caller_address();
            let parked = self.take_parked(id);
            assert(caller.into() == parked.recipient, 'BRIDGE: not the recipient');
            self.emit(ParkedClaimed { recipient: caller, id, amount: parked.amount });
            let token = IERC20Dispatcher { contract_address: self.token.read() };
            assert(token.transfer(caller, parked.amount.into()), 'BRIDGE: token transfer failed');
        }

        fn return_parked(ref self: ContractState, id: u64) {
            let parked = self.take_parked(id);
            let claimable = self.recipient_of(parked.recipient).is_some();
            assert(
                !claimable
                    || get_caller_address().into() == parked.recipient
                    || get_block_timestamp() >= parked.parked_at
                    + RETURN_DELAY,
                'BRIDGE: return delay not over',
            );
            let counter = self.release(get_contract_address(), parked.depositor, parked.amount);
            self
                .emit(
                    ParkedReturned {
                        depositor: parked.depositor, id, amount: parked.amount, counter,
                    },
                );
        }

        fn parked(self: @ContractState, id: u64) -> ParkedDeposit {
            self.parked.read(id)
        }

        fn parked_count(self: @ContractState) -> u64 {
            self.parked_count.read()
        }

        fn parked_total(self: @ContractState) -> u128 {
            self.parked_total.read()
        }

        fn delivered(self: @ContractState, nonce: felt252) -> bool {
            self.delivered.read(nonce)
        }

        fn return_delay(self: @ContractState) -> u64 {
            RETURN_DELAY
        }

        fn epoch(self: @ContractState) -> u64 {
            self.epoch.read()
        }

        fn withdrawal_count(self: @ContractState) -> u64 {
            self.withdrawal_count.read()
        }

        fn token(self: @ContractState) -> ContractAddress {
            self.token.read()
        }

        fn oracle(self: @ContractState) -> ContractAddress {
            self.oracle.read()
        }

        fn clearinghouse(self: @ContractState) -> ContractAddress {
            self.clearinghouse.read()
        }

        fn vault(self: @ContractState) -> ContractAddress {
            self.vault.read()
        }

        fn l1_bridge(self: @ContractState) -> EthAddress {
            self.l1_bridge.read()
        }

        fn l1_token(self: @ContractState) -> EthAddress {
            self.l1_token.read()
        }

        fn connect(
            ref self: ContractState,
            token: ContractAddress,
            l1_bridge: EthAddress,
            l1_token: EthAddress,
            oracle: ContractAddress,
            clearinghouse: ContractAddress,
            vault: ContractAddress,
        ) {
            self.access.assert_admin();
            assert(self.l1_bridge.read().is_zero(), 'BRIDGE: already connected');
            assert(l1_bridge.is_non_zero() && l1_token.is_non_zero(), 'BRIDGE: zero address');
            assert(
                token.is_non_zero()
                    && oracle.is_non_zero()
                    && clearinghouse.is_non_zero()
                    && vault.is_non_zero(),
                'BRIDGE: zero address',
            );
            // The token's and the venue's contracts know this one's address, so they come after it:
            // they are checked here.
            assert(
                IBridgedTokenDispatcher { contract_address: token }
                    .bridge() == get_contract_address()
                    && IClearinghouseDispatcher { contract_address: clearinghouse }.token() == token
                    && IVaultDispatcher { contract_address: vault }.asset() == token,
                'BRIDGE: another token',
            );
            self.token.write(token);
            self.l1_bridge.write(l1_bridge);
            self.l1_token.write(l1_token);
            self.oracle.write(oracle);
            self.clearinghouse.write(clearinghouse);
            self.vault.write(vault);
            self.emit(Connected { token, l1_bridge, l1_token, oracle, clearinghouse, vault });
        }
    }

    impl UpgradeHooks of UpgradeComponent::HooksTrait<ContractState> {
        fn name() -> felt252 {
            names::BRIDGE
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
            let token = self.token.read();
            let balance = IERC20Dispatcher { contract_address: token }
                .balance_of(get_contract_address());
            let parked = self.parked_total.read();
            assert(balance >= parked.into(), 'UPGRADE: parked not covered');
            array![
                self.access.Access_admin.read().into(), token.into(), self.oracle.read().into(),
                self.clearinghouse.read().into(), self.vault.read().into(),
                self.l1_bridge.read().into(), self.l1_token.read().into(), self.epoch.read().into(),
                self.withdrawal_count.read().into(), self.parked_count.read().into(), parked.into(),
                balance.try_into().unwrap(),
            ]
                .span()
        }

        fn migrate(ref self: ContractState, classes: Span<ClassHash>, data: Span<felt252>) {
            assert_nothing_to_migrate(classes, data);
        }
    }

    #[generate_trait]
    impl Internal of InternalTrait {
        fn assert_connected(self: @ContractState) {
            assert(self.l1_bridge.read().is_non_zero(), 'BRIDGE: not connected');
        }

        fn assert_l1_bridge(self: @ContractState, from_address: felt252) {
            self.assert_connected();
            assert(from_address == self.l1_bridge.read().into(), 'BRIDGE: not the L1 bridge');
        }

        /// Mints the deposit to where it goes, or to the bridge itself and says why.
        fn deliver(
            ref self: ContractState, destination: felt252, recipient: felt252, amount: u128,
        ) -> Result<(Destination, ContractAddress), felt252> {
            let token = self.token.read();
            let minter = IBridgedTokenDispatcher { contract_address: token };
            let here = get_contract_address();
            let (destination, recipient) =
                match (destination_of(destination), self.recipient_of(recipient)) {
                (Some(destination), Some(recipient)) => (destination, recipient),
                (
                    None, _,
                ) => {
                    minter.mint(here, amount.into());
                    return Err('BRIDGE: bad destination');
                },
                (
                    _, None,
                ) => {
                    minter.mint(here, amount.into());
                    return Err('BRIDGE: bad recipient');
                },
            };
            if destination == Destination::Wallet {
                minter.mint(recipient, amount.into());
                return Ok((destination, recipient));
            }

            minter.mint(here, amount.into());
            let erc20 = IERC20Dispatcher { contract_address: token };
            let target = if destination == Destination::Margin {
                self.clearinghouse.read()
            } else {
                self.vault.read()
            };
            erc20.approve(target, amount.into());
            match forward(destination, target, recipient, amount) {
                Ok(()) => Ok((destination, recipient)),
                Err(reason) => {
                    erc20.approve(target, 0);
                    Err(reason)
                },
            }
        }

        /// None for what could never claim or use a deposit: no address, or a contract of the
        /// venue.
        fn recipient_of(self: @ContractState, recipient: felt252) -> Option<ContractAddress> {
            let address: ContractAddress = recipient.try_into()?;
            if address.is_zero()
                || address == get_contract_address()
                || address == self.token.read()
                || address == self.clearinghouse.read()
                || address == self.vault.read()
                || address == self.oracle.read() {
                return None;
            }
            Some(address)
        }

        /// Takes a parked deposit off the books. Its tokens are the caller's to move.
        fn take_parked(ref self: ContractState, id: u64) -> ParkedDeposit {
            let parked = self.parked.read(id);
            assert(parked.amount != 0, 'BRIDGE: nothing parked');
            self.parked.write(id, ParkedDeposit { amount: 0, ..parked });
            self.parked_total.write(self.parked_total.read() - parked.amount);
            parked
        }

        /// Burns and registers the payment on L1.
        fn release(
            ref self: ContractState,
            account: ContractAddress,
            l1_recipient: EthAddress,
            amount: u128,
        ) -> u64 {
            let counter = self.withdrawal_count.read() + 1;
            self.withdrawal_count.write(counter);
            let epoch = self.epoch.read();
            self.emit(WithdrawalRegistered { account, l1_recipient, amount, epoch, counter });
            IBridgedTokenDispatcher { contract_address: self.token.read() }
                .burn(account, amount.into());
            let payload = array![
                self.l1_token.read().into(), l1_recipient.into(), amount.into(), epoch.into(),
                counter.into(),
            ];
            send_message_to_l1_syscall(self.l1_bridge.read().into(), payload.span())
                .unwrap_syscall();
            counter
        }
    }

    fn destination_of(destination: felt252) -> Option<Destination> {
        match destination {
            0 => Some(Destination::Wallet),
            1 => Some(Destination::Margin),
            2 => Some(Destination::Vault),
            _ => None,
        }
    }

    /// Hands the bridge's tokens on; a refusal comes back as its reason. In Halted a deposit is
    /// parked here rather than held by the clearinghouse, so that it can go back to L1.
    #[feature("safe_dispatcher")]
    fn forward(
        destination: Destination, target: ContractAddress, recipient: ContractAddress, amount: u128,
    ) -> Result<(), felt252> {
        if destination == Destination::Vault {
            return match (IVaultSafeDispatcher { contract_address: target })
                .deposit(amount.into(), recipient) {
                Ok(_) => Ok(()),
                Err(panic) => Err(reason_of(panic)),
            };
        }
        let clearinghouse = IClearinghouseSafeDispatcher { contract_address: target };
        match clearinghouse.mode() {
            Ok(mode) => if !allows(mode, Action::Deposit) {
                return Err('BRIDGE: venue is halted');
            },
            Err(panic) => { return Err(reason_of(panic)); },
        }
        match clearinghouse.deposit_for(recipient, amount) {
            Ok(()) => Ok(()),
            Err(panic) => Err(reason_of(panic)),
        }
    }

    fn reason_of(panic: Array<felt252>) -> felt252 {
        match panic.get(0) {
            Some(reason) => *reason.unbox(),
            None => 'BRIDGE: refused',
        }
    }
}
