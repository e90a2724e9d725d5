/// The L2 side of the bridge: mints what L1 locked, burns what L1 is to pay, and hands on the epoch
/// that L1 counts.
///
/// Its own token balance is what is parked: deposits that could not be delivered.
#[starknet::contract]
pub mod Bridge {
    use core::cmp::min;
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
    use crate::bridge::delivery::{destination_of, forward, reconcile};
    use crate::bridge::events::{
        AttestationIgnored, AttestationSettled, Connected, Debit, DepositDelivered, DepositParked,
        EpochChanged, EpochIgnored, ParkedClaimed, ParkedReturned, QuotaConfigured,
        WithdrawalAttested, WithdrawalRegistered,
    };
    use crate::bridge::interface::{Destination, Due, IBridge, ParkedDeposit};
    use crate::clearinghouse::interface::{
        IClearinghouseDispatcher, IClearinghouseDispatcherTrait, Mode,
    };
    use crate::oracle::interface::{IOracleDispatcher, IOracleDispatcherTrait};
    use crate::rules::bucket::{Bucket, BucketPacking, Limit, pour, room, settled};
    use crate::token::interface::{
        IBridgedTokenDispatcher, IBridgedTokenDispatcherTrait, IERC20Dispatcher,
        IERC20DispatcherTrait,
    };
    use crate::upgrades::component::UpgradeComponent;
    use crate::upgrades::names;
    use crate::upgrades::rules::{assert_nothing_to_migrate, is_halted};
    use crate::vault::interface::{IVaultDispatcher, IVaultDispatcherTrait};

    /// How long only its recipient decides over a parked deposit; seconds.
    const RETURN_DELAY: u64 = 86_400;
    /// How long after a new epoch nothing leaves a venue that is still Halted: until then it is not
    /// known who has withdrawn already. Seconds.
    const RECONCILE_SECS: u64 = 86_400;
    /// 2^251, above every address: what `source` is counted from for a deposit that goes back.
    const RETURNED: felt252 = 0x800000000000000000000000000000000000000000000000000000000000000;

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
        /// When the epoch began here; 0: the first.
        epoch_since: u64,
        /// The last counter of each epoch that is over, as this chain remembers it: what an epoch
        /// had above it was erased.
        closed: Map<u64, u64>,
        /// `Limit` of what may be withdrawn, and what was; by level and time.
        quota: Bucket,
        outflow: Bucket,
        /// Payments registered on L1 so far; the last one's counter.
        withdrawal_count: u64,
        parked_count: u64,
        parked_total: u128,
        parked: Map<u64, ParkedDeposit>,
        /// By the nonce of the deposit's message.
        parked_ids: Map<felt252, u64>,
        /// Nonces of the deposit messages that were handled. A rollback that erases a deposit
        /// erases its mark, so it can be delivered again, once.
        delivered: Map<felt252, bool>,
        /// (epoch, counter) of the withdrawals that L1 attested, and what is still due of them.
        attested: Map<(u64, u64), bool>,
        due: Map<(u64, u64), Due>,
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
        WithdrawalAttested: WithdrawalAttested,
        AttestationSettled: AttestationSettled,
        AttestationIgnored: AttestationIgnored,
        QuotaConfigured: QuotaConfigured,
        EpochChanged: EpochChanged,
        EpochIgnored: EpochIgnored,
        Connected: Connected,
    }

    #[constructor]
    fn constructor(ref self: ContractState, admin: ContractAddress, quota: Limit) {
        self.access.initializer(admin);
        self.set_quota(quota);
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
                self.parked_ids.write(nonce, id);
                self.parked_total.write(self.parked_total.read() + amount);
                let parked_at = get_block_timestamp();
                self
                    .parked
                    .write(
                        id,
                        ParkedDeposit {
                            depositor, recipient, destination, amount, parked_at, nonce,
                        },
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
        self.closed.write(current, self.withdrawal_count.read());
        self.epoch.write(epoch);
        self.epoch_since.write(get_block_timestamp());
        self.emit(EpochChanged { from: current, to: epoch });
        // All three or none: an epoch that only some of them know would let old messages through at
        // the others.
        IOracleDispatcher { contract_address: self.oracle.read() }.set_epoch(epoch);
        IClearinghouseDispatcher { contract_address: self.clearinghouse.read() }.set_epoch(epoch);
    }

    /// What L1 knows of a withdrawal of an earlier epoch, paid or not: if a rollback erased it
    /// here, its source is debited again, once.
    #[l1_handler]
    fn handle_attestation(
        ref self: ContractState,
        from_address: felt252,
        l1_token: EthAddress,
        l1_recipient: EthAddress,
        amount: u128,
        epoch: u64,
        counter: u64,
        source: felt252,
        paid: bool,
    ) {
        self.assert_l1_bridge(from_address);
        assert(l1_token == self.l1_token.read(), 'BRIDGE: another token');
        assert(amount != 0, 'BRIDGE: amount is zero');
        // Until its end is known here, what is missing of an epoch may still come.
        assert(epoch < self.epoch.read(), 'BRIDGE: epoch not over');
        let id = (epoch, counter);
        if counter <= self.closed.read(epoch) || self.attested.read(id) {
            self.emit(AttestationIgnored { epoch, counter });
            return;
        }
        self.attested.write(id, true);
        let debit = self.debit_again(source, amount);
        if debit.due != 0 {
            self.due.write(id, Due { source, amount: debit.due });
        }
        self.emit(WithdrawalAttested { source, l1_recipient, epoch, counter, amount, paid, debit });
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
            self.assert_may_leave();
            self.take_quota(amount);
            let account = get_caller_address();
            self.release(account, account.into(), l1_recipient, amount)
        }

        fn claim_parked(ref self: ContractState, id: u64) {
            let caller = get_caller_address();
            let parked = self.take_parked(id);
            self.assert_may_leave();
            assert(caller.into() == parked.recipient, 'BRIDGE: not the recipient');
            self.emit(ParkedClaimed { recipient: caller, id, amount: parked.amount });
            let token = IERC20Dispatcher { contract_address: self.token.read() };
            assert(token.transfer(caller, parked.amount.into()), 'BRIDGE: token transfer failed');
        }

        fn return_parked(ref self: ContractState, id: u64) {
            let parked = self.take_parked(id);
            self.assert_may_leave();
            let claimable = self.recipient_of(parked.recipient).is_some();
            assert(
                !claimable
                    || get_caller_address().into() == parked.recipient
                    || get_block_timestamp() >= parked.parked_at
                    + RETURN_DELAY,
                'BRIDGE: return delay not over',
            );
            // Outside the quota: it was never in the venue, and L1 has a quota too.
            let source = RETURNED + parked.nonce;
            let counter = self
                .release(get_contract_address(), source, parked.depositor, parked.amount);
            self
                .emit(
                    ParkedReturned {
                        depositor: parked.depositor, id, amount: parked.amount, counter,
                    },
                );
        }

        fn settle_attestation(ref self: ContractState, epoch: u64, counter: u64) {
            let id = (epoch, counter);
            let due = self.due.read(id);
            assert(due.amount != 0, 'BRIDGE: nothing due');
            let debit = self.debit_again(due.source, due.amount);
            assert(debit.due < due.amount, 'BRIDGE: still due');
            self.due.write(id, Due { amount: debit.due, ..due });
            self.emit(AttestationSettled { epoch, counter, debit });
        }

        fn configure_quota(ref self: ContractState, quota: Limit) {
            self.access.assert_admin();
            // What has run out so far did so under the old terms.
            let now = get_block_timestamp();
            self.outflow.write(settled(self.outflow.read(), self.quota(), now));
            self.set_quota(quota);
        }

        fn quota(self: @ContractState) -> Limit {
            let Bucket { level, at } = self.quota.read();
            Limit { limit: level, window: at }
        }

        fn outflow(self: @ContractState) -> Bucket {
            self.outflow.read()
        }

        fn withdrawable(self: @ContractState) -> u128 {
            room(self.outflow.read(), self.quota(), get_block_timestamp())
        }

        fn attested(self: @ContractState, epoch: u64, counter: u64) -> bool {
            self.attested.read((epoch, counter))
        }

        fn due(self: @ContractState, epoch: u64, counter: u64) -> Due {
            self.due.read((epoch, counter))
        }

        fn last_counter(self: @ContractState, epoch: u64) -> u64 {
            if epoch == self.epoch.read() {
                self.withdrawal_count.read()
            } else {
                self.closed.read(epoch)
            }
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

        fn set_quota(ref self: ContractState, quota: Limit) {
            let Limit { limit, window } = quota;
            assert(window != 0, 'BRIDGE: bad window');
            self.quota.write(Bucket { level: limit, at: window });
            self.emit(QuotaConfigured { limit, window });
        }

        fn take_quota(ref self: ContractState, amount: u128) {
            let poured = pour(self.outflow.read(), self.quota(), get_block_timestamp(), amount);
            self.outflow.write(poured.expect('BRIDGE: over the quota'));
        }

        /// After a rollback a wallet may hold what L1 has paid already.
        fn assert_may_leave(self: @ContractState) {
            let since = self.epoch_since.read();
            if since == 0 || get_block_timestamp() >= since + RECONCILE_SECS {
                return;
            }
            let mode = IClearinghouseDispatcher { contract_address: self.clearinghouse.read() }
                .mode();
            assert(mode != Mode::Halted, 'BRIDGE: being reconciled');
        }

        /// Burns what an erased withdrawal had burnt, wherever its money is now: where it came from
        /// first, what is missing is insurance's loss and the account's debt to it.
        fn debit_again(ref self: ContractState, source: felt252, amount: u128) -> Debit {
            let minter = IBridgedTokenDispatcher { contract_address: self.token.read() };
            let mut debit: Debit = Default::default();
            let account: ContractAddress = if in_range(source) {
                source.try_into().unwrap_or(Zero::zero())
            } else {
                let nonce = source - RETURNED;
                if !self.delivered.read(nonce) {
                    // Its deposit was erased too. It went back to L1, so it is never delivered.
                    self.delivered.write(nonce, true);
                    return Debit { deposit: amount, ..debit };
                }
                let id = self.parked_ids.read(nonce);
                let parked = self.parked.read(id);
                if parked.amount == amount {
                    self.take_parked(id);
                    minter.burn(get_contract_address(), amount.into());
                    return Debit { deposit: amount, ..debit };
                }
                // Claimed, or delivered this time.
                self.recipient_of(parked.recipient).unwrap_or(Zero::zero())
            };
            if account.is_non_zero() {
                let held = IERC20Dispatcher { contract_address: minter.contract_address }
                    .balance_of(account);
                debit.wallet = min(held, amount.into()).try_into().unwrap();
                if debit.wallet != 0 {
                    minter.burn(account, debit.wallet.into());
                }
            }
            let rest = amount - debit.wallet;
            if rest != 0 {
                debit.venue = reconcile(self.clearinghouse.read(), account, rest);
                if debit.venue != 0 {
                    minter.burn(get_contract_address(), debit.venue.into());
                }
            }
            debit.due = rest - debit.venue;
            debit
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
            source: felt252,
            l1_recipient: EthAddress,
            amount: u128,
        ) -> u64 {
            let counter = self.withdrawal_count.read() + 1;
            self.withdrawal_count.write(counter);
            let epoch = self.epoch.read();
            self
                .emit(
                    WithdrawalRegistered { account, l1_recipient, amount, epoch, counter, source },
                );
            IBridgedTokenDispatcher { contract_address: self.token.read() }
                .burn(account, amount.into());
            let payload = array![
                self.l1_token.read().into(), l1_recipient.into(), amount.into(), epoch.into(),
                counter.into(), source,
            ];
            send_message_to_l1_syscall(self.l1_bridge.read().into(), payload.span())
                .unwrap_syscall();
            counter
        }
    }

    /// Whether a source is an account.
    fn in_range(source: felt252) -> bool {
        let wide: u256 = source.into();
        wide < RETURNED.into()
    }
}
